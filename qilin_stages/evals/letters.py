"""Reading option letters in a generation: normalised text, the options, and the runs of letters that name them.

A run is one or more option letters joined by blanks or 、，/ 和 与 及 以及; a letter may carry its own option text or
a parenthesis ("A.青霉素 B.红霉素"). Options whose text begins with a Latin letter (B超, CT) win over the letter.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

ALPHABET = "ABCDEFGH"
_JOINT = re.compile(r"(?:项|选项)?(?:\s*[、,/+&]\s*(?:and\s+)?|\s+and\s+|\s*(?:以及|和|与|及)\s*|[ \t]+)")
_TAIL = re.compile(r"[.、:,)\]】]*[ \t]*")
_PARENTHESIS = re.compile(r"[ \t]*\([^()\n]{0,60}\)")
# A letter that opens a term of its own: B超, B型, C肽, C反应蛋白, A群链球菌, T波 …
_TERM = re.compile(r"[A-Z](?:超(?!过)|型|群|族|肽|反应蛋白|细胞|淋巴|抗原|抗体|蛋白|波(?!及)|链)")
# After a comma a letter belongs to the run only if no clause of its own begins ("选BCD，A为…").
_LISTED = re.compile(r"[^\w]|$|[和与及以均都皆全也正对符两三四五项选]")
_ADJOINING = re.compile(r"[A-Za-z0-9-]")


def normalise(text: str) -> str:
    """NFKC (full-width and circled letters), Markdown asterisks, backticks and leading # removed, trimmed.

    Thoughts before `</think>` are no answer; `<answer>` and a box declare one.
    """
    plain = unicodedata.normalize("NFKC", text).rpartition("</think>")[2]
    plain = re.sub(r"(?i)<answer>(.*?)(?:</answer>|$)", r"答案:\1", plain, flags=re.S)
    plain = re.sub(r"\\boxed\{(?:\\text\{)?([^{}]*)\}+", r"答案:\1", plain)
    return re.sub(r"(?m)^\s*#+\s*", "", re.sub(r"[*`]", "", plain)).strip()


@dataclass(frozen=True)
class Run:
    """Letters named together (as set of the options, sorted) and where they stand in the text."""

    letters: str
    start: int
    end: int


@dataclass(frozen=True)
class Options:
    """The options of one question, normalised: letter -> text."""

    texts: dict[str, str]

    @classmethod
    def of(cls, options: dict[str, str]) -> Options:
        """Normalise letters and texts; without any option all of A-H count as letters."""
        texts = {normalise(k).upper()[:1]: normalise(v) for k, v in options.items() if normalise(k)}
        return cls(texts or dict.fromkeys(ALPHABET, ""))

    @cached_property
    def latin(self) -> list[tuple[str, str]]:
        """(text, letter) of options that begin with a Latin letter, the longest first."""
        found = [(text, letter) for letter, text in self.texts.items() if re.match(r"[A-Za-z]..?", text + "\n", re.A)]
        return sorted((f for f in found if len(f[0]) > 1), key=lambda f: -len(f[0]))

    def named_at(self, text: str, at: int) -> tuple[str, int] | None:
        """The option whose Latin-initial text stands at `at`: (letter, end)."""
        for name, letter in self.latin:
            if text.startswith(name, at) and bounded(text, at, at + len(name)):
                return letter, at + len(name)
        return None


def bounded(text: str, start: int, end: int) -> bool:
    """True if text[start:end] is no part of a longer number or Latin word (0.4 is not 4, CTA is not CT)."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    first, last = text[start], text[end - 1]
    if _latin(first) and before[-1:] and _latin(before[-1]):
        return False
    if _latin(last) and after[:1] and _latin(after[0]):
        return False
    if first.isdecimal() and (before[-1:].isdecimal() or re.fullmatch(r"\d[.]", before)):
        return False
    return not (last.isdecimal() and (after[:1].isdecimal() or re.fullmatch(r"[.]\d", after)))


def _latin(char: str) -> bool:
    return char.isascii() and char.isalpha()


def read_run(text: str, at: int, options: Options) -> Run | None:
    """The run of option letters that starts exactly at `at`; None if none does. Never shortened by what follows it."""
    if named := options.named_at(text, at):
        return _named_run(text, at, named, options)
    letters, end = _letters(text, at, options)
    if not letters:
        return None
    while (joint := _JOINT.match(text, end)) and joint.end() > end:
        if options.named_at(text, joint.end()):
            break
        more, stop = _letters(text, joint.end(), options)
        if not more or ("," in joint.group() and not _LISTED.match(text, stop)):
            break
        letters, end = letters + more, stop
    return Run("".join(sorted(set(letters) & set(options.texts))), at, end)


def _named_run(text: str, at: int, named: tuple[str, int], options: Options) -> Run:
    letters, end = named
    while (joint := _JOINT.match(text, end)) and (more := options.named_at(text, joint.end())):
        letters, end = letters + more[0], more[1]
    return Run("".join(sorted(set(letters))), at, end)


def _letters(text: str, at: int, options: Options) -> tuple[str, int]:
    """Adjoining capital letters A-H that are no word, with the option text or parenthesis a single one carries."""
    token = re.compile(r"[A-H]+").match(text, at)
    if not token:
        return "", at
    end, letters = token.end(), token.group()
    own = options.texts.get(letters[-1], "")
    tail = _TAIL.match(text, end)
    after = tail.end() if tail else end
    if own and text.startswith(own, after) and bounded(text, after, after + len(own)):
        return letters, after + len(own)
    if _ADJOINING.match(text, end) or _TERM.match(text, end - 1):
        return "", at
    if note := _PARENTHESIS.match(text, end):
        return letters, note.end()
    return letters, end
