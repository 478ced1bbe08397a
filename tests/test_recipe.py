"""Recipes: unknown words are refused with the nearest known one, options win over the file."""

from pathlib import Path

import pytest

from chimed.build.inputs import known_sources
from chimed.errors import UsageError
from chimed.recipe import Recipe, load, with_options


def write(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_packaged_recipe_equals_the_defaults_but_for_the_priority() -> None:
    packaged = load()
    assert packaged.dedup.priority[0] == "cmexam"
    assert packaged.model_copy(update={"dedup": Recipe().dedup}) == Recipe()
    assert packaged.dedup.model_copy(update={"priority": ()}) == Recipe().dedup


def test_a_misspelt_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"dedup\.treshold.*did you mean 'threshold'"):
        load(write(tmp_path, "[dedup]\ntreshold = 0.7\n"))


@pytest.mark.parametrize("text", ["seed = [", "validation = 0.9", '[mixture]\nmedical_to_general = "1.0"'])
def test_bad_values_and_bad_toml_are_usage_errors(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        load(write(tmp_path, text))


def test_a_share_says_one_word(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one of rows, share or times"):
        load(write(tmp_path, "[mixture.sources]\na = { rows = 1, times = 2 }"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such recipe"):
        load(tmp_path / "none.toml")


def test_options_win_and_none_leaves_the_recipe() -> None:
    recipe = with_options(Recipe(), dedup__method="exact", mask=None, guard__action="report")
    assert (recipe.dedup.method, recipe.mask, recipe.guard.action) == ("exact", "standard", "report")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[clean]\nsteps = ["markpu"]', r"clean\.steps: .*no step 'markpu' \(did you mean 'markup'\?\)"),
        ('[quality]\nvery_shrot = "drop"', r"quality: .*no flag 'very_shrot' \(did you mean 'very_short'\?\)"),
        ('version = "1.0"', "version: .*should be three numbers, such as 1.0.0"),
        ('[mixture]\nmedical_to_general = "1.0"', "medical_to_general: .*should be two whole numbers, such as 2:1"),
        ("[mixture.sources]\na = { rows = 0 }", r"mixture\.sources\.a\.rows: Input should be greater than 0$"),
        (
            "[mixture.sources]\na = { share = 2 }",
            r"mixture\.sources\.a\.share: Input should be less than or equal to 1$",
        ),
        ('[mixture.sources]\na = "al"', r"mixture\.sources\.a: Input should be "),
    ],
)
def test_names_and_numbers_that_mean_nothing_are_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refusal:
        load(write(tmp_path, text))
    assert "[" not in str(refusal.value).partition(".toml")[2] and "literal" not in str(refusal.value)


@pytest.mark.parametrize("text", ['[dedup]\npriority = ["cmexm"]', '[mixture.sources]\ncmexm = "all"'])
def test_a_source_that_there_is_not_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="no source 'cmexm' .did you mean 'cmexam'"):
        known_sources(load(write(tmp_path, text)))


def test_a_recipe_from_an_editor_that_marks_its_encoding(tmp_path: Path) -> None:
    assert load(write(tmp_path, "\ufeffseed = 7\n")).seed == 7
