"""What goes by age, and what goes when the quota is reached. Pure: says what to do, in order.

By age a piece loses its readings first, then its minutes, then its hours; where a coarser file was never worth its
bytes the finer one stays as long as the coarser would have. Five minutes make answers quick and promise nothing: they
go when minutes do, and readings without minutes stay for them. By quota the local copies of what the cold store has go
from 80 % on, oldest first; then the oldest pieces lose their readings where steps remain, then whole pieces go.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from holdfast.history.lake.layout import DAY_NS
from holdfast.history.lake.settings import HistorySettings, KeepSettings
from holdfast.journal.pieces import AROUND_ALERTS, COLD, FIVE_MINUTES, HOURS, MINUTES, RAW, WARM, Piece, PieceFile

TO_COLD_FROM = 0.8
_NS = 10**9
_MINUTES = (MINUTES, FIVE_MINUTES)


class Deed(Enum):
    """What to do with a file."""

    DROP = "drop"
    """It goes, here and in the cold store."""
    COARSEN = "coarsen"
    """Readings go but for those around alerts; steps remain."""
    EVICT = "evict"
    """The local copy goes; the cold store has it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One deed on one piece. files: those that go; reason: age or disk."""

    deed: Deed
    piece: Piece
    files: tuple[PieceFile, ...]
    reason: str

    @property
    def frees(self) -> int:
        """Bytes of local disk, about: readings around alerts may stay."""
        return sum(file.size for file in self.files if file.places & WARM)


def by_age(pieces: Sequence[Piece], settings: HistorySettings, now_ns: int) -> Iterator[Step]:
    """What is over its age now."""
    for piece in pieces:
        rule = settings.rule(piece.keep)
        old = {file.step: file for file in piece.files if _ends(piece, file, rule) <= now_ns}
        rest = [file for file in piece.files if file.step not in old]
        if not old:
            continue
        if any(file.step > 0 for file in rest) and RAW in old:
            yield Step(Deed.COARSEN, piece, (old.pop(RAW),), "age")
        if old:
            yield Step(Deed.DROP, piece, tuple(old.values()), "age")


def by_quota(pieces: Sequence[Piece], settings: HistorySettings, wanted: int) -> Iterator[Step]:
    """What goes, in this order, until `wanted` bytes are free below the quota; the caller stops when it's enough.

    wanted: bytes that are about to be written
    """
    oldest = sorted(pieces, key=lambda piece: (piece.day, piece.id))
    used = sum(piece.size for piece in oldest) + wanted
    coarse = {id(piece) for piece in oldest if _has_steps(piece)}
    ways = (
        (settings.quota * TO_COLD_FROM, _evictions(oldest)),
        (settings.quota, _coarsenings(oldest)),
        (settings.quota, _drops(oldest, coarse)),
    )
    for limit, steps in ways:
        for step in steps:
            if used <= limit:
                break
            used -= step.frees
            yield step


def _evictions(pieces: Sequence[Piece]) -> Iterator[Step]:
    for piece in pieces:
        both = tuple(file for file in piece.files if file.places == WARM | COLD)
        if both:
            yield Step(Deed.EVICT, piece, both, "disk")


def _coarsenings(pieces: Sequence[Piece]) -> Iterator[Step]:
    for piece in pieces:
        raw = piece.file(RAW)
        if raw is not None and raw.places & WARM and _has_steps(piece):
            yield Step(Deed.COARSEN, piece, (raw,), "disk")


def _drops(pieces: Sequence[Piece], coarse: set[int]) -> Iterator[Step]:
    """Minutes where hours remain, then whole pieces; of those that were coarsened just now only the steps are left."""
    for piece in pieces:
        finer = tuple(file for file in piece.files if file.step in _MINUTES and file.places & WARM)
        if finer and piece.file(HOURS) is not None:
            yield Step(Deed.DROP, piece, finer, "disk")
    for piece in pieces:
        gone = {RAW, *_MINUTES} if id(piece) in coarse else set()
        files = tuple(file for file in piece.files if file.places & WARM and file.step not in gone)
        if files:
            yield Step(Deed.DROP, piece, files, "disk")


def _has_steps(piece: Piece) -> bool:
    return any(file.step > 0 for file in piece.files)


def _ends(piece: Piece, file: PieceFile, rule: KeepSettings) -> int:
    """When a file goes, ns UTC."""
    ages = {RAW: rule.raw, HOURS: rule.hours, AROUND_ALERTS: rule.hours} | dict.fromkeys(_MINUTES, rule.minutes)
    lives = [ages[file.step]]
    if file.step == RAW and piece.file(MINUTES) is None:  # it is as good as minutes, or hours
        lives.append(ages[MINUTES])
        if piece.file(HOURS) is None:
            lives.append(ages[HOURS])
    if file.step in _MINUTES and piece.file(HOURS) is None:
        lives.append(ages[HOURS])
    if not all(lives):
        return 2**63 - 1
    return (piece.day + 1) * DAY_NS + round(max(lives) * _NS)
