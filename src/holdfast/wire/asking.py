"""Questions that one node asks another about the past, and their answers. Append only, as `messages`.

Down, a parent asks a child for rows that it hasn't yet: those above `after` in the child's own lanes. Up, a child asks
its parent for rows that it has no more. An answer is one sealed stream: header, series, then readings, or steps on the
asked grid, then what the parts came from and what is missing.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from holdfast.model.batch import Batch
from holdfast.model.lane import Lane
from holdfast.model.series import Kind, Series
from holdfast.wire.errors import WireError
from holdfast.wire.frame import Effort, seal, unseal
from holdfast.wire.integers import Int64s
from holdfast.wire.looking import Call
from holdfast.wire.messages import VERSION, Count, Name, Seq
from holdfast.wire.numbers import Float64s, group_rows, pack_numbers, unpack_numbers
from holdfast.wire.packing import Packer, Unpacker, indexes
from holdfast.wire.runs import pack_rows, unpack_rows

MAX_PATTERNS, MAX_PATTERN = 100, 512
MAX_ROWS = 1_000_000
MAX_STEPS = 500_000
MAX_SERIES = 4_000
MAX_BODY = 16 << 20
MAX_UNPACKED = 64 << 20
MAX_HEADER = 64 << 10
MAX_PARTS = 1_000
MAX_SPANS = 24 << 10
"""Characters; inside the header they are escaped, and it must stay below its own bound."""
MAX_TEXT = 256 << 10
Time = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Outcome = Literal["ok", "stale", "refused"]
LANES = (Lane.CRITICAL, Lane.NORMAL, Lane.BULK)
"""The lanes that questions are about, by name: a lane that is added, such as one whose rows stay, is never answered."""
Reached = Annotated[tuple[Seq, ...], Meta(min_length=len(LANES), max_length=len(LANES))]


class Poll(Struct, frozen=True):
    """A child is ready to be asked. branch, session: those of its open session; wait_s: how long it stays.

    calls: may its own pages be looked at (`Ask.call`)?
    """

    branch: Count
    session: int
    wait_s: Annotated[float, Meta(ge=0, le=60)] = 25.0
    version: int = VERSION
    calls: bool = False


class Ask(Struct, frozen=True, omit_defaults=True):
    """A question to another node, about [from_ns, to_ns).

    patterns:   series, as in the API; step_ns: length of the wanted steps, None = the readings as they came
    wants_rows: readings, although steps are asked for: percentiles need them
    limit:      the oldest so many readings
    after:      down only: rows above these seqs of the asked node's own lanes, and all that hasn't reached it yet
    branch:     down only: what the parent calls the history that `after` counts in
    depth:      how many nodes further it may be passed on
    within_s:   what comes later isn't waited for
    trace:      down only: the steps of this trace are wanted, and nothing else
    call:       down only, where the poll took calls: a look at the node's own pages, and nothing of the above counts
    wake:       down only: commands wait for the child, and nothing else is asked; the answer is empty
    """

    id: Name
    patterns: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN)], ...],
        Meta(min_length=1, max_length=MAX_PATTERNS),
    ]
    from_ns: Time
    to_ns: Time
    step_ns: Annotated[int, Meta(ge=1, le=2**63 - 1)] | None = None
    wants_rows: bool = False
    limit: Annotated[int, Meta(ge=0, le=MAX_ROWS)] = 10_000
    after: Reached | None = None
    branch: Count = 0
    depth: Annotated[int, Meta(ge=0, le=16)] = 0
    within_s: Annotated[float, Meta(ge=0, le=60)] = 3.0
    version: int = VERSION
    trace: Annotated[str, Meta(max_length=32)] = ""
    call: Call | None = None
    wake: bool = False


class Part(NamedTuple):
    """Where a part of the answer came from; as `history.question.Source`."""

    tier: str
    from_ns: int
    to_ns: int
    rows: int
    step: int = 0
    error: float | None = None
    note: str = ""


class Gone(NamedTuple):
    """Readings that are gone; as `history.question.Missing`."""

    from_ns: int
    to_ns: int
    rows: int
    reason: str


class AnswerHeader(Struct, frozen=True, omit_defaults=True):
    """What stands before an answer.

    status: stale = rows above `after` were dropped here since they were delivered: look again, then ask again
    kind:   whether readings or steps follow; rows: how many
    marks:  up only: how far the answering node had the asking one's lanes; what is above them is in no row here
    spans:  the steps of the asked trace, as a JSON list
    """

    id: Name
    status: Outcome = "ok"
    detail: str = ""
    kind: Literal["rows", "steps"] = "rows"
    rows: Count = 0
    truncated: bool = False
    marks: Reached | None = None
    version: int = VERSION
    spans: Annotated[str, Meta(max_length=MAX_SPANS)] = ""


@dataclass(frozen=True, slots=True)
class StepColumns:
    """One row a series and step, all of shape (n,); as `history.lake.rollup.Steps`."""

    series: NDArray[np.int32]
    ts: Int64s
    count: Int64s
    uncertain: Int64s
    bad: Int64s
    last_ts: Int64s
    low: Float64s
    high: Float64s
    mean: Float64s
    last: Float64s
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """An answer. `series` of rows or steps are positions in `series`."""

    header: AnswerHeader
    series: tuple[Series, ...] = ()
    rows: Batch | None = None
    steps: StepColumns | None = None
    sources: list[Part] = field(default_factory=list)
    missing: list[Gone] = field(default_factory=list)


_headers = msgspec.json.Decoder(AnswerHeader)


def encode_answer(answer: RemoteAnswer, effort: Effort = Effort.USUAL) -> bytes:
    """The body of an answer."""
    packer = Packer()
    packer.structured(answer.series)
    packer.structured(answer.sources[:MAX_PARTS])
    packer.structured(answer.missing[:MAX_PARTS])
    kind: Literal["rows", "steps"] = "rows"
    count = 0
    if answer.rows is not None and len(answer.rows):
        count = len(answer.rows)
        _pack_readings(packer, answer.rows)
    elif answer.steps is not None:
        kind, count = "steps", len(answer.steps)
        _pack_steps(packer, answer.steps)
    header = msgspec.structs.replace(answer.header, kind=kind, rows=count)
    return seal(msgspec.json.encode(header), packer.finish(), effort)


def decode_answer(body: bytes) -> RemoteAnswer:
    """Open an answer that came from outside.

    Raises:
        WireError: when anything in it is malformed or beyond the limits; nothing large was allocated before.
    """
    if len(body) > MAX_BODY:
        raise WireError(f"the answer has {len(body)} bytes; at most {MAX_BODY} are allowed")
    head, content = unseal(body, MAX_HEADER, MAX_UNPACKED)
    try:
        header = _headers.decode(head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"the answer's header can't be read: {error}") from error
    if header.version != VERSION:
        raise WireError(f"the answer speaks version {header.version}; this node knows {VERSION}")
    unpacker = Unpacker(content)
    series = _series(unpacker)
    sources = unpacker.structured(list[Part], MAX_UNPACKED, "sources")
    missing = unpacker.structured(list[Gone], MAX_UNPACKED, "gaps")
    if len(sources) > MAX_PARTS or len(missing) > MAX_PARTS:
        raise WireError(f"the answer names more than {MAX_PARTS} sources or gaps")
    rows: Batch | None = None
    steps: StepColumns | None = None
    if header.rows > (MAX_ROWS if header.kind == "rows" else MAX_STEPS):
        raise WireError(f"the answer has {header.rows} {header.kind}, which is too many")
    if header.kind == "steps":
        steps = _unpack_steps(unpacker, header.rows, series)
    else:
        rows = _unpack_readings(unpacker, header.rows, series) if header.rows else Batch.empty()
    unpacker.finish()
    return RemoteAnswer(header, series, rows, steps, sources, missing)


def _series(unpacker: Unpacker) -> tuple[Series, ...]:
    series = unpacker.structured(list[Series], MAX_UNPACKED, "series")
    if len(series) > MAX_SERIES:
        raise WireError(f"the answer names {len(series)} series; at most {MAX_SERIES} are allowed")
    if any(len(text) > MAX_PATTERN for one in series for text in one[:4]):
        raise WireError(f"a series is named with more than {MAX_PATTERN} characters")
    if len(set(series)) != len(series):
        raise WireError("the answer names a series twice")
    return tuple(series)


def _pack_readings(packer: Packer, rows: Batch) -> None:
    packed = pack_rows(packer, rows.series, rows.ts)
    grouped = group_rows(packed.local, len(packed.ids))
    pack_numbers(packer, rows.value, grouped)
    packer.raw(rows.quality[grouped.order].tobytes())
    packer.structured(rows.texts)


def _unpack_readings(unpacker: Unpacker, n: int, known: tuple[Series, ...]) -> Batch:
    rows = unpack_rows(unpacker, n)
    grouped = group_rows(rows.local, len(rows.ids))
    value = unpack_numbers(unpacker, grouped)
    quality = np.empty(n, np.uint8)
    quality[grouped.order] = np.frombuffer(unpacker.raw(n), np.uint8)
    texts = _texts(unpacker)
    series = indexes(rows.ids, len(known), "series")[rows.local].astype(np.int32)
    _check_texts(series, value, texts, known)
    return Batch(series, rows.ts, value, quality, texts)


def _pack_steps(packer: Packer, steps: StepColumns) -> None:
    packer.integers(steps.series.astype(np.int64))
    for column in (steps.ts, steps.count, steps.uncertain, steps.bad, steps.last_ts):
        packer.integers(column)
    for numbers in (steps.low, steps.high, steps.mean, steps.last):
        packer.raw(numbers.astype("<f8").tobytes())
    packer.structured(steps.texts)


def _unpack_steps(unpacker: Unpacker, n: int, known: tuple[Series, ...]) -> StepColumns:
    series = indexes(unpacker.integers(n), len(known), "series").astype(np.int32)
    ts, count, uncertain, bad, last_ts = (unpacker.integers(n) for _ in range(5))
    low, high, mean, last = (np.frombuffer(unpacker.raw(8 * n), "<f8").astype(np.float64) for _ in range(4))
    if any(len(c) and int(c.min()) < 0 for c in (count, uncertain, bad)):
        raise WireError("a step of the answer counts less than nothing")
    texts = _texts(unpacker)
    _check_texts(series, last, texts, known)
    return StepColumns(series, ts, count, uncertain, bad, last_ts, low, high, mean, last, texts)


def _texts(unpacker: Unpacker) -> tuple[str, ...]:
    texts = unpacker.structured(tuple[str, ...], MAX_UNPACKED, "texts")
    if any(len(text) > MAX_TEXT for text in texts):
        raise WireError(f"a text has more than {MAX_TEXT} characters")
    return texts


def _check_texts(series: NDArray[np.int32], value: Float64s, texts: tuple[str, ...], known: tuple[Series, ...]) -> None:
    is_text = np.array([one.kind is Kind.TEXT for one in known], np.bool_)
    places = value[is_text[series]] if len(series) else value
    places = places[np.isfinite(places)]
    if not ((places >= 0) & (places < len(texts)) & (places == np.floor(places))).all():
        raise WireError("the answer has a text row without its text")
