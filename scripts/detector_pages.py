"""Writes docs/reference/detectors.md and a picture per detector, from the catalogue: python -m scripts.detector_pages.

Every picture is a seeded series with a fault, run through the detector as it ships; tests/architecture checks that the
page and the pictures are what this makes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.stream.detectors.catalogue import KINDS, make
from holdfast.stream.detectors.ports import THRESHOLD, Kind, Option, Scope
from holdfast.stream.state import State
from scripts.detector_pictures import drawn

Array = NDArray[Any]
DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "reference" / "detectors.md"
PICTURES = DOCS / "images" / "detectors"

DAY = 288
FAULT = 8 * DAY + 150  # long after a first week
BEFORE, AFTER = 290, 140  # readings in the picture
_STEP_NS = 300 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """A clean series by its name in `clean`, and what goes wrong with it by its name in `spoilt`."""

    series: str
    fault: str


DEFAULT, DEFAULT_TOGETHER = Sample("daily wave", "spike"), Sample("daily wave", "lag")
SAMPLES: Mapping[str, Sample] = {
    "adwin": Sample("noise", "drift"),
    "bocpd": Sample("noise", "level shift"),
    "cusum": Sample("noise", "level shift"),
    "discord": Sample("fast wave", "skipped beat"),
    "ewma": Sample("noise", "level shift"),
    "joint": Sample("noise", "level shift"),
    "mad": Sample("noise", "spike"),
    "missing": Sample("daily wave", "gap"),
    "page_hinkley": Sample("noise", "drift"),
    "seasonal": Sample("daily wave", "missing night"),
    "spectral_residual": Sample("fast wave", "spike"),
    "stuck": Sample("daily wave", "stuck"),
    "turn": Sample("noise", "level shift"),
    "zscore": Sample("noise", "spike"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A sample as its detector saw it, cut to what is drawn; rows x columns."""

    ts: Array
    values: Array
    scores: Array
    fault: str
    says: str
    bytes_per_series: float


def clean(series: str, columns: int) -> Array:
    """Readings each five minutes, rows x columns; columns are one thing measured in several places."""
    t = np.arange(FAULT + AFTER)[:, None] - np.arange(columns)
    noise = np.random.default_rng(20).normal(size=(len(t), columns))
    amplitude, period, share = {"daily wave": (5, DAY, 0.4), "fast wave": (5, 23.7, 0.3), "noise": (0, 1, 1.0)}[series]
    values: Array = 20 + amplitude * np.sin(2 * np.pi * t / period) + share * noise
    return values


def spoilt(values: Array, fault: str) -> tuple[Array, Array]:
    """The same readings with a fault from FAULT on, and which of them come at all."""
    values, comes = values.copy(), np.ones(len(values), np.bool_)
    if fault == "gap":
        comes[FAULT : FAULT + 40] = False
    elif fault == "lag":
        values[FAULT:, -1] = values[FAULT - 40 : FAULT - 40 + AFTER, -1]
    else:
        values[FAULT:, 0] = _FAULTS[fault](values[FAULT:, 0], np.arange(AFTER))
    return values, comes


_FAULTS: Mapping[str, Callable[[Array, Array], Array]] = {
    "spike": lambda usual, age: usual + 12 * (age == 0),
    "level shift": lambda usual, _: usual + 3,
    "drift": lambda usual, age: usual + 0.04 * age,
    "stuck": lambda usual, _: np.full_like(usual, usual[0]),
    "skipped beat": lambda usual, age: np.where(age < 24, usual[np.maximum(24 - age, 0)], usual),
    "missing night": lambda usual, _: np.maximum(usual, 20),
}


def shown(kind: Kind) -> Shown:
    """A kind's sample through its detector, as it ships."""
    columns = kind.columns[0]
    sample = SAMPLES.get(kind.name, DEFAULT if columns == 1 else DEFAULT_TOGETHER)
    values, comes = spoilt(clean(sample.series, columns), sample.fault)
    state = State()
    detector = make(kind.name, Scope(state), columns=columns)
    state.grow(1)
    ts, slot, scores, says = np.arange(len(values)) * _STEP_NS, np.zeros(1, int), np.zeros(len(values)), ""
    for row in np.flatnonzero(comes):
        now = values[row : row + 1, 0] if columns == 1 else values[row : row + 1]
        said = detector.update(slot, ts[row : row + 1], now)
        scores[row] = said.score[0]
        if row >= FAULT and scores[row] >= THRESHOLD and not says:
            after = int(comes[FAULT:row].sum())
            when = "At once" if not after else f"After {after} reading{'s' * (after > 1)}"
            says = f"{when} it says: *{detector.explain(said, 0)}*."
    drawn_rows = np.flatnonzero(comes)
    drawn_rows = drawn_rows[drawn_rows >= FAULT - BEFORE]
    says = says or "It doesn't say anything here."
    picked = (ts[drawn_rows], values[drawn_rows], scores[drawn_rows])
    return Shown(*picked, sample.fault, says, state.nbytes / state.capacity)


def picture(kind: Kind, sample: Shown) -> str:
    """A kind's picture: SVG."""
    first = float(FAULT * _STEP_NS)
    return drawn(kind.name, (sample.ts, sample.values, sample.scores), (first, sample.fault), THRESHOLD)


def page(samples: Mapping[str, Shown]) -> str:
    """The whole page."""
    lines = ["# Detectors", "", *_INTRODUCTION, "", *_table(), ""]
    for name in sorted(samples, key=_order):
        lines += section(KINDS[name], samples[name])
    return "\n".join(lines)


def section(kind: Kind, sample: Shown) -> list[str]:
    """A kind's part of the page."""
    least, most = kind.columns
    together = f" for {least} columns" if least > 1 else ""
    lines = [
        f"## {kind.name}",
        "",
        f"![{kind.name} on a {sample.fault}](../images/detectors/{kind.name}.svg)",
        "",
        sample.says,
        "",
        f"- **Finds** {kind.finds}.",
        f"- **Can't see** {kind.blind}.",
        f"- **Costs** {kind.cost}; measured here: {sample.bytes_per_series:,.0f} bytes{together}.",
        f"- **From** {kind.reference}.",
    ]
    if most > 1:
        lines.append(f"- **Columns** {least} to {most} together.")
    if not kind.options:
        return [*lines, "- **Options** none.", ""]
    lines += ["", "| option | default | of | from | to | |", "|---|--:|---|--:|--:|---|"]
    return [*lines, *(_option(option) for option in kind.options), ""]


def write() -> None:
    """Write the page and all pictures; pictures of detectors that are no more go."""
    samples = {name: shown(kind) for name, kind in KINDS.items()}
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        if old.stem not in samples:
            old.unlink()
    for name, sample in samples.items():
        (PICTURES / f"{name}.svg").write_text(picture(KINDS[name], sample))
    PAGE.write_text(page(samples))


def _table() -> Sequence[str]:
    names = sorted(KINDS, key=_order)
    return ["| detector | finds |", "|---|---|", *(f"| [`{n}`](#{n}) | {KINDS[n].finds} |" for n in names)]


def _option(option: Option) -> str:
    most = "" if option.most == float("inf") else f"{option.most:,g}"
    numbers = f"{option.default:,g} | {option.unit} | {option.least:,g} | {most}"
    return f"| `{option.name}` | {numbers} | {option.meaning} |"


def _order(name: str) -> tuple[bool, str]:
    return name != "auto", name


_INTRODUCTION = (
    "A detector reads series and gives every reading a score from 0 to 1: **0.5 and more is an alarm**, for every",
    "one of them; their options say what gets there. `auto` has no options and is the one to begin with; the",
    "others are for those who know what they look for. Every detector sees the past only, takes O(1) per reading",
    "and a fixed number of bytes per series, says in the series' own terms what it saw and what would have been",
    "usual, and gives the same scores to the bit however readings were batched, also over a restart. What is no",
    "number is no reading.",
    "",
    "In each picture: above, readings each five minutes, shaded from where the named fault begins; below, the",
    "score, with the alarms in red. The detector had seen eight clean days before. This page and its pictures are",
    "generated from the catalogue: `python -m scripts.detector_pages`.",
)

if __name__ == "__main__":
    write()
