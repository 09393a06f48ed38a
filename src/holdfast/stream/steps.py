"""What an engine was told besides rows, as bytes for the journal, and telling it again after a restart (G7).

Everything that changes an engine's state is a step: told the same steps from the same checkpoint, it is in the same
state. So the time at which rows came is a part of it (it sets the keys' clocks), and so is what was left out of them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from holdfast.model.batch import Batch
from holdfast.stream.detecting import Label

if TYPE_CHECKING:
    from holdfast.stream.engine import Engine


class Fed(Struct, frozen=True, array_like=True, tag=0):
    """`evaluate` of the commit's next `rows` readings; `made` more, which the rules made of them, follow."""

    now_ns: int
    rows: int
    made: int = 0


class Ticked(Struct, frozen=True, array_like=True, tag=1):
    """`tick`, and how many readings the rules made at it."""

    now_ns: int
    made: int = 0


class Acknowledged(Struct, frozen=True, array_like=True, tag=2):
    """`acknowledge`."""

    now_ns: int
    rule: str
    node: str
    device: str
    made: int = 0
    metric: str = ""


class ClockSet(Struct, frozen=True, array_like=True, tag=3):
    """`clock_set`: the node's clock jumped by so much; who was heard when."""

    offset_ns: int
    from_ns: int
    to_ns: int


class Throttled(Struct, frozen=True, array_like=True, tag=4):
    """`throttle`: the stage skips rows, or no longer."""

    stage: str
    on: bool


class Labelled(Struct, frozen=True, array_like=True, tag=6):
    """`label`."""

    rule: str
    place: tuple[str, str, str]
    label: Label
    instead: Label | None = None


class Elsewhere(Struct, frozen=True, array_like=True, tag=5):
    """Nothing that this engine was told: so many readings of the commit were made by rules over children's."""

    made: int


Step = Fed | Ticked | Acknowledged | ClockSet | Throttled | Elsewhere | Labelled
_decoder = msgspec.msgpack.Decoder(list[Step])


def encode(steps: Sequence[Step]) -> bytes:
    """The bytes of a commit's steps; none for none."""
    return msgspec.msgpack.encode(steps) if steps else b""


def replay(engine: "Engine", steps: bytes, batch: Batch) -> None:
    """Tell the engine a commit's steps again. batch: the readings that the commit stored, in order.

    Where rows of it are gone (dropped to make room, or damaged), the engine gets what is left in one piece.
    """
    told = _decoder.decode(steps) if steps else [Fed(0, len(batch))]
    stored = sum(_stored(step) for step in told)
    if stored != len(batch):
        came = max((step.now_ns for step in told if isinstance(step, Fed)), default=0)
        told = [Fed(came, len(batch)), *(_unmade(step) for step in told if not isinstance(step, Fed))]
    at = 0
    for step in told:
        match step:
            case Fed(now_ns, rows):
                engine.evaluate(_part(batch, at, at + rows), now_ns)
            case _:
                _tell(engine, step)
        at += _stored(step)


def _tell(engine: "Engine", step: Step) -> None:
    """What brought no readings."""
    match step:
        case Ticked(now_ns):
            engine.tick(now_ns)
        case Acknowledged(now_ns, rule, node, device, _, metric):
            engine.acknowledge(rule, node, device, now_ns, metric)
        case Labelled(rule, place, label, instead):
            engine.label(rule, place, label, instead)
        case ClockSet(offset_ns, from_ns, to_ns):
            engine.clock_set(offset_ns, from_ns, to_ns)
        case Throttled(stage, on):
            engine.throttle(stage, on=on)


def _unmade(step: Step) -> Step:
    return msgspec.structs.replace(step, made=0) if isinstance(step, Ticked | Acknowledged | Elsewhere) else step


def _stored(step: Step) -> int:
    match step:
        case Fed():
            return step.rows + step.made
        case Ticked() | Acknowledged() | Elsewhere():
            return step.made
    return 0


def _part(batch: Batch, start: int, end: int) -> Batch:
    if not start and end == len(batch):
        return batch
    cut = slice(start, end)
    return Batch(batch.series[cut], batch.ts[cut], batch.value[cut], batch.quality[cut], batch.texts)
