"""Configs: every row in the configs meant for it; a card that would not load is refused before anything is sent."""

from pathlib import Path

import pytest
import yaml
from releases import SOURCES, make_release, some_rows

from chimed import card
from chimed.configs import check_card, configs, fields, metadata
from chimed.errors import DataError
from chimed.export import arrow_schema
from chimed.records import Split


@pytest.mark.parametrize("split", ["cpt", "sft", "dpo"])
def test_configs_divide_the_files(tmp_path: Path, split: str) -> None:
    manifest = make_release(tmp_path, split, validation=1).manifest
    found = configs(manifest)
    data = {file.path for file in manifest.files if file.path.startswith("data/")}
    everything = {path for paths in found["default"].values() for path in paths}
    assert found["default"] == found["all"] and everything == data
    for entry in manifest.sources:
        mine = {path for paths in found[entry.source].values() for path in paths}
        assert mine == {path for path in data if path.startswith(f"data/{entry.source}/")}
        assert set(found[entry.source]) == {"train", "validation"}
    for name in {"general", "medical"} & set(found):
        assert {SOURCES[path.split("/")[1]][0] for paths in found[name].values() for path in paths} == {name}
    for paths in found.get("permissive", {}).values():
        assert {SOURCES[path.split("/")[1]][3] for path in paths} == {"yes"}


def test_a_row_of_another_domain_stays_with_its_source_and_the_card_says_so(tmp_path: Path) -> None:
    """Files go by source, so the config of a domain cannot have single rows of another source."""
    rows = some_rows("sft")
    rows[0] = rows[0] | {"source": "school_math", "id": "school_math:00000000000000ff", "domain": "medical"}
    manifest = make_release(tmp_path, "sft", rows=rows).manifest
    assert {path.split("/")[1] for path in configs(manifest)["general"]["train"]} == {"school_math"}
    assert "data/school_math/" not in str(configs(manifest)["medical"])
    text = card.render(manifest)
    assert "`general` and `medical` go by source" in text and "`general` 与 `medical` 按来源划分" in text


def test_a_source_with_the_name_of_a_config_is_refused(tmp_path: Path) -> None:
    manifest = make_release(tmp_path, "sft").manifest
    entry = manifest.sources[0].model_copy(update={"source": "permissive"})
    with pytest.raises(DataError, match="permissive"):
        configs(manifest.model_copy(update={"sources": [entry]}))


def test_counts_and_default_of_the_yaml(tmp_path: Path) -> None:
    manifest = make_release(tmp_path, "sft", validation=1).manifest
    data = metadata(manifest)
    counts = {info["config_name"]: [s["num_examples"] for s in info["splits"]] for info in data["dataset_info"]}
    assert counts["default"] == [15, 3] and counts["school_math"] == [5, 1]
    assert [config["config_name"] for config in data["configs"] if config.get("default")] == ["default"]
    assert yaml.safe_load(yaml.safe_dump(data)) == data


@pytest.mark.parametrize("split", ["cpt", "sft", "dpo"])
def test_the_yaml_is_what_the_datasets_library_writes(tmp_path: Path, split: Split) -> None:
    from datasets import DatasetInfo, Features
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    made = metadata(make_release(tmp_path, split, validation=1).manifest)
    infos = {
        info["config_name"]: DatasetInfo(
            features=Features.from_arrow_schema(arrow_schema(split)), splits=info["splits"],
            download_size=info["download_size"], dataset_size=info["dataset_size"],
        )
        for info in made["dataset_info"]
    }  # fmt: skip
    data = DatasetCardData()
    DatasetInfosDict(infos).to_dataset_card_data(data)
    MetadataConfigs({config["config_name"]: dict(config) for config in made["configs"]}).to_dataset_card_data(data)
    assert yaml.safe_dump(made, sort_keys=False) == yaml.safe_dump(data.to_dict(), sort_keys=False)


@pytest.mark.parametrize("shape", ["llamafactory", "swift"])
def test_the_features_of_a_trainers_shape_are_those_of_the_library(shape: str) -> None:
    from datasets import Features

    schema = arrow_schema("dpo", shape)
    assert fields(schema) == Features.from_arrow_schema(schema)._to_yaml_list()


GOOD = "---\nconfigs:\n- config_name: a\n  data_files:\n  - split: train\n    path: x.parquet\n---\n# 卡\n"


def test_a_good_card_passes() -> None:
    check_card(GOOD, {"x.parquet"})
    check_card(GOOD.replace("x.parquet", "data/*.parquet"), set())


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("# no block\n", "no YAML block"), ("---\na: [\n---\n", "does not parse"), ("---\n- a\n---\n", "not a mapping"),
        (GOOD + "[More Information Needed]", "placeholder"), (GOOD.replace("x.parquet", "y.parquet"), "y.parquet"),
        ("---\nconfigs: yes\n---\n", "not a list"),
        (GOOD.replace("---\n# ", "- config_name: a\n  data_files: []\n---\n# "), "twice"),
    ],
)  # fmt: skip
def test_bad_cards_are_refused(card: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        check_card(card, {"x.parquet"})
