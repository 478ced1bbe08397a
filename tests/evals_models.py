"""Tiny random models with a character tokenizer, and evaluation items, made inside the tests."""

from pathlib import Path

import torch
from peft import LoraConfig, PrefixTuningConfig, get_peft_model
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from qilin_stages.evals.task import Item

TEXT = "以下是中国关于考试的单项选择题请出其正确答案：。，、问头痛发热患者用药青霉素红四环庆大氯\n ABCDEFGH.[]Round0123456789xyz"


def tokenizer(folder: Path, *, merged: bool = False, template: str | None = None) -> PreTrainedTokenizerFast:
    """One token a character; `merged` makes the colon and a letter one token, as some vocabularies do."""
    words = ["<unk>", "<pad>", "</s>", *dict.fromkeys(TEXT)]
    pattern = r"：[A-H]|[\s\S]" if merged else r"[\s\S]"
    words += [f"：{x}" for x in "ABCDEFGH"] if merged else []
    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    made = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", pad_token="<pad>", eos_token="</s>")
    made.chat_template = template
    made.save_pretrained(folder)
    return made


def llama(folder: Path, *, seed: int = 0, **more: object) -> Path:
    """A causal model of two layers."""
    made = tokenizer(folder, **more)  # type: ignore[arg-type]
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(made), hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=1024, pad_token_id=1, eos_token_id=2, bos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # sharper than the initial weights, so that letters differ clearly
        for weights in model.parameters():
            weights.mul_(4)
    model.save_pretrained(folder)
    return folder


def gpt2(folder: Path) -> Path:
    made = tokenizer(folder)
    config = GPT2Config(vocab_size=len(made), n_embd=32, n_layer=2, n_head=4, n_positions=512, eos_token_id=2)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def t5(folder: Path) -> Path:
    made = tokenizer(folder)
    config = T5Config(
        vocab_size=len(made), d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, pad_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


def adapter(folder: Path, base: Path, kind: str) -> Path:
    """A run that holds only an adapter: LoRA with random weights, or a learnt prefix (P-tuning v2)."""
    model = LlamaForCausalLM.from_pretrained(base)
    if kind == "lora":
        config = LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj"], init_lora_weights=False)
    else:
        config = PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    tuned = get_peft_model(model, config)
    tuned.peft_config["default"].base_model_name_or_path = str(base)
    tuned.save_pretrained(folder)
    return folder


def choice_items(count: int = 12) -> list[Item]:
    """Questions of C-Eval's shape: two subjects, five worked examples each, test without keys."""
    out = []
    for subject in ("basic_medicine", "physician"):
        for split, n in (("dev", 5), ("val", count), ("test", 3)):
            for i in range(n):
                options = dict(zip("ABCD", (f"{i}x", "青霉素", "红霉素" * (i % 3 + 1), "四环素"), strict=True))
                key = None if split == "test" else "ABCD"[(i * 7 + len(subject)) % 4]
                out.append(Item(f"{split}/{subject}/{i}", "ceval", f"头痛{i}用药是" + "发热" * (i % 5), options, key,
                                None, subject, split))  # fmt: skip
    return out


def exam_items(count: int = 10) -> list[Item]:
    """Questions of CMExam's shape, some with several right letters, some without an explanation."""
    drugs = dict(zip("ABCDE", "青霉素 红霉素 四环素 庆大霉素 氯霉素".split(), strict=True))
    keys = ["A", "C", "ABD", "E", "B"]
    return [
        Item(
            f"q{i}", "cmexam_test", f"患者头痛{i}，用药", drugs, keys[i % 5], None if i % 4 == 3 else f"青霉素用药{i}。"
        )
        for i in range(count)
    ]


def free_items(count: int = 10) -> list[Item]:
    """Questions of Huatuo-26M's shape."""
    return [Item(f"h{i}", "huatuo26m_test", f"头痛{i}天" * (i % 3 + 1), reference="患者用药，发热" * (i % 4 + 1))
            for i in range(count)]  # fmt: skip
