"""The dataset card: every number comes from the manifest, the words from the templates in cards/."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from string import Template
from typing import Any

from chimed import packaged, source
from chimed.configs import TRAINERS, configs, metadata
from chimed.records import REASONS, ROW_MODELS, Split
from chimed.release import Manifest, SourceEntry

SUMMARY: dict[Split, tuple[str, str]] = {
    "cpt": ("Running Chinese medical text for continued pre-training: textbooks, encyclopaedias, examination questions, "
            "knowledge graphs and consultations, in one text per record.",
            "用于继续预训练的中文医学文本：教材、百科、考题、知识图谱与问诊，每条记录一段文本。"),
    "sft": ("Chinese instructions and conversations, medical and general, as messages for supervised fine-tuning.",
            "用于监督微调的中文指令与多轮对话（医学与通用），统一为 messages 格式。"),
    "dpo": ("Chinese medical prompts, each with a preferred and a rejected answer, for preference optimisation.",
            "用于偏好优化的中文医学提示，每条含较优与较差回答各一。"),
}  # fmt: skip
USE = {"cpt": "continued pre-training", "sft": "supervised fine-tuning", "dpo": "preference optimisation"}
LIMITS = (
    "Web consultations hold the opinions of their authors; general instructions are largely machine-made and partly "
    "wrong; textbooks carry scanning errors; doses may be outdated."
)
QUESTIONS = {
    "heading": "Research use only",
    "prompt": "Access is for research. Say who you are and what for; no clinical decisions, no re-identification.",
    "fields": {"Name": "text", "Affiliation": "text", "Country": "country", "Purpose": "text",
               "I use it for research only and for no clinical decision": "checkbox",
               "I will not try to identify anyone": "checkbox",
               "I accept the licences of the upstream sources": "checkbox"},
}  # fmt: skip
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table; bars in cells are escaped, integers grouped by thousands."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return str("" if value is None else value).replace("|", "\\|").replace("\n", " ")


def front_matter(manifest: Manifest) -> dict[str, Any]:
    """The card's YAML as a mapping."""
    licenses = {name for entry in manifest.sources for name in (entry.licenses or {entry.license: 0})}
    size = next((name for limit, name in SIZES if manifest.rows < limit), "10M<n<100M")
    tasks = ["text-generation"] + (["question-answering"] if manifest.split == "sft" else [])
    return {
        "language": ["zh"], "pretty_name": manifest.name, "license": "other",
        "license_name": "per-source" if len(licenses) > 1 else next(iter(sorted(licenses)), "per-source").lower(),
        "license_link": "LICENSE.md", "multilinguality": ["monolingual"], "size_categories": [size],
        "source_datasets": ["extended"], "annotations_creators": ["found", "machine-generated"],
        "language_creators": ["found", "expert-generated", "machine-generated"], "task_categories": tasks,
        "tags": ["medical", "chinese", manifest.split, "deduplicated"],
        "extra_gated_heading": QUESTIONS["heading"], "extra_gated_prompt": QUESTIONS["prompt"],
        "extra_gated_fields": QUESTIONS["fields"],
    } | metadata(manifest)  # fmt: skip


def render(
    manifest: Manifest, *, repo_id: str | None = None, withheld: Sequence[str] = (), restricted: bool = False
) -> str:
    """README.md of a release: YAML, English, Chinese.

    `withheld` names sources whose rows are not in the published repository, `restricted` says that the publisher holds
    the right to pass on the others' restricted rows.
    """
    import yaml

    head = yaml.safe_dump(front_matter(manifest), allow_unicode=True, sort_keys=False, width=1000)
    words = _words(manifest, repo_id, withheld, restricted)
    body = [_template(f"dataset.{language}.md").substitute(words) for language in ("en", "zh")]
    return f"---\n{head}---\n\n" + "\n".join(body)


def _template(name: str) -> Template:
    return Template((packaged.folder("cards") / name).read_text(encoding="utf-8"))


def _words(manifest: Manifest, repo_id: str | None, withheld: Sequence[str], restricted: bool) -> dict[str, str]:
    """Every placeholder of both templates."""
    summary, summary_zh = SUMMARY[manifest.split]
    losses = _losses(manifest.sources)
    place = repo_id or f"./{manifest.name}"
    trainers = [name for name in TRAINERS if name in configs(manifest)]
    return {
        "name": manifest.name, "summary": summary, "summary_zh": summary_zh, "rows": f"{manifest.rows:,}",
        "bytes": f"{manifest.bytes:,}", "source_count": str(len(manifest.sources)), "version": manifest.version,
        "quickstart": f'from datasets import load_dataset\n\nrows = load_dataset("{place}", split="train")',
        "trainer_configs": f" For other trainers: {', '.join(f'`{name}`' for name in trainers)}." if trainers else "",
        "sources_table": _sources(manifest.sources), "paper_table": _paper(manifest),
        "fields": ", ".join(f"`{name}`" for name in ROW_MODELS[manifest.split].model_fields),
        "construction": _construction(manifest), "losses_table": losses, "losses_table_zh": losses,
        "dedup": _dedup(manifest.steps.get("dedup", {})), "masking": _masking(manifest), "guard": _guard(manifest),
        "use": USE[manifest.split], "limits": LIMITS, "licences": _licences(withheld, restricted),
        "attributions": "\n".join(f"- {e.source}: {e.attribution} {e.notice}".rstrip() for e in manifest.sources),
        "excluded": str(len(manifest.excluded)), "commands": commands(manifest),
        "versions": ", ".join(f"{name} {number}" for name, number in manifest.versions.items()),
    }  # fmt: skip


def _sources(entries: Sequence[SourceEntry]) -> str:
    head = ["source", "rows", "validation", "characters", "kind", "domain", "licence", "passing on", "revision"]
    return table(head, [
        [f"[{e.source}]({e.home})", e.records, e.validation, e.text_chars, e.kind, e.domain, e.license,
         e.redistributable, e.revision or "as downloaded"] for e in entries
    ])  # fmt: skip


def _paper(manifest: Manifest) -> str:
    known = source.discover()
    rows = []
    for e in manifest.sources:
        paper = known[e.source].paper.get(manifest.split, ("", "")) if e.source in known else ("", "")
        rows.append([e.source, e.read, e.records, f"{e.text_bytes / 1e6:.1f}", *paper])
    return table(["source", "rows read", "rows here", "MB here", "paper", "paper MB"], rows)


def _losses(entries: Sequence[SourceEntry]) -> str:
    reasons = [reason for reason in REASONS if any(e.lost.get(reason) for e in entries)]
    rows = [[e.source, e.read, e.kept, *(e.lost.get(r, 0) for r in reasons), e.sampled] for e in entries]
    return table(["source", "read", "kept", *reasons, "sampled"], rows)


def _summed(tables: Iterable[dict[str, int]]) -> list[tuple[str, int]]:
    """Counts of all sources together, by name."""
    total: Counter[str] = Counter()
    for counts in tables:
        total.update(counts)
    return sorted(total.items())


def _construction(manifest: Manifest) -> str:
    entries = manifest.sources
    said = [f"- read: {sum(e.read for e in entries):,} upstream rows"]
    said += [f"- mended while reading: {name} ({count:,})" for name, count in _summed(e.repairs for e in entries)]
    cleaned = _summed(e.steps.get("clean", {}) for e in entries)
    return "\n".join(said + [f"- cleaned: {name} changed {count:,} rows" for name, count in cleaned])


def _dedup(facts: dict[str, Any]) -> str:
    if facts.get("method") == "off":
        return "Off in this release."
    words = json.dumps({k: v for k, v in facts.items() if not isinstance(v, dict | list)}, ensure_ascii=False)
    return (
        "After Lee et al. (2022), on characters: MinHash candidates, each verified by exact Jaccard and edit similarity; "
        f"rows that differ in a number are no duplicates; the first of a cluster stays. Settings: `{words}`. "
        "A similarity of 1.0 refers to the normalised text."
    )


def _masking(manifest: Manifest) -> str:
    profile = manifest.settings.get("recipe", {}).get("mask", "off")
    if profile == "off":
        return "Masking was switched off."
    counts = _summed(entry.steps.get("mask", {}) for entry in manifest.sources)
    return f"Profile `{profile}`. Replaced:\n\n" + table(["type", "count"], counts)


def _guard(manifest: Manifest) -> str:
    facts = manifest.steps.get("guard", {})
    if not facts.get("checked"):
        return "**Nothing was checked**: no evaluation sets were given to this build."
    sets = ", ".join(f"{name} ({count:,} items)" for name, count in facts["sets"].items())
    lost = sum(entry.lost.get("contaminated", 0) for entry in manifest.sources)
    return f"Held against {sets}; action `{facts['action']}`; {lost:,} rows lost. See `overlap.parquet`."


def _licences(withheld: Sequence[str], restricted: bool) -> str:
    said = []
    if withheld:
        names = ", ".join(withheld)
        said.append(f"Rows of {names} may not be passed on; `recipes/` says how to rebuild them from your own copy.")
    if restricted:
        said.append("The publisher states that they hold the right to pass on the restricted sources included here.")
    return " ".join(said)


def commands(manifest: Manifest) -> str:
    """How to build the same release from one's own copies."""
    names = ",".join(entry.source for entry in manifest.sources)
    return (
        f"pip install qilin-chimed=={manifest.versions['chimed']}\n"
        f"chimed build --split {manifest.split} --from upstream --only {names} --verify-against {manifest.name}"
    )
