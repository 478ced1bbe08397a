"""Evaluation files: CMExam test, C-Eval, the Huatuo-26M test, and anyone's JSON Lines; one folder per set.

They are read for scoring and for keeping their text out of training data; none of them ever enters a split.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson

from chimed.errors import DataError
from chimed.readers import Delimited, FirstOf, JsonRows, Sniffed, Workbook
from chimed.readers.files import ZIP, fault_of
from chimed.source import BadRow, Reader, Row, Skip
from chimed.sources import choices, instructions

LETTERS = "ABCDEFGHIJ"

_MEMBER = re.compile(r"(?:.*/)?(dev|val|test)/([a-z_]+?)_(?:dev|val|test)\.csv")
_ALPACA_INPUT = re.compile(r"\s*问题：(.*?)\n选项：(.*)", re.S)
_MAX_MEMBER = 64 * 2**20
# what zipfile raises for archives that were cut short or hit by noise
_DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class EvalItem:
    """One question of an evaluation set.

    `id` is unique within the set; `options` are (letter, text) in upstream's order, empty for a free question;
    `answer` holds the right letters, or None where the set keeps them back; `reference` is the reference answer of a
    free question or the explanation of a choice; `annotations` are upstream's own notes (department, difficulty, …).
    """

    set: str
    id: str
    stem: str
    kind: Literal["choice", "free"]
    options: tuple[tuple[str, str], ...] = ()
    answer: str | None = None
    reference: str | None = None
    subject: str | None = None
    split: str = "test"
    annotations: dict[str, str] = field(default_factory=dict)


def sets_in(folder: Path) -> list[str]:
    """Names of the sets that lie in a folder, one folder each, sorted; none where the folder is absent."""
    if not folder.is_dir():
        return []
    return sorted(place.name for place in folder.iterdir() if place.is_dir() and _files(place))


def read_items(folder: Path, *names: str) -> Iterator[EvalItem]:
    """Items of the sets in a folder (all of them, or those named), in the order of names and files.

    DataError where a named set is absent or a file cannot be read; a broken row is a DataError too: a benchmark with
    holes would give wrong scores and a leaking guard.
    """
    for name in names or sets_in(folder):
        place = folder / name
        if not _files(place):
            raise DataError(f"{place}: no files of the evaluation set {name}. Put them there, or leave the set out.")
        yield from _READERS.get(name, _own)(place, name)


def subject_names(folder: Path) -> dict[str, str]:
    """Chinese names of C-Eval's subjects from `subject_mapping.json` beside the archive; empty where it is absent."""
    path = folder / "subject_mapping.json"
    if not path.is_file():
        return {}
    try:
        given = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
        return {subject: str(names[1]) for subject, names in given.items()}
    except (orjson.JSONDecodeError, AttributeError, LookupError, TypeError) as error:
        raise DataError(f"{path}: not the subject mapping of C-Eval ({error}). Download it again.") from error


def _files(place: Path) -> list[Path]:
    ends = {".csv", ".xlsx", ".json", ".jsonl", ".zip"}
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if path.suffix in ends and not path.name.startswith("."))


def _rows(reader: Reader, place: Path, name: str) -> Iterator[Row]:
    """Sound rows of the files that a reader finds; DataError for all else."""
    files = reader.find(place)
    if not files:
        raise DataError(f"{place}: no file of {name} under a known name. Put its upstream file there.")
    if faults := reader.faults(place, files):
        raise DataError("\n".join(f"{name}, {fault}" for fault in faults))
    for row in reader.read(place, files):
        if isinstance(row, BadRow):
            raise DataError(f"{name}, {row.file}, row {row.position}: {row.reason} ({row.detail}). Mend the file.")
        yield row


def _where(name: str, row: Row, skip: Skip) -> DataError:
    return DataError(f"{name}, {row.file}, row {row.position}: {skip.reason} ({skip.detail}). Mend the file.")


_CMEXAM = (
    FirstOf.these(
        "test_with_annotations.csv", "test.csv", ("test.json", "test.jsonl"), "test_with_annotations.xlsx", "*.xlsx",
        "*.csv", ("*.json", "*.jsonl"),
    ),
)  # fmt: skip


def _cmexam(place: Path, name: str) -> Iterator[EvalItem]:
    reader = Sniffed(
        text=Delimited(_CMEXAM, choices.COLUMNS),
        json=JsonRows(_CMEXAM, layouts=(*choices.COLUMNS, instructions.ALPACA)),
        workbook=Workbook(_CMEXAM, choices.COLUMNS),
    )
    for row in _rows(reader, place, name):
        try:
            yield _of_alpaca(name, row) if "instruction" in row.value else _of_choice(name, row)
        except Skip as skip:
            raise _where(name, row, skip) from skip


def _of_choice(name: str, row: Row) -> EvalItem:
    """A CMExam row; one without a key, or with a key that is no option, keeps its place (accuracy is over all rows)."""
    stem, options, answer, explanation, notes = choices.fields(row.value)
    if not stem:
        raise Skip("empty_question", "the stem is empty")
    letters = tuple((option.letter, option.text) for option in options)
    department = notes.get("Clinical Department")
    return EvalItem(
        name, str(row.position), stem, "choice", letters, answer or None, explanation or None, department,
        annotations=notes,
    )  # fmt: skip


def _of_alpaca(name: str, row: Row) -> EvalItem:
    """The single-choice copy without letters: `问题：…\\n选项：\\n\\t…`, the answer is the text of an option."""
    match = _ALPACA_INPUT.match(row.value.get("input") or "")
    if not match:
        raise Skip("wrong_shape", "input has no 问题： and 选项：")
    texts = [text.strip() for text in match[2].split("\n\t") if text.strip()]
    answer = str(row.value.get("output") or "").strip()
    if answer not in texts:
        raise Skip("answer_not_in_options", "output is none of the options")
    options = tuple(zip(LETTERS, texts, strict=False))
    letter = next(letter for letter, text in options if text == answer)
    return EvalItem(name, str(row.position), match[1].strip(), "choice", options, letter)


def _ceval(place: Path, name: str) -> Iterator[EvalItem]:
    """C-Eval out of its archive, member by member; nothing is unpacked to disk, every cell is text."""
    chinese = subject_names(place)
    for path in (file for file in _files(place) if file.suffix == ".zip"):
        if fault := fault_of(place, path.name, None, binary=ZIP):
            raise DataError(f"{name}, {fault}")
        try:
            with zipfile.ZipFile(path) as archive:
                for info in sorted(archive.infolist(), key=lambda info: info.filename):
                    if match := _MEMBER.fullmatch(info.filename):
                        yield from _member(archive, info, name, match[1], match[2], chinese)
        except (*_DAMAGED, csv.Error) as error:
            raise DataError(f"{name}, {path.name}: a damaged archive ({error}). Download it again.") from error


def _member(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, split: str, subject: str, chinese: dict[str, str]
) -> Iterator[EvalItem]:
    if info.file_size > _MAX_MEMBER:
        raise DataError(f"{name}, {info.filename}: {info.file_size:,} bytes is no file of C-Eval. Download it again.")
    try:
        text = archive.read(info).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}, {info.filename}: byte {error.start} does not decode as UTF-8.") from error
    rows = csv.DictReader(io.StringIO(text, newline=""))
    for number, row in enumerate(rows, 1):
        if not row.get("question") or any(row.get(column) is None for column in ("id", *"ABCD")):
            raise DataError(f"{name}, {info.filename}, row {number}: id, question or options are missing. "
                            "Mend the file.")  # fmt: skip
        options = tuple((letter, row[letter].strip()) for letter in "ABCD")
        answer, explanation = (row.get("answer") or "").strip(), (row.get("explanation") or "").strip()
        notes = {"subject": chinese[subject]} if subject in chinese else {}
        yield EvalItem(
            name, f"{split}/{subject}/{row['id']}", row["question"].strip(), "choice", options, answer or None,
            explanation or None, subject, split, notes,
        )  # fmt: skip


_HUATUO = (FirstOf.these("test_datasets.jsonl", "huatuo26M_test.json", ("*.jsonl", "*.json")),)


def _huatuo(place: Path, name: str) -> Iterator[EvalItem]:
    """`{"questions", "answers"}` as plain strings, or the array copy with lists under `instruction` and `output`."""
    layouts = (frozenset({"questions", "answers"}), instructions.ALPACA)
    for row in _rows(JsonRows(_HUATUO, layouts), place, name):
        value = row.value if isinstance(row.value, dict) else {}
        question = _text(value.get("questions", value.get("instruction")))
        answer = _text(value.get("answers", value.get("output")))
        if not question or not answer:
            raise _where(name, row, Skip("empty_answer" if question else "empty_question", "no text"))
        yield EvalItem(name, str(row.position), question, "free", reference=answer)


def _text(value: Any) -> str:
    """A string, or the strings of a list joined with a newline; stripped."""
    texts = value if isinstance(value, list) else [value]
    return "\n".join(text.strip() for text in texts if isinstance(text, str) and text.strip())


def _own(place: Path, name: str) -> Iterator[EvalItem]:
    """A user's set: JSON Lines or an array of `{question, answer}` or `{question, options: {A: …}, answer}`."""
    reader = JsonRows(("*.jsonl", "*.json"), layouts=(frozenset({"question"}), frozenset({"stem"})))
    for row in _rows(reader, place, name):
        try:
            yield _of_own(name, row)
        except Skip as skip:
            raise _where(name, row, skip) from skip


def _of_own(name: str, row: Row) -> EvalItem:
    value: dict[str, Any] = row.value if isinstance(row.value, dict) else {}
    stem = _text(value.get("question", value.get("stem")))
    if not stem:
        raise Skip("empty_question", "question is empty")
    mark = f"{row.file}:{row.position}" if value.get("id") is None else str(value["id"])
    notes = {key: text for key in ("department", "difficulty", "type") if isinstance(text := value.get(key), str)}
    given = value.get("options")
    if not given:
        reference = _text(value.get("reference", value.get("answer"))) or None
        return EvalItem(name, mark, stem, "free", reference=reference, subject=value.get("subject"), annotations=notes)
    if not isinstance(given, dict) or any(not isinstance(text, str) for text in given.values()):
        raise Skip("wrong_shape", "options are no object of texts by letter")
    answer = _text(value.get("answer")) or None
    if answer and set(answer) - set(given):
        raise Skip("answer_not_in_options", f"answer {answer} is none of {''.join(given)}")
    options = tuple((str(letter), text.strip()) for letter, text in given.items())
    explanation = _text(value.get("explanation")) or None
    return EvalItem(name, mark, stem, "choice", options, answer, explanation, value.get("subject"), annotations=notes)


_READERS = {"cmexam_test": _cmexam, "ceval": _ceval, "huatuo26m_test": _huatuo}
