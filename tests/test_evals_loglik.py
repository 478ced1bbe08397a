"""Letters after a prompt: cached equals uncached, the boundary is checked, every kind of model answers."""

import warnings
from pathlib import Path

import pytest
import torch
from evals_models import adapter, choice_items, gpt2, llama, t5

from qilin_stages.evals import prompts
from qilin_stages.evals.loglik import boundary, letter_logprobs
from qilin_stages.evals.models import open_model
from qilin_stages.evals.task import Request


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return llama(tmp_path_factory.mktemp("models") / "base")


def requests() -> list[Request]:
    items = choice_items()
    out = []
    for subject in ("basic_medicine", "physician"):
        mine = [i for i in items if i.subject == subject]
        shots = [i for i in mine if i.split == "dev"]
        out += [
            Request(i.id, prompts.ceval(i, shots), group=subject, letters=tuple("ABCD"))
            for i in mine
            if i.split != "dev"
        ]
    return out


def test_cached_equals_uncached_and_plain_forward(base: Path) -> None:
    local = open_model(str(base), base)
    asked = requests()
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        cached = letter_logprobs(local, asked)
    plain = letter_logprobs(local, asked, cached=False)
    assert [a.id for a in cached] == [r.id for r in asked]
    for one, other, request in zip(cached, plain, asked, strict=True):
        ids = local.tokenizer(request.prompt, return_tensors="pt").input_ids
        with torch.inference_mode():
            logs = torch.log_softmax(local.model(ids).logits[0, -1].float(), -1)
        for letter in "ABCD":
            expected = float(logs[local.tokenizer.convert_tokens_to_ids(letter)])
            assert one.logprobs[letter] == pytest.approx(expected, abs=2e-5)
            assert other.logprobs[letter] == pytest.approx(expected, abs=2e-5)
    assert len({round(a.logprobs["A"], 4) for a in cached}) > len(cached) // 2


def test_a_generation_ends_where_the_template_ends_an_answer(tmp_path: Path) -> None:
    local = open_model(str(llama(tmp_path / "chat")), tmp_path)
    assert local.ends == [local.tokenizer.eos_token_id]
    local = open_model(str(tmp_path / "chat"), tmp_path)
    local.tokenizer.add_tokens("<|turn|>", special_tokens=True)
    local.tokenizer.chat_template = "{% for m in messages %}{{ m.content }}<|turn|>\n{% endfor %}"
    assert set(local.ends) == {local.tokenizer.eos_token_id, local.tokenizer.convert_tokens_to_ids("<|turn|>")}


def test_a_tokenizer_that_merges_the_letter_is_noticed_and_scored_jointly(tmp_path: Path) -> None:
    local = open_model(str(llama(tmp_path / "merged", merged=True)), tmp_path)
    request = requests()[0]
    assert boundary(local, request) is None
    answer = letter_logprobs(local, [request])[0]
    assert answer.note == "joint"
    start = local.tokenizer(request.prompt[:-1], return_tensors="pt").input_ids
    with torch.inference_mode():
        logs = torch.log_softmax(local.model(start).logits[0, -1].float(), -1)
    for letter in "ABCD":
        expected = float(logs[local.tokenizer.convert_tokens_to_ids(f"：{letter}")])
        assert answer.logprobs[letter] == pytest.approx(expected, abs=2e-5)


def test_a_prompt_longer_than_the_model_is_cut_and_says_so(base: Path) -> None:
    local = open_model(str(base), base)
    long = Request("long", "头痛" * 800 + "答案：", letters=tuple("ABCD"), group="x")
    short = Request("short", "头痛答案：", letters=tuple("ABCD"), group="x")
    answers = letter_logprobs(local, [long, short])
    assert [a.note for a in answers] == ["truncated", ""]
    assert all(set(a.logprobs) == set("ABCD") for a in answers)


@pytest.mark.parametrize("kind", ["gpt2", "t5", "lora", "prefix"])
def test_every_kind_of_model_scores_and_writes(kind: str, base: Path, tmp_path: Path) -> None:
    made = {"gpt2": gpt2, "t5": t5}
    folder = made[kind](tmp_path / kind) if kind in made else adapter(tmp_path / kind / "adapter", base, kind).parent
    local = open_model(str(folder), tmp_path)
    asked = requests()[:3]
    scored = letter_logprobs(local, asked)
    assert all(set(a.logprobs) == set("ABCD") and max(a.logprobs.values()) <= 0 for a in scored)
    alone = [letter_logprobs(local, [r])[0].logprobs["A"] for r in asked]
    assert [a.logprobs["A"] for a in scored] == pytest.approx(alone, abs=2e-5)
    written = local.answer([Request(str(i), "头痛" * i + "答案：", max_new_tokens=4) for i in range(1, 4)])
    assert [a.id for a in written] == ["1", "2", "3"] and all(isinstance(a.text, str) for a in written)


def test_batching_does_not_change_a_generation(base: Path) -> None:
    local = open_model(str(base), base)
    asked = [Request(str(i), "患者头痛" * i + "答案：", max_new_tokens=6) for i in range(1, 6)]
    together = [a.text for a in local.answer(asked)]
    assert together == [local.answer([r])[0].text for r in asked]


def test_an_adapter_changes_the_identity_and_the_answer(base: Path, tmp_path: Path) -> None:
    tuned = open_model(str(adapter(tmp_path / "run", base, "lora")), tmp_path)
    plain = open_model(str(base), tmp_path)
    assert tuned.identity != plain.identity
    asked = requests()[:1]
    assert letter_logprobs(tuned, asked)[0].logprobs != letter_logprobs(plain, asked)[0].logprobs


def test_a_chat_template_is_used_where_there_is_one(tmp_path: Path) -> None:
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[x]"
    local = open_model(str(llama(tmp_path / "chat", template=template)), tmp_path)
    request = Request("1", "头痛", messages=(("system", "题"), ("user", "头痛")))
    assert local.rendered(request) == ("[system]题[user]头痛[x]", True)
    assert local.rendered(Request("1", "头痛")) == ("头痛", False)
