"""The curves of a run as a picture: loss, and for preferences the accuracy."""

from __future__ import annotations

from pathlib import Path

from qilin_stages.training.watching import read_metrics

FILE = "curves.png"


def draw(run: Path) -> Path | None:
    """Draw metrics.jsonl as RUN/curves.png; None where nothing was logged."""
    from matplotlib.figure import Figure

    lines = read_metrics(run)
    panels = [names for names in (("loss", "eval_loss"), ("accuracy", "eval_accuracy"))
              if any(name in line for line in lines for name in names)]  # fmt: skip
    if not panels:
        return None
    figure = Figure(figsize=(6 * len(panels), 4), layout="constrained")
    for axis, names in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for name in names:
            points = [(line["step"], line[name]) for line in lines if name in line]
            if points:
                axis.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 50 else "")
        axis.set_xlabel("step")
        axis.legend()
        axis.grid(alpha=0.3)
    figure.savefig(run / FILE, dpi=120)
    return run / FILE
