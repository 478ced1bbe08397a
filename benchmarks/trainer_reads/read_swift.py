"""What ms-swift's loader and preprocessors make of a repository. `read_swift.py SPLIT REPO OUT`."""

import json
import sys
from pathlib import Path
from typing import Any

from swift.dataset import load_dataset


def read(split: str, place: str) -> list[Any]:
    """`place` is `ORG/NAME` on the Hub or a JSON Lines file that `chimed export --to swift` wrote."""
    named = place if Path(place).is_file() else f"{place}:swift" if split == "dpo" else place
    data, _ = load_dataset([named], use_hf=True, split_dataset_ratio=0.0, num_proc=1)
    return [_row(row, split) for row in data]


def _row(row: dict[str, Any], split: str) -> dict[str, Any]:
    turns = [[message["role"], message["content"]] for message in row["messages"]]
    if split == "sft":
        return {"turns": turns}
    rejected = row.get("rejected_response") or row["rejected_messages"][-1]["content"]
    return {"turns": turns[:-1], "chosen": turns[-1][1], "rejected": rejected}


if __name__ == "__main__":
    rows = read(sys.argv[1], sys.argv[2])
    Path(sys.argv[3]).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
