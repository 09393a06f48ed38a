"""Which candidates nobody beats, and the one to take. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Prefer = Literal["size", "latency", "balanced"]
PREFERENCES = get_args(Prefer)
WORTH = 0.95
"""A pick must be below this share of the original in what is preferred; less is the machine's noise."""


@dataclass(frozen=True, slots=True)
class Point:
    """A measured candidate; all three: less is better. time: CPU of a call, ms; p99_ms: what `--max-ms` binds."""

    name: str
    size: float
    time: float
    loss: float
    p99_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a pick must keep to. None = no limit. max_loss: a share, 0.01 = one point of a hundred."""

    max_loss: float = 0.01
    max_ms: float | None = None
    max_size: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The pick, or why there is none. refused: smaller or quicker ones exist, but they lose too much."""

    name: str | None
    why: str
    refused: bool = False


def front(points: Sequence[tuple[float, ...]]) -> list[bool]:
    """Of each point: does no other do at least as well in all coordinates and better in one? Less is better."""
    return [not any(_beats(other, point) for other in points) for point in points]


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


def pick(original: Point, candidates: Sequence[Point], limits: Limits, prefer: Prefer) -> Choice:
    """The best candidate that keeps to the limits and is worth having beside the original."""
    good = [point for point in candidates if point.loss <= limits.max_loss]
    if not good:
        least = min((point.loss for point in candidates), default=None)
        if least is None:
            return Choice(None, "no candidate could be made")
        return Choice(None, f"every candidate loses more than allowed: {_share(least)} at least", refused=True)
    fits = [point for point in good if _fits(point, limits)]
    if not fits:
        return Choice(None, _unfit(good, limits), refused=True)
    best = min(fits, key=lambda point: (_cost(point, original, prefer), point.loss, point.name))
    cost, before = _cost(best, original, prefer), _cost(original, original, prefer)
    if cost > WORTH * before and _fits(original, limits):
        lossy = [p for p in candidates if p.loss > limits.max_loss and _cost(p, original, prefer) <= WORTH * before]
        told = "nothing that keeps to --max-loss is better than the original"
        return Choice(None, told, refused=bool(lossy))
    return Choice(best.name, f"best by {prefer} with {_share(best.loss)} lost")


def _fits(point: Point, limits: Limits) -> bool:
    quick = limits.max_ms is None or point.p99_ms <= limits.max_ms
    return quick and (limits.max_size is None or point.size <= limits.max_size)


def _unfit(good: Sequence[Point], limits: Limits) -> str:
    said = []
    if limits.max_ms is not None and (least := min(point.p99_ms for point in good)) > limits.max_ms:
        said.append(f"p99 is {least:.3g} ms at least")
    if limits.max_size is not None and (smallest := min(point.size for point in good)) > limits.max_size:
        said.append(f"the smallest has {smallest:,.0f} bytes")
    return "no candidate keeps to the limits: " + (" and ".join(said) or "none to both of them at once")


def _cost(point: Point, original: Point, prefer: Prefer) -> float:
    size, time = point.size / max(original.size, 1.0), point.time / max(original.time, 1e-9)
    return {"size": size, "latency": time, "balanced": float((size * time) ** 0.5)}[prefer]


def _share(loss: float) -> str:
    return f"{100 * max(loss, 0.0):.2f} %"
