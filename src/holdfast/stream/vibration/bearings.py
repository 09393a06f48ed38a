"""How often a rolling bearing's parts strike, as multiples of the shaft's speed; of a fixed outer ring.

The four kinematic frequencies follow from the number of rolling elements, their diameter, the pitch diameter and the
contact angle (Harris, Rolling Bearing Analysis). Real ones slip: they come out a percent or two beside that.
"""

import math
from dataclasses import dataclass
from typing import Literal

Fault = Literal["outer race", "inner race", "ball", "cage"]
FAULTS: tuple[Fault, ...] = ("outer race", "inner race", "ball", "cage")
_MOST_ORDER = 200.0


@dataclass(frozen=True, slots=True)
class Orders:
    """Multiples of the shaft's speed: BPFO, BPFI, BSF (one turn of a ball, which strikes twice in it) and FTF."""

    outer: float
    inner: float
    ball: float
    cage: float

    def of(self, fault: Fault) -> float:
        """That of one part's fault."""
        return {"outer race": self.outer, "inner race": self.inner, "ball": self.ball, "cage": self.cage}[fault]


def orders(balls: int, ball: float, pitch: float, angle_deg: float = 0.0) -> Orders:
    """Of a geometry. balls: how many; ball, pitch: diameters in one unit; angle_deg: of contact."""
    ratio = ball / pitch * math.cos(math.radians(angle_deg))
    return Orders(
        outer=balls / 2 * (1 - ratio),
        inner=balls / 2 * (1 + ratio),
        ball=pitch / (2 * ball) * (1 - ratio * ratio),
        cage=(1 - ratio) / 2,
    )


KNOWN: dict[str, Orders] = {
    "6205": orders(9, 0.3126, 1.537),  # SKF 6205-2RS, inches: Case Western Reserve University, drive end
    "6203": orders(8, 6.75, 28.55),  # Paderborn University's KAt bearing data center, mm
    "UER204": orders(8, 7.92, 34.55),  # LDK UER204, mm: Xi'an Jiaotong University, XJTU-SY
    "ZA-2115": orders(16, 0.331, 2.815, 15.17),  # Rexnord, inches: University of Cincinnati, IMS
}
"""Bearings by name, with geometries as published beside data sets."""
_GEOMETRY = ("balls", "ball", "pitch", "angle")
_GIVEN = ("bpfo", "bpfi", "bsf", "ftf")
USAGE = (
    "a bearing is a name ("
    + ", ".join(KNOWN)
    + "), a geometry as 'balls=9 ball=7.94 pitch=39.04 angle=0', or multiples of the shaft's speed as "
    "'bpfo=3.585 bpfi=5.415 bsf=2.357 ftf=0.398'"
)


def bearing(text: str) -> Orders:
    """The bearing that a text names or describes; see `USAGE`.

    Raises:
        ValueError: when it's none; the message says what one looks like.
    """
    known = KNOWN.get(text.strip().upper())
    if known is not None:
        return known
    try:
        said = {key.lower(): float(number) for key, number in (part.split("=") for part in text.split())}
    except ValueError:
        raise ValueError(f"`{text}`: {USAGE}") from None
    if said.keys() == set(_GIVEN):
        made = Orders(*(said[key] for key in _GIVEN))
    elif said.keys() | {"angle"} == set(_GEOMETRY):
        made = _described(said, text)
    else:
        raise ValueError(f"`{text}`: {USAGE}")
    if not all(0 < made.of(fault) <= _MOST_ORDER for fault in FAULTS):
        raise ValueError(f"`{text}`: multiples of the shaft's speed are above 0 and at most {_MOST_ORDER:.0f}")
    return made


def _described(said: dict[str, float], text: str) -> Orders:
    balls, ball, pitch, angle = said["balls"], said["ball"], said["pitch"], said.get("angle", 0.0)
    if not (balls.is_integer() and 3 <= balls <= 100 and 0 < ball < pitch and 0 <= angle < 90):
        raise ValueError(f"`{text}`: 3 to 100 balls, smaller than the pitch diameter, at an angle below 90 degrees")
    return orders(int(balls), ball, pitch, angle)
