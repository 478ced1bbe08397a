"""The page of masking: speed by length of text, hits by type, and a peer beside it. Written by `privacy.py speed`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from timing import speed, write_page

HEAD = """\
# Masking: speed and score

`python benchmarks/privacy.py speed FOLDER [--peer]`: MB of UTF-8 text per second of CPU time on one core, profile standard, all
types; the median of the rounds. The strings are those of the upstream files; every fourth one where it says so.
""".splitlines()
READ = """
jionlp 1.5.31 with seven extractors (no names, no addresses) ran at 4.7 and 3.3 MB/s on every fourth string, in two runs in
which this package, before it looked for clues, ran at 5.3 and 5.3: `--peer` measures it again, in an environment of its own.

Precision as read by one reader on the upstream files, distinct hits: NAME 167 of 170 (random; two wrong, one only in part);
DATE 38 of 40; URL 95 of 95 (links to public pages, nearly all); ADDRESS 5 of 7; DOB 5 of 5 (all of
public figures); AGE90 2 of 2; PHONE 4 of 4; MOBILE 2 of 4 (the two others were a laboratory table run together, which stays now).
No record number, identity card, bank card, QQ, WeChat, plate, passport or bed was found in these files. No number with a unit
changed (`tests/test_privacy.py`, the test on the upstream files).

The score table stands in docs/privacy.md. First scores of each set of sentences, before any rule was mended for it:

| sentences | structured found | what happened to them |
|---|---|---|
| first held-out (249 lines) | 91 of 92 | one rule mended for it, and later two regressions (one WeChat, two names) that its counts showed; its lines were never edited |
| second (211 lines) | 93 of 98 | read, rules mended, moved to the development part |
| third (111 lines) | 65 of 69 | read, rules mended, moved to the development part |
| fourth (58 lines) | 59 of 59 | added to the held-out part as it was |
""".splitlines()


def megabytes(texts: Sequence[str]) -> float:
    """Their size in UTF-8."""
    return sum(len(text.encode("utf-8", "ignore")) for text in texts) / 1e6


def write(texts: list[str], rounds: int, peer: str | None) -> None:
    """Measure on all strings of a folder and write results/privacy.md."""
    from chimed.privacy import Masker

    masker = Masker(finders=())
    masker.mask("谢谢李医生")  # the dictionary is loaded and the pass compiled before the clock starts
    kinds = {
        "every fourth": texts[::4],
        "every fourth, 100 characters and more": [text for text in texts[::4] if len(text) >= 100],
        "all of 1,000 characters and more": [text for text in texts if len(text) >= 1000],
    }
    lines = [*HEAD, "", "| strings | n | MB | MB/s |", "|---|---:|---:|---:|"]
    for name, chosen in kinds.items():
        size = megabytes(chosen)
        lines.append(f"| {name} | {len(chosen):,} | {size:.1f} | {speed(masker.mask, chosen, size, rounds):.1f} |")
    counts = [masked.counts for text in texts if (masked := masker.mask(text)).counts]
    total = sum(map(Counter, counts), Counter[str]()).most_common()
    found = ", ".join(f"{kind} {count:,}" for kind, count in total)
    lines += ["", f"Of all {len(texts):,} strings ({megabytes(texts):.1f} MB) {len(counts):,} hold a hit: {found}."]
    write_page("privacy", [*lines, *([f"\n{peer}"] if peer else []), *READ])
