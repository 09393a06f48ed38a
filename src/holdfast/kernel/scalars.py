"""Scalars that people write in settings with a unit: durations and byte sizes."""

import re
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta

_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_QUANTITY = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$")

DURATION_HELP = "a duration such as 250ms, 30s, 5m, 1h or 7d"
SIZE_HELP = "a size such as 256kB, 64MiB or 2GB"


def parse_duration(text: str) -> float:
    """Seconds in `text`.

    Raises:
        ValueError: when it is not a number with a unit.
    """
    number, unit = _split(text, DURATION_HELP)
    if unit not in _SECONDS:
        msg = f"expected {DURATION_HELP}"
        raise ValueError(msg)
    return number * _SECONDS[unit]


def parse_size(text: str) -> int:
    """Bytes in `text`.

    Raises:
        ValueError: when it is not a number with a unit.
    """
    number, unit = _split(text, SIZE_HELP)
    if unit.lower() not in _BYTES:
        msg = f"expected {SIZE_HELP}"
        raise ValueError(msg)
    return round(number * _BYTES[unit.lower()])


def _split(text: str, wanted: str) -> tuple[float, str]:
    found = _QUANTITY.match(text)
    if found is None:
        msg = f"expected {wanted}"
        raise ValueError(msg)
    return float(found[1]), found[2]


PARSERS: dict[str, Callable[[str], float]] = {"duration": parse_duration, "size": parse_size}
HELP = {"duration": DURATION_HELP, "size": SIZE_HELP}

Duration = Annotated[float, Meta(ge=0, extra={"parse": "duration"})]
"""Seconds; written `30s`, `5m` … in YAML."""

Size = Annotated[int, Meta(ge=0, extra={"parse": "size"})]
"""Bytes; written `256kB`, `64MiB` … in YAML."""
