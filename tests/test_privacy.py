"""Masking: what must be found, what must never change, and that masking twice is masking once."""

import importlib.metadata
import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner
from upstream import upstream

import chimed.cli
from chimed.errors import ChimedError, DataError, UsageError
from chimed.privacy import PLACEHOLDERS, Finder, Masker, find, installed, key_from_environment, validators
from chimed.privacy.files import mask_file
from chimed.privacy.finding import STRICT_GROUPS, opened, search
from chimed.privacy.names import names
from chimed.privacy.places import addresses
from chimed.privacy.replacement import is_surrogate
from chimed.privacy.spans import fold

ROOT = Path(__file__).resolve().parent.parent
KEY = b"a key for tests, not a secret"
PLAIN = Masker(finders=())
KEYED = Masker(surrogate_key=KEY, finders=())


def load_benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("privacy_benchmark", ROOT / "benchmarks" / "privacy.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["privacy_benchmark"] = module
    spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()
DEVELOPMENT = BENCHMARK.cases("development")
HELD_OUT = BENCHMARK.cases("heldout")
MEDICAL = [
    line.split("\t")[-1] for line in (ROOT / "tests/medical_strings.txt").read_text(encoding="utf-8").splitlines()
]


def masked(text: str) -> str:
    return PLAIN.mask(text).text


# --- recall and damage on the project's own sentences ---


def test_there_are_enough_sentences() -> None:
    assert len(DEVELOPMENT) >= 150
    assert len(HELD_OUT) >= 200
    assert not {c.text for c in DEVELOPMENT} & {c.text for c in HELD_OUT}
    assert {kind for c in HELD_OUT for *_, kind in c.spans} >= BENCHMARK.STRUCTURED | {"NAME", "ADDRESS", "AGE90"}


def test_development_finds_every_structured_identifier_and_damages_nothing() -> None:
    score = BENCHMARK.score(DEVELOPMENT)
    assert score.recall(BENCHMARK.STRUCTURED) == 1, score.missed
    assert score.recall(frozenset({"NAME"})) >= 0.95, score.missed
    assert not score.damaged


def test_held_out_keeps_the_promised_floors() -> None:
    score = BENCHMARK.score(HELD_OUT)
    assert score.recall(BENCHMARK.STRUCTURED) >= 0.99, score.missed
    assert score.precision("NAME") >= 0.9
    assert all(line.endswith(" NAME") for line in score.damaged), "a number was damaged"


def test_the_score_table_of_the_docs_is_the_measured_one() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert BENCHMARK.documented(page) == page, "run python benchmarks/privacy.py score --write"


def test_the_docs_claim_no_law() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    assert "rule-based masking with measured recall" in page
    assert "it may not be called\nHIPAA-compliant" in page


# --- what must never change ---


def test_medical_strings_come_out_as_they_went_in() -> None:
    assert len(MEDICAL) >= 300
    assert [text for text in MEDICAL if masked(text) != text] == []


UNITS = "mg g ml L μg U IU mmol/L μmol/L mmHg ng/ml % ℃ kg cm 次/分 元 拷贝/ml copies/ml IU/ml 例 个/μl".split()
CUES = ["", "电话", "手机：", "QQ", "尿量", "HBV-DNA ", "病毒载量", "共", "血小板", "剂量为", "检查", "CT ", "住院"]


@given(st.sampled_from(CUES), st.integers(0, 10**12), st.sampled_from(UNITS), st.sampled_from(["", "，复查", "。"]))
@settings(max_examples=400, deadline=None)
def test_a_number_with_a_unit_is_never_an_identifier(cue: str, number: int, unit: str, after: str) -> None:
    text = f"{cue}{number}{unit}{after}"
    assert f"{number}{unit}" in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "国药准字H20044345", "批号20230815", "生产批号：1380013", "NCT04280705", "CAS 103-90-2", "rs1801133", "I10.x00", "E11.900",
        "拨打120急救", "热线12320", "全国热线400-820-6170", "GB 15979-2002", "《指南》2019年2月26日发布", "第3章第128页",
        "感谢医生", "健康医生", "疫苗医生", "老师傅", "全科医生和家庭医生", "血压高医生说", "祝医生工作顺利", "90岁以上", "90～99岁", "≥90岁",
        "联系人管理", "监护人谈话", "地址码指能区分用户", "静脉通路2号", "138×27=3726",
    ],
)  # fmt: skip
def test_what_looks_like_an_identifier_and_is_none_stays(text: str) -> None:
    assert masked(text) == text


NUMBER = re.compile(
    r"[0-9０-９]+(?:[.．][0-9０-９]+)?\s*(?:mg|g|kg|μg|ug|ml|mL|L|U|IU|mmol|μmol|mmHg|cm|mm|%|％|℃|°C|克|毫克|毫升|次|片|粒|支|天|周|元)"
)


@pytest.mark.upstream
def test_no_dose_of_the_real_files_is_damaged() -> None:
    """No number with its unit lies in anything that is masked, links and mail addresses apart."""
    hits, damaged = 0, []
    for text in BENCHMARK.strings(upstream()):
        spans = [(start, end) for start, end, kind in find(text) if kind not in {"URL", "EMAIL"}]
        hits += len(spans)
        for number in NUMBER.finditer(text) if spans else ():
            if any(start < number.end() and number.start() < end for start, end in spans):
                damaged.append(text)
    assert hits > 500
    assert damaged == []


# --- offsets, forms, priorities ---


def test_offsets_are_those_of_the_text_as_given() -> None:
    text = "手机：１３８１２３４５６７８，谢谢。姓名：欧阳晓东"
    assert [(text[a:b], kind) for a, b, kind in find(text)] == [
        ("１３８１２３４５６７８", "PHONE"),
        ("欧阳晓东", "NAME"),
    ]


@pytest.mark.parametrize("case", [c for c in DEVELOPMENT if c.spans], ids=lambda c: c.id)
def test_full_width_forms_are_found_too(case: Any) -> None:
    """Every identifier made of digits and letters is found when it is written in full width."""
    wanted = [
        s for s in case.spans if s[2] in {"ID_CARD", "MRN", "QQ", "PASSPORT", "PHONE", "MOBILE", "BANK_CARD", "EMAIL"}
    ]
    wide = {c: c + 0xFEE0 for c in (*range(0x30, 0x3A), *range(0x41, 0x5B), *range(0x61, 0x7B), 0x40)}
    text = case.text
    for start, end, _ in wanted:
        text = text[:start] + text[start:end].translate(wide) + text[end:]
    covered = {i for start, end, _ in find(text) for i in range(start, end)}
    assert all(covered.issuperset(range(start, end)) for start, end, _ in wanted)


def test_checksums() -> None:
    assert validators.id_card("11010519491231002X")
    assert not validators.id_card("110105194912310021")
    assert validators.luhn("4111 1111 1111 1111")
    assert not validators.luhn("4111 1111 1111 1112")
    assert validators.date("20230815")
    assert not validators.date("20231315")


def test_a_wrong_checksum_is_masked_only_after_its_cue() -> None:
    assert masked("身份证号：110105194912310021") == "身份证号：[身份证号]"
    assert masked("流水110105194912310021") == "流水110105194912310021"


def test_the_year_of_an_admission_stays_and_great_ages_are_rounded() -> None:
    assert masked("2023年3月5日入院，93岁") == "2023年[日期]入院，90岁以上"


def test_a_compound_surname_passes_the_guard() -> None:
    assert masked("欧阳医生您好") == "[姓名]医生您好"


def test_the_guard_counts_what_it_refused() -> None:
    assert PLAIN.mask("咨询健康医生").suppressed == {"NAME": 1}
    assert PLAIN.mask("电话 12345678元").suppressed == {"PHONE": 1}


@given(st.lists(st.sampled_from([c.text for c in DEVELOPMENT + HELD_OUT]), min_size=1, max_size=3).map("".join))
@settings(max_examples=150, deadline=None)
def test_the_gates_lose_nothing(text: str) -> None:
    """The cheap looks that skip rules never skip one that would have found something."""
    folded, needed = fold(text), opened(text, strict=True)
    skipped = [rule for group in STRICT_GROUPS for rule in group.rules if rule not in needed.rules]
    assert [rule.type for rule in skipped if any(rule.spans(folded))] == []
    assert names(folded)[0] == names(folded, needed.names)[0]
    assert needed.places or not any(addresses(folded))


# --- masking twice ---

PIECES = [c.text for c in DEVELOPMENT if c.spans][::3] + [
    "电话", "：", "13812345678", "QQ", "微信", "号", "医生", "李", "王小明", "年", "3月5日", "入院", "93", "岁", "[", "]", "姓名", "@", ".com", "0571-",
    "住址", "路", "1号", "床", " ", "，", "\n", *PLACEHOLDERS.values(),
]  # fmt: skip
MIXED = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join)


@given(MIXED)
@settings(max_examples=400, deadline=None)
def test_masking_twice_is_masking_once(text: str) -> None:
    for masker in (PLAIN, KEYED, Masker("strict", finders=())):
        once = masker.mask(text).text
        assert masker.mask(once).text == once


@given(MIXED)
@settings(max_examples=150, deadline=None)
def test_what_is_not_an_identifier_stays_character_for_character(text: str) -> None:
    found = search(text).spans
    spans = [s for s in found if not is_surrogate(fold(text[s.start : s.end]))]
    assert all(a.end <= b.start for a, b in zip(found, found[1:], strict=False))
    if not spans:
        assert masked(text) == text


# --- surrogates ---


def test_equal_values_get_equal_surrogates_whatever_their_form() -> None:
    forms = ["手机13812345678", "手机：138 1234 5678", "+86 138-1234-5678", "１３８１２３４５６７８"]
    values = {re.search(r"12[0-9]{9}", KEYED.mask(form).text)[0] for form in forms}  # type: ignore[index]
    assert len(values) == 1
    other = Masker(surrogate_key=b"another key for tests", finders=()).mask(forms[0]).text
    assert KEYED.mask(forms[0]).text != other


def test_surrogates_keep_the_kind_and_are_never_valid() -> None:
    text = "身份证11010519491231002X，卡号4111111111111111，手机13812345678，邮箱a@b.com，车牌京A12345，姓名：王小明"
    result = KEYED.mask(text).text
    identity = re.search(r"身份证(\S{18})，", result)
    card = re.search(r"卡号([0-9]{16})", result)
    assert identity and card
    assert not validators.id_card(identity[1])
    assert card[1].startswith("00")
    assert re.search(r"手机12[0-9]{9}，邮箱u[0-9a-f]{8}@masked\.invalid，车牌.I[0-9]{5}，姓名：.某.$", result)
    for value in ("11010519491231002X", "4111111111111111", "13812345678", "a@b.com", "京A12345", "王小明"):
        assert value not in result


def test_the_key_is_long_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIMED_SURROGATE_KEY", "short")
    with pytest.raises(UsageError, match="at least 16") as caught:
        key_from_environment()
    assert "short" not in str(caught.value).split("characters")[0].replace("CHIMED_SURROGATE_KEY", "")
    assert "a key for tests" not in repr(KEYED)
    monkeypatch.delenv("CHIMED_SURROGATE_KEY")
    assert key_from_environment() is None


# --- profiles and plug-ins ---


def test_strict_adds_hospitals_days_ages_and_business_lines() -> None:
    text = "45岁，2023年3月5日去北京协和医院，热线400-820-6170"
    assert masked(text) == text
    strict = Masker("strict", finders=()).mask(text)
    assert strict.counts == {"AGE": 1, "DATE": 1, "HOSPITAL": 1, "PHONE": 1}
    assert Masker("strict", finders=()).mask("请到当地医院就诊").counts == {}


def test_off_changes_nothing_and_an_unknown_profile_is_refused() -> None:
    assert Masker("off").mask("电话13812345678").text == "电话13812345678"
    assert find("电话13812345678", "off") == []
    with pytest.raises(UsageError, match="standard, strict, off"):
        Masker("none")


class _Entry:
    """An installed entry point, as importlib.metadata gives it."""

    def __init__(self, name: str, value: Any, package: str = "plugin") -> None:
        self.name, self.value = name, value
        self.dist = type("Dist", (), {"name": package, "version": "1.0"})()

    def load(self) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def _install(monkeypatch: pytest.MonkeyPatch, *entries: _Entry) -> None:
    monkeypatch.setattr("chimed.privacy.finders.entry_points", lambda group: list(entries))


def _tagger(text: str) -> Iterator[tuple[int, int, str]]:
    for word in ("阿迪力", "谢谢"):
        if word in text:
            yield text.index(word), text.index(word) + len(word), "NAME"


def test_a_plug_in_finder_adds_spans_and_its_names_pass_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, _Entry("tagger", _tagger))
    assert Masker().mask("谢谢阿迪力同志").text == "谢谢[姓名]同志"
    _tagger.guarded = False  # type: ignore[attr-defined]
    assert Masker().mask("谢谢阿迪力同志").text == "[姓名][姓名]同志"
    del _tagger.guarded  # type: ignore[attr-defined]


def test_a_broken_plug_in_is_one_warning_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, _Entry("broken", ImportError("no module")), _Entry("tagger", _tagger))
    with pytest.warns(UserWarning, match=r"finder broken of plugin 1\.0 cannot be loaded: no module"):
        assert [finder.name for finder in installed()] == ["tagger"]


def test_two_packages_with_one_finder_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, _Entry("tagger", _tagger, "one"), _Entry("tagger", _tagger, "two"))
    with pytest.raises(UsageError, match=r"one 1\.0 and two 1\.0"):
        installed()


def test_a_finder_that_fails_ends_the_run_by_name() -> None:
    def fails(text: str) -> list[tuple[int, int, str]]:
        raise ValueError(text)

    for bad in (fails, lambda text: [(0, 999, "NAME")], lambda text: [(0, 1, "name")]):
        with pytest.raises(ChimedError, match="finder ner") as caught:
            Masker(finders=(Finder("ner", "plugin 1.0", bad),)).mask("王小明来了")
        assert "王小明" not in str(caught.value)


def test_no_cache_is_written_and_no_segmenter_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    masked("谢谢李医生")
    assert list(tmp_path.iterdir()) == []
    assert "chimed.finders" not in {e.group for e in importlib.metadata.entry_points().select(name="jieba")}


# --- chimed mask ---

RUN = CliRunner()
SAID = [{"role": "user", "content": "谢谢李医生，我电话13812345678"}, {"role": "assistant", "content": "阿莫西林0.5g"}]


def run(*args: str) -> tuple[int, str]:
    result = RUN.invoke(chimed.cli.app, ["mask", *args])
    if isinstance(result.exception, ChimedError):
        return result.exception.exit_code, str(result.exception)
    return result.exit_code, result.output


def test_mask_on_json_lines_with_messages(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    plain = '{"id": 2,  "messages": [{"role": "user", "content": "好"}]}'
    source.write_text(json.dumps({"id": 1, "messages": SAID}, ensure_ascii=False) + f"\n{plain}\n", encoding="utf-8")
    code, output = run(str(source), "--out", str(out), "--column", "messages", "--json")
    assert code == 0
    assert json.loads(output) == {"rows": 2, "changed": 1, "counts": {"NAME": 1, "PHONE": 1}}
    first, second = out.read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["messages"][0]["content"] == "谢谢[姓名]医生，我电话[电话]"
    assert json.loads(first)["messages"][1] == SAID[1]
    assert second == plain


def test_mask_on_parquet_keeps_the_other_columns_and_types(tmp_path: Path) -> None:
    source, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    table = pa.table({"id": [1, 2, 3], "text": ["QQ：123456789", None, "血压138/86mmHg"], "messages": [SAID, [], None]})
    pq.write_table(table, source)
    assert run(str(source), "--out", str(out))[0] == 0
    result = pq.read_table(out)
    assert result["text"].to_pylist() == ["QQ：[QQ号]", None, "血压138/86mmHg"]
    assert result.drop(["text"]).to_pylist() == table.drop(["text"]).to_pylist()
    assert result.schema.types == table.schema.types


def test_mask_on_plain_text_prints_counts_and_never_a_value(tmp_path: Path) -> None:
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("住院号：1234567\n姓名：王小明\n", encoding="utf-8")
    code, output = run(str(source), "--out", str(out))
    assert code == 0
    assert out.read_text(encoding="utf-8") == "住院号：[病历号]\n姓名：[姓名]\n"
    assert "MRN" in output and "1234567" not in output and "王小明" not in output


def test_mask_with_a_key_writes_surrogates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHIMED_SURROGATE_KEY", KEY.decode())
    source, out = tmp_path / "in.txt", tmp_path / "out.txt"
    source.write_text("手机13812345678", encoding="utf-8")
    code, output = run(str(source), "--out", str(out))
    assert code == 0
    assert re.fullmatch(r"手机12[0-9]{9}\n?", out.read_text(encoding="utf-8"))
    assert KEY.decode() not in output


def test_mask_refuses_what_it_cannot_mask_and_leaves_no_file(tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"text": 5}\n', encoding="utf-8")
    assert run(str(source), "--out", str(out)) == (DataError.exit_code, run(str(source), "--out", str(out))[1])
    code, words = run(str(source), "--out", str(out), "--column", "note")
    assert code == 6
    assert "no column 'note'" in words
    assert run(str(source), "--out", str(out), "--profile", "none")[0] == 2
    assert run(str(tmp_path / "absent.jsonl"), "--out", str(out))[0] != 0
    assert not out.exists()


def test_masking_refuses_to_take_the_place_of_what_it_reads(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("电话 13912345678\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is read and written"):
        mask_file(notes, notes, "text", Masker())
    assert notes.read_text(encoding="utf-8") == "电话 13912345678\n"
