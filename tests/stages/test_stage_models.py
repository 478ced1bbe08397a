"""Adapters and other shapes of model: P-tuning, DoRA, T5, GPT-2, and what is refused before anything is loaded."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from running import losses, train

from chimed.errors import ConflictError, DataError, UsageError
from qilin_stages import lineage
from qilin_stages.data.split import open_data
from qilin_stages.model import adapters
from qilin_stages.model import tiny as tiny_model
from qilin_stages.model.base import config_of, folder_of, load, shape_of, use_bf16
from qilin_stages.model.talk import continued, load_for_generation, prompt_ids, reply
from qilin_stages.plan import parameters, trained
from qilin_stages.recipe import Adapter


def other_shape(tiny: Path, out: Path, model: object) -> Path:
    """Another architecture with the tiny tokenizer."""
    model.save_pretrained(out)  # type: ignore[attr-defined]
    adapters.copy_tokenizer(tiny, out, None)
    return out


def special(tiny: Path) -> dict[str, int]:
    config = config_of(tiny)
    return {"vocab_size": config["vocab_size"], "pad_token_id": config["pad_token_id"],
            "eos_token_id": config["eos_token_id"], "bos_token_id": None}  # fmt: skip


@pytest.fixture(scope="module")
def gpt2(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=1024, **special(tiny))
    return other_shape(tiny, tmp_path_factory.mktemp("gpt2"), GPT2LMHeadModel(config))


@pytest.fixture(scope="module")
def t5(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import T5Config, T5ForConditionalGeneration

    ids = special(tiny)
    config = T5Config(d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=ids["pad_token_id"],
                      **ids)  # fmt: skip
    return other_shape(tiny, tmp_path_factory.mktemp("t5"), T5ForConditionalGeneration(config))


def falls(run: Path) -> bool:
    first, *_, last = losses(run).values()
    return last < first and lineage.read(run)["status"] == "done"


def test_gpt2_trains_packed_with_full_weights_and_lora(gpt2: Path, releases: dict[str, Path], tmp_path: Path) -> None:
    full = train("sft", releases["sft"], gpt2, tmp_path / "full", "adapter.kind=none", "train.learning_rate=3e-3")
    assert falls(full)
    assert falls(train("dpo", releases["dpo"], full, tmp_path / "dpo", 'adapter.targets=["c_attn", "c_fc"]'))


def test_t5_trains_on_the_last_answer(t5: Path, releases: dict[str, Path], tmp_path: Path) -> None:
    for kind in ("none", "lora"):
        run = train("sft", releases["sft"], t5, tmp_path / kind, f"adapter.kind={kind}", "train.learning_rate=1e-2",
                    "train.max_steps=12")  # fmt: skip
        assert falls(run)
        assert load(run / "model").config.is_encoder_decoder


def test_a_prefix_is_read_in_every_generation(tiny: Path) -> None:
    model = adapters.add(load(tiny), Adapter(kind="prefix", virtual_tokens=8)).eval()
    torch.manual_seed(0)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=3.0)
    ids = torch.tensor([[10, 20, 30, 40]])

    def by_hand(of: Any) -> list[int]:
        row = ids
        with torch.no_grad():
            for _ in range(6):
                row = torch.cat([row, of(input_ids=row, use_cache=False).logits[:, -1:].argmax(-1)], 1)
        return list(row[0, 4:].tolist())

    padded = torch.cat([torch.ones(1, 3, dtype=torch.long), ids], 1)
    mask = torch.tensor([[0] * 3 + [1] * 4])
    settings = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 1, "eos_token_id": [-1]}
    assert by_hand(model) != by_hand(load(tiny))
    assert continued(model, ids, torch.ones_like(ids), **settings)[0].tolist() == by_hand(model)
    assert continued(model, padded, mask, **settings)[0].tolist() == by_hand(model)


def test_a_prefix_is_read_by_an_encoder_decoder_too() -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(1)
    shape = {"vocab_size": 200, "d_model": 32, "d_ff": 64, "d_kv": 8, "num_layers": 2, "num_heads": 4}
    plain = T5ForConditionalGeneration(T5Config(**shape, decoder_start_token_id=0)).eval()
    ids = torch.tensor([[10, 20, 30, 40]])
    settings = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "eos_token_id": [199]}
    before = continued(plain, ids, torch.ones_like(ids), **settings)[0].tolist()
    model = adapters.add(plain, Adapter(kind="prefix", virtual_tokens=8), seq2seq=True).eval()
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=5.0)
    made = continued(model, ids, torch.ones_like(ids), **settings)
    assert made[0].tolist() != before
    with torch.no_grad():
        scores = model(input_ids=ids, decoder_input_ids=made[:, :-1]).logits.argmax(-1)
    assert torch.equal(scores, made[:, 1:])


def test_p_tuning_trains_only_its_prefix_and_is_never_packed(
    tiny: Path, releases: dict[str, Path], tmp_path: Path
) -> None:
    run = train("sft", releases["sft"], tiny, tmp_path / "run", "adapter.kind=prefix", "adapter.virtual_tokens=16",
                "train.learning_rate=2e-2", "train.max_steps=15", "train.per_device_train_batch_size=4")  # fmt: skip
    assert falls(run) and not (run / "model").exists()
    found = lineage.resolve(str(run))
    assert found.adapter == run / "adapter" and found.base.resolve() == tiny.resolve()
    assert reply(load_for_generation(found.base, found.adapter), _tok(tiny), [{"role": "user", "content": "头晕？"}], 8)
    with pytest.raises(DataError, match="prefix cannot be merged"):
        train("dpo", releases["dpo"], run, tmp_path / "dpo")
    with pytest.raises(UsageError, match="which a prefix cannot"):
        train("dpo", releases["dpo"], tiny, tmp_path / "dpo-prefix", "adapter.kind=prefix")


def _tok(folder: Path) -> object:
    from qilin_stages.data.template import read_tokenizer

    return read_tokenizer(folder)


def test_dora_trains_and_merges(tiny: Path, releases: dict[str, Path], tmp_path: Path) -> None:
    run = train("sft", releases["sft"], tiny, tmp_path / "run", "adapter.kind=dora")
    assert falls(run) and lineage.read(run)["merge"]["largest_difference"] < 1e-4


def test_qlora_without_cuda_is_refused_before_loading(tiny: Path, releases: dict[str, Path], tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(UsageError, match="qlora needs a CUDA device"):
        train("sft", releases["sft"], tiny, tmp_path / "run", "adapter.kind=qlora")
    assert not (tmp_path / "run").exists()


def test_targets_that_do_not_exist_are_refused(tiny: Path, releases: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="W_pack"):
        train("sft", releases["sft"], tiny, tmp_path / "run", 'adapter.targets=["W_pack"]')


def test_bf16_is_refused_where_the_device_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    with pytest.raises(UsageError, match="no bf16 arithmetic"):
        use_bf16(True)
    assert use_bf16("auto") is False and use_bf16(False) is False


@pytest.mark.parametrize("has, picked", [("avx512_bf16", False), ("amx_bf16", True)])
def test_auto_picks_bf16_only_where_it_is_faster(monkeypatch: pytest.MonkeyPatch, has: str, picked: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {has: True}, raising=False)
    assert use_bf16("auto") is picked and use_bf16(True) is True


def test_a_merge_that_changes_the_logits_is_not_written(tiny: Path, releases: dict[str, Path], tmp_path: Path,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    from chimed.errors import ChimedError

    run = train("sft", releases["sft"], tiny, tmp_path / "run", "keep_adapter=true")
    monkeypatch.setattr(adapters, "TOLERANCE", -1.0)
    with pytest.raises(ChimedError, match="nothing was written"):
        adapters.merged(tiny, run / "adapter")


def test_pickled_weights_and_remote_code_are_refused(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="only pytorch_model.bin. Only safetensors are read"):
        folder_of(str(folder))
    (folder / "config.json").write_text(json.dumps({"auto_map": {"AutoModelForCausalLM": "x.Y"}}), encoding="utf-8")
    with pytest.raises(DataError, match="remote code, which is never run"):
        config_of(folder)
    with pytest.raises(DataError, match="no such folder"):
        folder_of(str(tmp_path / "none"))


def test_the_arithmetic_knows_the_shapes(tiny: Path) -> None:
    model = load(tiny)
    counted = sum(weight.numel() for name, weight in model.named_parameters() if "norm" not in name)
    assert parameters(shape_of(tiny)) == counted
    with_adapter = adapters.add(model, Adapter(kind="lora", r=4))
    learnt = sum(weight.numel() for weight in with_adapter.parameters() if weight.requires_grad)
    from qilin_stages.recipe import StageConfig

    assert trained(StageConfig(adapter=Adapter(kind="lora", r=4)), shape_of(tiny)) == learnt


def test_tiny_is_the_same_twice_and_never_overwrites(releases: dict[str, Path], tiny: Path, tmp_path: Path) -> None:
    data = [open_data(str(path)) for path in releases.values()]
    tiny_model.make(tmp_path / "again", data, vocabulary=700, hidden=32)
    for name in ("tokenizer.json", "model.safetensors"):
        assert lineage.sha256_of(tmp_path / "again" / name) == lineage.sha256_of(tiny / name)
    with pytest.raises(ConflictError, match="holds a model already"):
        tiny_model.make(tiny, data)


def test_unknown_characters_come_back_byte_by_byte(tiny: Path) -> None:
    tok = _tok(tiny)
    text = "龘靐齉 café 0.25mg 😷"
    assert tok.decode(tok.encode([text])[0]) == text  # type: ignore[attr-defined]


def test_the_prompt_is_built_as_in_training(tiny: Path) -> None:
    from transformers import AutoTokenizer

    messages = [{"role": "user", "content": "头晕？"}, {"role": "assistant", "content": "休息。"},
                {"role": "user", "content": "还晕。"}]  # fmt: skip
    theirs = AutoTokenizer.from_pretrained(tiny).apply_chat_template(
        messages, add_generation_prompt=True, return_dict=True
    )  # fmt: skip
    assert prompt_ids(_tok(tiny), messages) == theirs["input_ids"]  # type: ignore[arg-type]
