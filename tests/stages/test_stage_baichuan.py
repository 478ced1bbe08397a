"""Baichuan checkpoints in Llama's layout: equal logits to the maker's forward pass, restated here; equal tokens."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize, silu, softmax

from chimed.errors import ConflictError, DataError
from qilin_stages.data.template import read_tokenizer
from qilin_stages.model.baichuan import convert
from qilin_stages.model.base import load
from qilin_stages.model.sentencepiece import read

HIDDEN, HEADS, LAYERS, INNER, EPS = 32, 4, 2, 88, 1e-6
PIECES = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", "头", "晕", "痛", "头痛", "头晕",
          "头晕头", "晕头", "头晕头痛", "<reserved_106>", "5", "m", "g", "mg"]  # fmt: skip
SCORES = {"头晕": -1.0, "头痛": -2.0, "mg": -3.0, "晕头": -0.5, "头晕头": -4.0, "头晕头痛": -5.0}


def message(number: int, payload: bytes) -> bytes:
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def kind(piece: str) -> int:
    return 2 if piece == "<unk>" else 3 if piece in {"<s>", "</s>"} else 6 if piece.startswith("<0x") else 1


def sentencepiece_file(path: Path, *, prefix: bool) -> None:
    """A tokenizer.model as SentencePiece writes it."""
    data = b""
    for i, piece in enumerate(PIECES):
        score = struct.pack("<f", SCORES.get(piece, -10.0 - i))
        data += message(1, message(1, piece.encode()) + bytes([2 << 3 | 5]) + score + bytes([3 << 3, kind(piece)]))
    path.write_bytes(data + message(3, bytes([3 << 3, int(prefix)])))


def tokens_by_definition(text: str) -> list[int]:
    """SentencePiece's BPE: of all neighbours whose joint is a piece, join the best-scored, leftmost first."""
    ids = {piece: i for i, piece in enumerate(PIECES)}
    scores = {piece: SCORES.get(piece, -10.0 - i) for i, piece in enumerate(PIECES) if kind(piece) == 1}
    parts = list(text.replace(" ", "▁"))
    while True:
        joints = [
            (-scores[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:], strict=False)) if a + b in scores
        ]
        if not joints:
            break
        _, i = min(joints)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return [token for part in parts for token in
            ([ids[part]] if part in ids else [ids[f"<0x{byte:02X}>"] for byte in part.encode()])]  # fmt: skip


def checkpoint(folder: Path, *, second: bool, pickled: bool = False, seed: int = 0) -> dict[str, torch.Tensor]:
    """A random small checkpoint in Baichuan's layout."""
    generator, size = torch.Generator().manual_seed(seed), len(PIECES)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.1

    tensors = {"model.embed_tokens.weight": random(size, HIDDEN), "model.norm.weight": 1 + random(HIDDEN),
               "lm_head.weight": random(size, HIDDEN)}  # fmt: skip
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        tensors |= {
            at + "self_attn.W_pack.weight": random(3 * HIDDEN, HIDDEN), at + "self_attn.o_proj.weight": random(HIDDEN, HIDDEN),
            at + "self_attn.rotary_emb.inv_freq": random(HIDDEN // HEADS // 2),
            at + "mlp.gate_proj.weight": random(INNER, HIDDEN), at + "mlp.up_proj.weight": random(INNER, HIDDEN),
            at + "mlp.down_proj.weight": random(HIDDEN, INNER),
            at + "input_layernorm.weight": 1 + random(HIDDEN), at + "post_attention_layernorm.weight": 1 + random(HIDDEN),
        }  # fmt: skip
    config: dict[str, Any] = {
        "model_type": "baichuan", "auto_map": {"AutoModelForCausalLM": "modeling_baichuan.X"}, "hidden_size": HIDDEN,
        "intermediate_size": INNER, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "rms_norm_eps": EPS,
        "vocab_size": size, "hidden_act": "silu", "max_position_embeddings": 4096, "torch_dtype": "float32",
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, **({"z_loss_weight": 0} if second else {}),
    }  # fmt: skip
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    sentencepiece_file(folder / "tokenizer.model", prefix=False)
    if pickled:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        save_file(tensors, folder / "model.safetensors")
    return tensors


def rms(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return weight * x / (x.pow(2).mean(-1, keepdim=True) + EPS).sqrt()


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotary positions, base 10,000, halves rotated against each other."""
    length, size = x.shape[-2:]
    angles = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, size, 2) / size)
    cos, sin = (torch.cat([f(angles)] * 2, -1) for f in (torch.cos, torch.sin))
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


def forward(t: dict[str, torch.Tensor], ids: torch.Tensor, *, second: bool) -> torch.Tensor:
    """modeling_baichuan.py's forward pass, restated."""
    x = t["model.embed_tokens.weight"][ids]
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        packed = rms(x, t[at + "input_layernorm.weight"]) @ t[at + "self_attn.W_pack.weight"].T
        q, k, v = (part.view(len(ids), HEADS, -1).transpose(0, 1) for part in packed.split(HIDDEN, -1))
        scores = rotate(q) @ rotate(k).transpose(-1, -2) / math.sqrt(HIDDEN // HEADS)
        mask = torch.full_like(scores, float("-inf")).triu(1)
        mixed = (softmax(scores + mask, -1) @ v).transpose(0, 1).reshape(len(ids), HIDDEN)
        x = x + mixed @ t[at + "self_attn.o_proj.weight"].T
        h = rms(x, t[at + "post_attention_layernorm.weight"])
        h = silu(h @ t[at + "mlp.gate_proj.weight"].T) * (h @ t[at + "mlp.up_proj.weight"].T)
        x = x + h @ t[at + "mlp.down_proj.weight"].T
    head = t["lm_head.weight"]
    return rms(x, t["model.norm.weight"]) @ (normalize(head) if second else head).T


@pytest.mark.parametrize("second", [False, True], ids=["Baichuan-7B", "Baichuan2-7B"])
@pytest.mark.parametrize("pickled", [False, True], ids=["safetensors", "bin"])
def test_converted_logits_equal_the_makers_forward(tmp_path: Path, second: bool, pickled: bool) -> None:
    tensors = checkpoint(tmp_path / "src", second=second, pickled=pickled)
    convert(tmp_path / "src", tmp_path / "out")
    ids = torch.randint(0, len(PIECES), (23,), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        logits = load(tmp_path / "out")(input_ids=ids[None]).logits[0]
    assert torch.allclose(logits, forward(tensors, ids, second=second), atol=1e-4)
    assert torch.allclose(logits, forward(tensors, ids, second=not second), atol=1e-2) is False


def test_converted_tokens_equal_sentencepieces_definition(tmp_path: Path) -> None:
    checkpoint(tmp_path / "src", second=False)
    convert(tmp_path / "src", tmp_path / "out")
    tok = read_tokenizer(tmp_path / "out")
    for text in ("头晕头痛", "头晕 头痛5mg", "晕头晕", "肺炎 5mg", "头头痛痛晕晕头", "a\n"):
        assert tok.encode([text])[0] == tokens_by_definition(text), text
        assert tok.decode(tok.encode([text])[0]) == text
    assert (tok.id("eos_token"), tok.id("pad_token"), tok.id("bos_token")) == (2, 0, 1)
    assert tok.encode_template("<reserved_106>头晕") == (PIECES.index("<reserved_106>"), PIECES.index("头晕"))
    assert tok.encode(["<reserved_106>"])[0] != [PIECES.index("<reserved_106>")]


def test_a_converted_model_trains(tmp_path: Path, releases: dict[str, Path]) -> None:
    from running import losses, train

    checkpoint(tmp_path / "src", second=True)
    convert(tmp_path / "src", tmp_path / "out")
    run = train("sft", releases["sft"], tmp_path / "out", tmp_path / "run", "template=plain", "max_source_length=400",
                "max_target_length=600", "adapter.targets=all-linear")  # fmt: skip
    first, *_, last = losses(run).values()
    assert last < first


def test_what_is_no_7b_baichuan_is_refused(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(DataError, match="a llama checkpoint, not baichuan"):
        convert(tiny, tmp_path / "out")
    checkpoint(tmp_path / "src", second=False)
    file = tmp_path / "src/config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(config | {"hidden_size": 5120}), encoding="utf-8")
    with pytest.raises(DataError, match="ALiBi"):
        convert(tmp_path / "src", tmp_path / "out")
    file.write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "src/tokenizer.model").write_bytes(b"\xff\xfe not a model")
    with pytest.raises(DataError, match="not a SentencePiece model"):
        convert(tmp_path / "src", tmp_path / "out")
    with pytest.raises(DataError, match="not a SentencePiece model"):
        read(tmp_path / "src/tokenizer.model")


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "owned",))

    checkpoint(tmp_path / "src", second=False)
    (tmp_path / "src/model.safetensors").unlink()
    (tmp_path / "src/pytorch_model.bin").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(DataError, match="plain tensors"):
        convert(tmp_path / "src", tmp_path / "out")
    assert not (tmp_path / "owned").exists()


def test_an_output_folder_with_a_model_is_left_alone(tmp_path: Path, tiny: Path) -> None:
    checkpoint(tmp_path / "src", second=False)
    with pytest.raises(ConflictError, match="holds a model already"):
        convert(tmp_path / "src", tiny)
