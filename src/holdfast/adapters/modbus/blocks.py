"""Few reads for many points. Pure.

Points of one table that lie close together are read at once: a block holds at most what the device gives in one
answer, and no more unused registers in a row than the map's `gap`. That's the least number of reads there can be under
these bounds: each block begins at the first point not read yet and takes as much as it may.

A device that has no registers in a gap refuses the whole block. Then it's split, at its widest gap or else in the
middle, and that is kept. What is refused alone is bad; it's tried again now and then.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.adapters.modbus.frames import READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT, Question, read
from holdfast.adapters.modbus.maps import MapPoint, RegisterMap, Table, is_bits
from holdfast.model.points import Scalar

FUNCTIONS: Mapping[Table, int] = {
    "holding": READ_HOLDING,
    "input": READ_INPUT,
    "coil": READ_COILS,
    "discrete": READ_DISCRETE,
}
_MOST_POWER = 10
"""Of a scale register (SunSpec: sunssf, -10 to 10; 0x8000 = it isn't there)."""
RETRY_S = 300.0
"""After which a refused point is tried again: firmware may have been updated, or the device replaced."""


class Block:
    """Points that are read at once."""

    __slots__ = ("_finish", "_gather", "_names", "_unpack", "points", "question", "start", "table")

    def __init__(self, points: Sequence[MapPoint]) -> None:
        """points: of one table, by `start`, at least one."""
        self.points = tuple(points)
        self.table, self.start = points[0].table, points[0].start
        count = max(one.end for one in points) - self.start
        self.question: Question = read(FUNCTIONS[self.table], self.start, count)
        self._names = [one.name for one in points]
        self._finish = [(i, one.form.finish) for i, one in enumerate(points) if one.form.finish is not None]
        if is_bits(self.table):
            self._gather: NDArray[np.intp] | None = np.array([one.start - self.start for one in points])
            self._unpack = None
            return
        places = [2 * (one.start - self.start) + place for one in points for place in one.form.places]
        is_straight = places == list(range(2 * count))
        self._gather = None if is_straight else np.array(places)
        self._unpack = struct.Struct(">" + "".join(one.form.code for one in points)).unpack

    def decode(self, data: bytes) -> dict[str, Scalar]:
        """The values by name. data: the answer's, as long as was asked for."""
        if self._unpack is None:
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
            return dict(zip(self._names, bits[self._gather].astype(bool).tolist(), strict=True))
        if self._gather is not None:
            data = np.frombuffer(data, np.uint8)[self._gather].tobytes()
        found = dict(zip(self._names, self._unpack(data), strict=True))
        for i, finish in self._finish:
            found[self._names[i]] = finish(found[self._names[i]])
        return found

    def halves(self) -> tuple["Block", "Block"]:
        """Two blocks for one that was refused and holds several points."""
        reach, best, widest = self.points[0].end, len(self.points) // 2, 0
        for i, one in enumerate(self.points[1:], 1):
            if one.start - reach > widest:
                best, widest = i, one.start - reach
            reach = max(reach, one.end)
        return Block(self.points[:best]), Block(self.points[best:])


def blocks(points: Sequence[MapPoint], found: RegisterMap) -> list[Block]:
    """The reads for these points."""
    made: list[Block] = []
    for table in FUNCTIONS:
        run: list[MapPoint] = []
        most, gap, reach = found.most_of(table), found.gap_of(table), 0
        for one in sorted((p for p in points if p.table == table), key=lambda p: (p.start, p.end)):
            if run and (one.end - run[0].start > most or one.start - reach > gap):
                made.append(Block(run))
                run, reach = [], 0
            run.append(one)
            reach = max(reach, one.end)
        if run:
            made.append(Block(run))
    return made


def scaled(found: dict[str, Scalar], map_: RegisterMap) -> tuple[dict[str, Scalar], list[str]]:
    """Values multiplied by the powers of ten that stand beside them, and the names of those that have none."""
    if not map_.scaled:
        return found, []
    without: list[str] = []
    for name, key in map_.scaled.items():
        value, power = found.get(name), found.get(key)
        if value is None or value in map_.map.points[name].missing:
            continue
        if isinstance(value, str) or not isinstance(power, int) or abs(power) > _MOST_POWER:
            without.append(name)
            del found[name]
        else:
            found[name] = value * 10**power if power >= 0 else value / 10**-power
    return {name: value for name, value in found.items() if name not in map_.scales}, without


@dataclass(slots=True)
class Group:
    """What one poll of a device reads, and what was learnt about it.

    refused: points that the device hasn't, each with when it's to be tried again, monotonic seconds
    planned: the blocks before anything was learnt
    was_silent: since it answered last
    """

    blocks: list[Block]
    refused: dict[Block, float] = field(default_factory=dict)
    was_silent: bool = False
    planned: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        self.planned = tuple(self.blocks)

    def unlearn(self) -> None:
        """The device refused everything, as some do while they start: that says nothing of its registers."""
        self.blocks[:] = self.planned
        self.refused.clear()

    def refuse(self, block: Block, now: float) -> Sequence[Block]:
        """The device won't answer this block: what is to be asked instead; nothing = its one point is refused."""
        if block in self.refused:
            self.refused[block] = now + RETRY_S
            return ()
        at = self.blocks.index(block)
        if len(block.points) == 1:
            del self.blocks[at]
            self.refused[block] = now + RETRY_S
            return ()
        halves = block.halves()
        self.blocks[at : at + 1] = halves
        return halves

    def accept(self, block: Block) -> None:
        """A refused point was answered after all."""
        del self.refused[block]
        self.blocks.append(block)

    def due(self, now: float) -> list[Block]:
        """Refused points that may be tried again."""
        return [block for block, at in self.refused.items() if at <= now]
