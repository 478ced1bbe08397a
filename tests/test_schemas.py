"""The committed JSON Schemas are those of the models, and judge rows as the models do."""

from pathlib import Path

import pytest

from chimed import packaged
from chimed.schemas import schemas, stale, write


def test_the_committed_schemas_are_up_to_date() -> None:
    assert stale(packaged.folder("schemas")) == []


def test_every_kind_row_and_manifest_has_one() -> None:
    assert set(schemas()) == {
        f"{name}.schema.json" for name in ("record", "origin", "manifest", "cpt", "sft", "dpo")
    }  # fmt: skip


@pytest.mark.parametrize("name", ["cpt", "sft", "dpo"])
def test_unknown_fields_are_refused(name: str) -> None:
    assert '"additionalProperties": false' in schemas()[f"{name}.schema.json"]


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "sft.schema.json").write_text("{}", encoding="utf-8")
    assert stale(tmp_path) == ["sft.schema.json"]
