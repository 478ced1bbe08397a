"""The report: one HTML file without network, plots first. What it shows is gathered in gather.py, drawn by page.html."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from chimed.release import Manifest
from chimed.report.gather import gather

__all__ = ["render"]


def render(folder: Path, manifest: Manifest, local: bool = True) -> str:
    """The report of a release folder as HTML.

    With `local` it also shows lost rows and texts before cleaning and masking, where the folder has them; a copy that
    is published must be rendered without, whatever lies in the folder.
    Record text is data: it travels as JSON with `<` escaped and is only ever set as text.
    """
    page = (files("chimed.report") / "page.html").read_text(encoding="utf-8")
    data = json.dumps(gather(folder, manifest, local), ensure_ascii=False, sort_keys=True)
    for sign in "<>&\u2028\u2029":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    return page.replace("/*DATA*/null", data).replace("{{TITLE}}", manifest.name)
