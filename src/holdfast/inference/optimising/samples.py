"""Rows to calibrate with and to judge by: from .npz, .npy, .csv, .parquet, or a folder of pictures.

In a folder, each sub-folder is a class named after it; pictures right in the folder have no class.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from holdfast.inference.optimising.errors import DataUnusable, LibraryMissing
from holdfast.inference.optimising.given import Array, Given, as_input

MOST_BYTES = 2_000_000_000
_X, _Y = ("x", "X", "values", "features"), ("y", "Y", "label", "labels", "target", "class", "anomaly")
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp"}


@dataclass(frozen=True, slots=True)
class Samples:
    """x: (n, …), as the model takes them; y: (n,), int64 classes or float64 numbers, None = nobody knows."""

    x: Array
    y: Array | None
    where: str

    def __len__(self) -> int:
        return len(self.x)

    def few(self, most: int, seed: int = 1) -> "Samples":
        """At most so many, drawn by chance but always the same ones."""
        if len(self.x) <= most:
            return self
        at = np.sort(np.random.default_rng(seed).permutation(len(self.x))[:most])
        return Samples(self.x[at], None if self.y is None else self.y[at], self.where)


def read_samples(path: Path, given: Given, label: str = "", *, needed: bool = True) -> Samples:
    """Rows for this model.

    Args:
        path:  the file or folder
        given: the model they're for
        label: the column or array that holds the answers; empty = by its usual names
        needed: a label that was named must be there

    Raises:
        DataUnusable: it isn't there, isn't readable, has NaN, or isn't what the model takes.
    """
    if not path.exists():
        raise DataUnusable(f"{path} isn't there")
    try:
        x, y = _read(path, given, label)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataUnusable(f"{path} can't be read: {str(error)[:300]}") from None
    if y is not None and len(y) != len(x):
        raise DataUnusable(f"{path} has {len(x):,} rows but {len(y):,} labels")
    if label and needed and y is None:
        raise DataUnusable(f"{path} has no labels called {label}")
    return Samples(as_input(given, x, str(path)), None if y is None else _answers(y, given, str(path)), str(path))


def _read(path: Path, given: Given, label: str) -> tuple[Array, Array | None]:
    if path.is_dir():
        return _folder(path, given)
    if path.stat().st_size > MOST_BYTES:
        raise DataUnusable(f"{path} is larger than {MOST_BYTES:,} bytes", "give a sample of it")
    match path.suffix.lower():
        case ".npz":
            return _npz(path, label)
        case ".npy":
            return np.load(path, allow_pickle=False), None
        case ".csv" | ".parquet":
            return _table(path, given, label)
        case suffix:
            raise DataUnusable(f"{path}: nothing here reads {suffix or 'files without ending'}")


def _npz(path: Path, label: str) -> tuple[Array, Array | None]:
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:  # numpy leaves a broken one open
        x = next((name for name in _X if name in file.files), None)
        y = next((name for name in ([label] if label else _Y) if name in file.files), None)
        if x is None:
            rest = [name for name in file.files if name != y]
            if len(rest) != 1:
                raise DataUnusable(f"{path} has no array x, but {', '.join(file.files) or 'nothing'}")
            x = rest[0]
        return file[x], None if y is None else file[y].ravel()


def _table(path: Path, given: Given, label: str) -> tuple[Array, Array | None]:
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    try:
        table = pyarrow.csv.read_csv(path) if path.suffix.lower() == ".csv" else pyarrow.parquet.read_table(path)
    except pa.ArrowException as error:
        raise DataUnusable(f"{path} can't be read: {str(error)[:300]}") from None
    y = next((name for name in ([label] if label else _Y) if name in table.column_names), None)
    missing = [name for name in given.features if name not in table.column_names]
    names: Sequence[str] = given.features
    if missing or not names:
        numeric = [c.name for c in table.schema if pa.types.is_floating(c.type) or pa.types.is_integer(c.type)]
        names = [name for name in numeric if name not in {y, "ts"}]
        if missing and len(names) != len(given.features):
            raise DataUnusable(f"{path} has no column {missing[0]}", f"the model takes {', '.join(given.features)}")
    if not names:
        raise DataUnusable(f"{path} has no columns of numbers")
    x = np.column_stack([table[name].to_numpy().astype(np.float64) for name in names])
    return x, None if y is None else np.asarray(table[y].to_pylist())


def _folder(path: Path, given: Given) -> tuple[Array, Array | None]:
    image: Any = dict(given.card.get("inputs") or {}).get("image")
    arrays = sorted(path.glob("*.npz"))
    if arrays:
        parts = [_npz(file, "") for file in arrays]
        answers = [y for _, y in parts if y is not None]
        return np.concatenate([x for x, _ in parts]), np.concatenate(answers) if len(answers) == len(parts) else None
    if not isinstance(image, dict):
        raise DataUnusable(f"{path} has no *.npz, and the model's card says nothing of pictures (inputs.image)")
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in _PICTURES)
    if not files:
        raise DataUnusable(f"{path} has no pictures ({', '.join(sorted(_PICTURES))})")
    if given.input.dtype and sum(f.stat().st_size for f in files) > MOST_BYTES:
        raise DataUnusable(f"the pictures of {path} have more than {MOST_BYTES:,} bytes", "give a sample of them")
    classes = [None if f.parent == path else f.parent.name for f in files]
    x = np.stack([_picture(f, image) for f in files])
    return x, None if None in classes else np.asarray(classes)


def _picture(path: Path, image: dict[str, Any]) -> Array:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise LibraryMissing("pillow", "vision") from None
    mode = "L" if int(image.get("channels", 3)) == 1 else "RGB"
    try:
        with Image.open(path) as opened:
            scaled = opened.convert(mode).resize((int(image["width"]), int(image["height"])), Image.Resampling.BILINEAR)
            return np.asarray(scaled, np.uint8)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataUnusable(f"{path} is no picture: {error}") from None


def _answers(y: Array, given: Given, where: str) -> Array:
    """Classes as numbers: texts by the card's labels, else in the order of the alphabet."""
    if y.dtype.kind == "f":
        if not np.isfinite(y).all():
            raise DataUnusable(f"{where}: {int((~np.isfinite(y)).sum()):,} labels are missing or NaN")
        return y.astype(np.int64) if given.task != "regression" and (y == np.rint(y)).all() else y.astype(np.float64)
    if y.dtype.kind in "iub":
        return y.astype(np.float64 if given.task == "regression" else np.int64)
    texts = [str(text) for text in y]
    if any(text in {"", "None", "nan"} for text in texts):
        raise DataUnusable(f"{where}: labels are missing in some rows")
    known = given.labels or tuple(sorted(set(texts)))
    unknown = sorted(set(texts) - set(known))
    if unknown:
        raise DataUnusable(f"{where}: the model has no class {unknown[0]}", f"its classes are {', '.join(known)}")
    return np.asarray([known.index(text) for text in texts], np.int64)
