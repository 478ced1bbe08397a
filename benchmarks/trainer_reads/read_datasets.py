"""What `datasets.load_dataset` gives for every config of a repository. `read_datasets.py SPLIT REPO OUT`."""

import json
import sys

from datasets import get_dataset_config_names, load_dataset

if __name__ == "__main__":
    _, repo, out = sys.argv[1:4]
    with open(out, "w", encoding="utf-8") as f:
        for config in get_dataset_config_names(repo):
            for mode in ("plain", "streaming"):
                loaded = load_dataset(repo, config, streaming=mode == "streaming")
                for part in loaded:
                    for row in loaded[part]:
                        line = {"road": f"{mode}, {config}", "part": part, "row": row}
                        f.write(json.dumps(line, ensure_ascii=False) + "\n")
