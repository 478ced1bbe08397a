r"""The two characters `\n` where an upstream file was escaped twice.

Left alone: what may be a formula (`\nu`, `\neq`: a lower-case letter follows), a path (`C:\Notes`: Latin on both
sides), and an escaped backslash (`\\n`). Records about program text never come here.
"""

from __future__ import annotations

import re

SIGNS = "\\"
"""A text without it stays as it is."""
_LITERAL = re.compile(
    r"(?<!\\)(?:(?:\\r)?\\n){2,}"  # a blank line is no formula
    r"|(?<!\\)(?<![A-Za-z0-9_:.])(?:\\r)?\\n(?![a-z\\])"
    r"|(?<!\\)(?:\\r)?\\n(?![A-Za-z0-9_\\])"
)


def escapes(text: str) -> str:
    r"""Turn literal `\n` and `\r\n` into a newline where nothing else can be meant."""
    if "\\n" not in text:
        return text
    return _LITERAL.sub(lambda found: "\n" * min(2, found[0].count("\\n")), text)
