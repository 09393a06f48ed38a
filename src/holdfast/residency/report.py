"""What stayed, what left in its place and why; and whether anything lies where it must not. Blocking, any thread.

Three sources that must agree: the register (hash-chained), the rules in force, and the rows themselves: every row of
the open lanes is looked at again under today's rules.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import Struct

from holdfast.journal.blobs import decode_events, decode_readings
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import Group, GroupKind
from holdfast.journal.register import Entry
from holdfast.model.event import Event
from holdfast.model.lane import OPEN_LANES, Lane
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.residency.rules import NONE, Policy

MOST_NAMED = 100
_AT_ONCE = 50_000


class Change(Struct, frozen=True):
    """Rules that came into force. kept_late: series whose rows had gone to the open lanes until then."""

    at_ns: int
    digest: str
    key: str
    region: str
    rules: list[dict[str, object]]
    kept_late: int
    freed: int


class Day(Struct, frozen=True):
    """What became of a day's rows under one rule. sealed: is it part of the chain? rule '': not under a rule."""

    day: int
    rule: str
    sealed: bool
    counts: dict[str, int]


class ChildHead(Struct, frozen=True):
    """How far a child said its own register went."""

    at_ns: int
    child: str
    rows: int
    chain: str


class Misplaced(Struct, frozen=True):
    """Rows in an open lane that today's rules would keep. waiting: of them not yet at the parent."""

    series: str
    rule: str
    lane: int
    rows: int
    waiting: int


class Report(Struct, frozen=True):
    """The audit. rows, head: of the register; broken_at: its first row that isn't what was written, 0 = none.

    scanned: rows of the open lanes that were looked at; held: rows in the lanes that stay
    """

    node: str
    region: str
    rows: int
    head: str
    broken_at: int
    changes: list[Change]
    days: list[Day]
    children: list[ChildHead]
    scanned: int
    misplaced: list[Misplaced]
    held: dict[str, int]
    notes: list[str]

    @property
    def is_good(self) -> bool:
        """Is the chain whole, and nothing where it must not be?"""
        return not self.broken_at and not self.misplaced and not self.notes


def report(
    reader: JournalReader, catalogue: Catalogue, policy: Policy, from_day: int = 0, to_day: int = 1 << 40
) -> Report:
    """The audit of a journal under `policy`. Days (since 1970 UTC) are inclusive."""
    entries, open_days = reader.register()
    scanned, misplaced = _scan(reader, catalogue, policy)
    children = [_child(one) for one in entries if one.kind == "child"]
    return Report(
        node=policy.node,
        region=policy.region,
        rows=len(entries),
        head=entries[-1].chain.hex() if entries else "",
        broken_at=next((one.id for one in entries if not one.is_whole), 0),
        changes=[_change(one) for one in entries if one.kind == "rules"],
        days=[day for day in _days(entries, open_days) if from_day <= day.day <= to_day],
        children=children,
        scanned=scanned,
        misplaced=misplaced,
        held={lane.name.lower(): reader.held_rows(lane, 0) for lane in Lane if lane.is_secret},
        notes=list(_shortened(children)),
    )


def _days(entries: Sequence[Entry], open_days: dict[int, dict[str, dict[str, int]]]) -> Iterator[Day]:
    for one in entries:
        if one.kind == "day":
            for rule, counts in one.body.get("counts", {}).items():
                yield Day(int(one.body.get("day", 0)), rule, sealed=True, counts=counts)
    for day, rules in open_days.items():
        for rule, counts in rules.items():
            yield Day(day, rule, sealed=False, counts=counts)


def _change(one: Entry) -> Change:
    body = one.body
    return Change(
        one.at_ns,
        str(body.get("digest", "")),
        str(body.get("key", "")),
        str(body.get("region", "")),
        list(body.get("rules", [])),
        int(body.get("series_kept_from_now", 0)),
        int(body.get("series_freed", 0)),
    )


def _child(one: Entry) -> ChildHead:
    return ChildHead(
        one.at_ns, str(one.body.get("child", "")), int(one.body.get("rows", 0)), str(one.body.get("chain", ""))
    )


def _shortened(children: Sequence[ChildHead]) -> Iterator[str]:
    """A register only grows: one that a child told shorter, or of another chain, was cut or replaced."""
    longest: dict[str, ChildHead] = {}
    for one in children:
        known = longest.get(one.child)
        if known is not None and (one.rows < known.rows or (one.rows == known.rows and one.chain != known.chain)):
            yield f"{one.child} told a register of {known.rows} rows, and later another one of {one.rows}"
        else:
            longest[one.child] = one


def _scan(reader: JournalReader, catalogue: Catalogue, policy: Policy) -> tuple[int, list[Misplaced]]:
    if not policy:
        return 0, []
    kept = {
        number: place
        for number, series in enumerate(catalogue.since(0))
        if number not in catalogue.made and (place := policy.matching(series)) != NONE
    }
    scanned, rows, waiting = 0, Counter[tuple[str, int, Lane]](), Counter[tuple[str, int, Lane]]()
    for lane in OPEN_LANES:
        sent = reader.cursor(CONSUMER, lane)
        for group in _groups(reader, lane):
            scanned += len(group)
            for (name, place), n in _kept_in(group, catalogue, policy, kept).items():
                rows[name, place, lane] += n
                waiting[name, place, lane] += n if group.first > sent else 0
    found = [
        Misplaced(name, policy.rules[place].series, int(lane), n, waiting[name, place, lane])
        for (name, place, lane), n in rows.most_common(MOST_NAMED)
    ]
    return scanned, found


def _groups(reader: JournalReader, lane: Lane) -> Iterator[Group]:
    after = 0
    while groups := reader.read(lane, after, _AT_ONCE):
        yield from groups
        after = groups[-1].last


def _kept_in(group: Group, catalogue: Catalogue, policy: Policy, kept: dict[int, int]) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    if group.kind is GroupKind.READINGS:
        ids, counts = np.unique(decode_readings(group.blob).series, return_counts=True)
        for number, n in zip(ids.tolist(), counts.tolist(), strict=True):
            if number in kept:
                found[catalogue[number].name, kept[number]] += n
    elif group.kind is GroupKind.EVENTS:
        for event in decode_events(group.blob):
            place = _rule_of(event, policy)
            if place != NONE:
                found[f"{event.node}/{event.device}: {event.kind}", place] += 1
    return found


def _rule_of(event: Event, policy: Policy) -> int:
    """The rule that keeps an event, by the inputs it shows."""
    inputs = event.why.get("inputs")
    for metric in inputs if isinstance(inputs, dict) else ():
        place = policy.matching(Series(event.node, event.device, str(metric), "", Kind.FLOAT))
        if place != NONE:
            return place
    return NONE
