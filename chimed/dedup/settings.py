"""Parameters of near-duplicate search, and how bands follow from a threshold."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from chimed.errors import UsageError

Method = Literal["near", "exact", "substring"]
Preset = Literal["default", "strict", "lee2022"]
Numbers = Literal["same", "ignore"]
OPTIONS: dict[Method, tuple[str, ...]] = {
    "near": ("preset", "threshold", "numbers"),
    "exact": ("numbers",),
    "substring": (),
}
"""What each method asks of its settings; any other one would do nothing."""
RECALL = {"default": (128, 0.998), "strict": (256, 0.998), "lee2022": (9000, 0.994)}
"""Permutations, and the least probability with which a pair at the threshold is to become a candidate."""


def candidate_probability(similarity: float, bands: int, rows: int) -> float:
    """P(some band of a pair with this Jaccard is equal) = 1 - (1 - s^r)^b."""
    return 1 - (1 - similarity**rows) ** bands


def bands_for(threshold: float, permutations: int, recall: float) -> tuple[int, int]:
    """The most selective banding that still finds a pair at the threshold with the wanted probability.

    Not datasketch's optimiser: that one balances errors and misses 60 % of the pairs at 0.8.
    """
    for rows in range(permutations, 1, -1):
        if candidate_probability(threshold, permutations // rows, rows) >= recall:
            return permutations // rows, rows
    return permutations, 1


@dataclass(frozen=True)
class NearSettings:
    """How near duplicates are found; `numbers` = same: texts whose numbers differ are no duplicates."""

    permutations: int = 128
    bands: int = 21
    rows: int = 6
    threshold: float = 0.8
    numbers: Numbers = "same"

    @classmethod
    def preset(cls, name: str = "default", threshold: float = 0.8, numbers: Numbers = "same") -> NearSettings:
        """A named preset at a threshold. Raises UsageError for an unknown name or an impossible threshold."""
        if name not in RECALL:
            raise UsageError(f"no preset {name!r}. There are: {', '.join(RECALL)}.")
        if not 0 < threshold <= 1:
            raise UsageError(f"threshold {threshold}: it is a similarity, above 0 and at most 1.")
        permutations, recall = RECALL[name]
        bands, rows = bands_for(threshold, permutations, recall)
        return cls(permutations, bands, rows, threshold, numbers)

    def describe(self) -> dict[str, int | float | str]:
        """What a manifest says of the comparison."""
        return {"compared": "character 5-grams of the normalised copy", **asdict(self)}

    @property
    def floor(self) -> int:
        """Equal bytes that two sketches must have: four standard deviations below the threshold (false drop 5e-5)."""
        t = self.threshold
        share = t + (1 - t) / 256 - 4 * math.sqrt(t * (1 - t) / self.permutations)
        return max(0, math.ceil(share * self.permutations))


def settings_for(
    method: Method, preset: Preset | None = None, threshold: float | None = None, numbers: Numbers | None = None
) -> NearSettings:
    """Settings from what was said, the defaults for the rest; UsageError for a setting that the method does not use."""
    said = {"preset": preset, "threshold": threshold, "numbers": numbers}
    given: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    for name in given:
        if name not in OPTIONS[method]:
            home = " or ".join(other for other, uses in OPTIONS.items() if name in uses)
            raise UsageError(
                f"--{name} does nothing with --method {method}: it belongs to --method {home}. Leave it out."
            )
    return NearSettings.preset(given.pop("preset", "default"), **given)
