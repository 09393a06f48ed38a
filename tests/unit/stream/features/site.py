"""An engine with feature lines, and readings for it as plain rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.features import FeatureRows
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.features.sets import FeatureSet
from holdfast.stream.language.featuring import compile_features, load_features
from holdfast.stream.rules import CompiledRule

S = 1_000_000_000
BASE = 1_700_000_000 * S
Reading = tuple[str, str, int, float | str, int]
"""Device, metric, ns, value, quality."""


def sets(folder: Path, text: str) -> list[FeatureSet]:
    """The sets of a document's text behind `features:`."""
    file = folder / "features.yaml"
    file.write_text(f"features:\n{text}")
    return load_features([file])


def one(folder: Path, **keys: object) -> FeatureSet:
    """A set called `f`, of a flow mapping's values as YAML."""
    lines = "".join(f"    {key.removesuffix('_')}: {value}\n" for key, value in keys.items())
    (found,) = sets(folder, f"  f:\n{lines}")
    return found


def line(folder: Path, *, to: str = "d", rename: Mapping[str, str] | None = None, **keys: object) -> CompiledRule:
    """A line of such a set."""
    return compile_features(one(folder, **keys), to, rename=rename)


def batch_of(rows: Sequence[Reading], catalogue: Catalogue) -> Batch:
    """Readings as a batch."""
    texts: list[str] = []
    values = []
    for *_, value, _ in rows:
        if isinstance(value, str):
            texts += [] if value in texts else [value]
            values.append(float(texts.index(value)))
        else:
            values.append(value)
    kinds = [Kind.TEXT if isinstance(value, str) else Kind.FLOAT for *_, value, _ in rows]
    ids = [catalogue.intern(Series("gw", r[0], r[1], "", k)) for r, k in zip(rows, kinds, strict=True)]
    ts = [BASE + r[2] for r in rows]
    return Batch(
        np.array(ids, np.int32), np.array(ts, np.int64), np.array(values, np.float64),
        np.array([r[4] for r in rows], np.uint8), tuple(texts),
    )  # fmt: skip


@dataclass
class Site:
    """An engine, fed with plain rows."""

    lines: Sequence[CompiledRule]
    catalogue: Catalogue = field(default_factory=Catalogue)

    def __post_init__(self) -> None:
        self.engine = Engine(self.lines, self.catalogue, "gw")

    def rows(self, *readings: Reading) -> list[FeatureRows]:
        """What comes of a batch."""
        return self.engine.evaluate(batch_of(readings, self.catalogue)).features

    def feed(self, *values: float | str, metric: str = "x", device: str = "m1", start: int = 0) -> FeatureRows:
        """A reading a second; the rows, of which there must be some."""
        (found,) = self.rows(*((device, metric, (start + i) * S, v, 0) for i, v in enumerate(values)))
        return found


def joined(parts: Sequence[FeatureRows]) -> list[tuple[str, str, int, bytes, int]]:
    """Rows with their bits, in order: deployment, device, ts, values, flags."""
    return [
        (p.deployment, p.places[k][1], int(t), v.tobytes(), int(f))
        for p in parts
        for k, t, v, f in zip(p.key.tolist(), p.ts, p.values, p.flags, strict=True)
    ]


def by_device(parts: Sequence[FeatureRows]) -> dict[tuple[str, str], list[tuple[int, bytes, int]]]:
    """Each device's rows in order, with their bits."""
    found: dict[tuple[str, str], list[tuple[int, bytes, int]]] = {}
    for deployment, device, ts, numbers, flags in joined(parts):
        found.setdefault((deployment, device), []).append((ts, numbers, flags))
    return found


def values(parts: Sequence[FeatureRows]) -> NDArray[np.float64]:
    """All rows' numbers."""
    return np.concatenate([part.values for part in parts])
