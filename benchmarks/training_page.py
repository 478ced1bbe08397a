"""The page of the training benchmark: goals with both figures of each ratio, all arms, and what differs between them."""

from __future__ import annotations

import statistics
from typing import Any

Results = dict[str, list[dict[str, Any]]]
NAMES = {
    "ours": "ours: a step's rows in one flat row",
    "ours-packed": "ours: packed rows of 1,024",
    "trl-defaults": "TRL, its defaults (bf16, checkpointing)",
    "trl-fp32": "TRL, fp32, no checkpointing",
    "trl-fp32-packed": "TRL, fp32, no checkpointing, packed rows of 1,024",
    "medicalgpt": "MedicalGPT as shipped (checkpointing), fp32",
    "medicalgpt-fast": "MedicalGPT, fp32, no checkpointing",
    "llamafactory": "LLaMA-Factory as shipped (checkpointing), fp32",
    "llamafactory-fast": "LLaMA-Factory, fp32, no checkpointing",
    "llamafactory-neat": "LLaMA-Factory, fp32, no checkpointing, neat packing of 1,024",
    "ours-dpo": "ours",
    "trl-dpo": "TRL, fp32, no checkpointing",
}
PACKED = ("ours-packed", "trl-fp32-packed", "llamafactory-neat")
GOALS = (
    ("TRL's defaults", 6.0, "ours", ("trl-defaults",)),
    ("MedicalGPT as shipped", 2.5, "ours", ("medicalgpt",)),
    ("LLaMA-Factory as shipped", 2.5, "ours", ("llamafactory",)),
    ("the best packed peer", 1.3, "ours", ("trl-fp32-packed", "llamafactory-neat")),
    ("TRL's DPO", 1.8, "ours-dpo", ("trl-dpo",)),
)


def rates(rounds: list[dict[str, Any]]) -> list[float]:
    """Learnt tokens per CPU-second of each round."""
    return [r["tokens"] / r["seconds"] for r in rounds]


def end(rounds: list[dict[str, Any]]) -> float:
    """Training loss at the end: the mean of the last quarter of the steps, first round."""
    losses = rounds[0]["losses"]
    return statistics.fmean(losses[-max(1, len(losses) // 4) :])


def verdict(goal: float, ratio: float, by_round: list[float]) -> str:
    """Whether a goal is met by the medians, and whether by every round."""
    if ratio < goal:
        return "missed"
    return "met" if min(by_round) >= goal else "met, not in every round"


def goals(results: Results) -> list[str]:
    """One line per goal: both figures, the ratio, met or missed."""
    lines = ["| against | goal | tokens/CPU-s, ours and theirs | ratio (by round) | |", "|---|---:|---:|---:|---|"]
    for text, goal, mine, theirs in GOALS:
        there = [name for name in theirs if name in results]
        if mine not in results or not there:
            lines.append(f"| {text} | {goal:g}x | | | not run |")
            continue
        peer = max(there, key=lambda name: statistics.median(rates(results[name])))
        own, other = rates(results[mine]), rates(results[peer])
        ratio = statistics.median(own) / statistics.median(other)
        by_round = [a / b for a, b in zip(own, other, strict=False)]  # the last round may be cut short
        each = ", ".join(f"{value:.2f}" for value in by_round)
        named = f"{text} ({NAMES[peer].split(',')[0]})" if len(theirs) > 1 else text
        lines.append(f"| {named} | {goal:g}x | {statistics.median(own):.0f} and {statistics.median(other):.0f} | "
                     f"{ratio:.2f}x ({each}) | {verdict(goal, ratio, by_round)} |")  # fmt: skip
    return lines


def arms(results: Results, base: str) -> list[str]:
    """All arms of a split: speed, spread, steps, and both losses."""
    lines = ["| loop | learnt tokens / CPU-s | rounds | ours is | steps | training loss: first step, end | held-out loss |",
             "|---|---:|---:|---:|---:|---:|---:|"]  # fmt: skip
    mine = statistics.median(rates(results[base]))
    for name, rounds in results.items():
        if name.endswith("dpo") == base.endswith("dpo"):
            speed = rates(rounds)
            lines.append(f"| {NAMES[name]} | {statistics.median(speed):.0f} | {', '.join(f'{s:.0f}' for s in speed)} | "
                         f"{mine / statistics.median(speed):.2f}x | {rounds[0]['steps']} | "
                         f"{rounds[0]['losses'][0]:.4f}, {end(rounds):.4f} | {rounds[0]['held']:.4f} |")  # fmt: skip
    return lines


def equality(results: Results, before: float) -> str:
    """How far the losses of the arms with the same rows in every step lie apart."""
    same = [n for n in results if n not in PACKED and not n.endswith("dpo")]
    losses = [results[name][0]["held"] for name in same]
    ends = [end(results[name]) for name in same]
    return (
        f"Equal loss after the same tokens: the {len(same)} loops that take the same eight rows in every step end "
        f"with held-out losses {min(losses):.4f} to {max(losses):.4f} (untrained: {before:.4f})"
        f" and training losses {min(ends):.4f} to {max(ends):.4f}; each draws its own dropout and first adapter."
    )


def rounds_of(results: Results) -> str:
    """How often each loop ran."""
    least, most = min(map(len, results.values())), max(map(len, results.values()))
    return f"{most} round{'s' if most > 1 else ''}" if least == most else f"{least} to {most} rounds"


def page(results: Results, facts: dict[str, Any]) -> str:
    """The whole section."""
    parts = [
        "## Training speed", "",
        f"{facts['machine']}. One pinned core of a busy machine, one torch thread (load {facts['load']}): "
        f"ratios count. {rounds_of(results)}, all loops in turn. {facts['versions']}.", "",
        f"`{facts['command']}`", "",
        f"Random Llama of {facts['parameters']} parameters ({facts['shape']}); LoRA 8/32/0.05 on all linear layers. "
        f"SFT: {facts['sft']}. DPO: {facts['dpo']}. Rows that any loop would cut are left out, which spares the padded "
        "loops the longest. Speed is learnt tokens (answers and their end) per CPU-second of the training loop alone.",
        "", *goals(results), "", equality(results, facts["before"]) if "ours" in results else "", "",
        *(arms(results, "ours") if "ours" in results else []), "", "DPO, pairs (held-out loss: equation 4):", "",
        *(arms(results, "ours-dpo") if "ours-dpo" in results else []), "",
        *[f"- {note}" for note in NOTES],
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


NOTES = (
    "Every loop takes eight rows a step in the same order (DPO: four pairs). Packed rows of 1,024 cannot keep a step's "
    "rows together: they are filled from all rows, one packed row a step, so their steps and losses "
    "are others.",
    "Packing costs nothing of its own: with both loops in one process, step by step in turn over the same 48 rows "
    "(6,600 tokens, 6 flat steps beside 7 packed ones), flat and packed took 11.0 and 11.5, 9.0 and 8.7, 10.1 and "
    "10.1 CPU-s. Attention runs per document in both, no mask is built, nothing is padded. What separates them in the "
    "table are a busy core's swings (the same loop alone: 11.3 and 10.3, packed 11.2 and 11.8), and one or two steps "
    "more.",
    "The end of the training loss is the mean of the last quarter of the steps; the held-out loss is computed for every "
    "loop by the same plain code from the adapter that it saved. LLaMA-Factory also learns the line break after an end.",
    "MedicalGPT and LLaMA-Factory run in fp32, which is kind to them: their own example settings say bf16, and on this "
    "processor bf16 products run at 0.6 of the speed of fp32 (measured: 73 beside 117-127 GFLOP/s), although it has "
    "avx512_bf16. `bf16 = \"auto\"` therefore picks bf16 on a CPU only where it has amx_bf16.",
    "What made ours faster than it was, on 64 rows: of 15.4 CPU-s, 3.2 were spent drawing dropout (a number for every "
    "value) and about 1.5 on scaling, sums and masks of the adapter's layers; one fused operation that draws the gaps "
    "between dropped values takes 11.3, with the same losses. Then the C library gave every freed tensor back to the "
    "kernel, 400,000 page faults in the run; told to keep them (175,000), 11.7, 12.5 and 11.9 CPU-s became 9.9, 11.1 "
    "and 10.3. Both are in every run of a stage on a CPU.",
    "On a model this small the language-model head is a larger share than on a 7B one, so scoring the learnt positions "
    "alone gains less there. Nothing of this was measured on a GPU.",
)  # fmt: skip
