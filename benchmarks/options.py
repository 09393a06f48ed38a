"""What every benchmark is told, and how a figure stands beside its goal."""

from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """seconds: of load where a benchmark has load; quick: sizes for a test, figures mean little."""

    seconds: float = 8.0
    quick: bool = False
    readings: int | None = None
    bytes: int | None = None

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full


def percentiles(values: list[float], prefix: str) -> Figures:
    """p50, p99 (nearest rank) and the largest."""
    ordered = sorted(values) or [float("nan")]
    found: Figures = {f"{prefix}_max": round(ordered[-1], 2)}
    for name, share in (("p50", 0.50), ("p99", 0.99)):
        found[f"{prefix}_{name}"] = round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)
    return found
