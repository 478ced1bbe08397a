"""JSON Schemas of the record kinds, the published rows and the manifest, generated from their models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from chimed.records import ROW_MODELS, AnyRecord, Origin
from chimed.release import Manifest


def schemas() -> dict[str, str]:
    """File name to JSON text."""
    models: dict[str, Any] = {split: model for split, model in ROW_MODELS.items()}
    models |= {"record": AnyRecord, "origin": Origin, "manifest": Manifest}
    return {f"{name}.schema.json": _text(TypeAdapter(model).json_schema()) for name, model in models.items()}


def _text(schema: dict[str, Any]) -> str:
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(dialect | schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def stale(folder: Path) -> list[str]:
    """Names of the files in `folder` that differ from the models, missing ones included."""
    return [
        n
        for n, text in schemas().items()
        if not (folder / n).is_file() or (folder / n).read_text(encoding="utf-8") != text
    ]


def write(folder: Path) -> list[Path]:
    """Write all schemas into `folder`; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in schemas()]
