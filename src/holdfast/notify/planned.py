"""`maintenance:` in node.yaml, and what planned works mean at a time. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from holdfast.journal.maintenance import Planned
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event
from holdfast.notify.filters import Filter, LabelsOf, no_labels
from holdfast.notify.hours import Finding, Hours

_TIME_HELP = "a time such as 2026-12-01T06:00+01:00; without a zone it's UTC"
_encode = msgspec.json.encode


class MaintenanceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Works that are planned: nobody is told of what they mean."""

    why: Annotated[str, Meta(min_length=1, max_length=1_000)]
    match: Filter = field(default_factory=Filter)
    """Alerts; `{}` = all."""
    hours: Hours | None = None
    """Again and again; absent = once, from `from` to `to`."""
    begin: str = field(name="from", default="")
    """Not before; with `hours` it may be absent."""
    end: str = field(name="to", default="")
    """Not after; with `hours` it may be absent."""

    def findings(self) -> Iterator[Finding]:
        """What contradicts itself."""
        if self.hours is None and not (self.begin and self.end):
            yield (), "say when: `from` and `to`, or `hours` for what comes again and again"
        if self.hours is not None:
            yield from ((("hours", *where), text) for where, text in self.hours.findings())
        times = [(key, text) for key, text in (("from", self.begin), ("to", self.end)) if text]
        wrong = [key for key, text in times if _time(text) is None]
        yield from (((key,), f"expected {_TIME_HELP}") for key in wrong)
        if len(times) == 2 and not wrong and (_time(self.begin) or 0) >= (_time(self.end) or 0):
            yield ("to",), "must be later than `from`"

    def planned(self, name: str, now_ns: int) -> Planned:
        """As it's stored."""
        hours = "" if self.hours is None else _encode(self.hours).decode()
        begin, end = (_time(text) or 0 for text in (self.begin, self.end))
        return Planned(0, name, _encode(self.match).decode(), hours, begin, end, "node.yaml", self.why, now_ns)


@dataclass(frozen=True, slots=True)
class Works:
    """Planned works, ready for questions."""

    planned: Planned
    hours: Hours | None
    means: Callable[[Event], bool]

    @staticmethod
    def of(planned: Planned, labels_of: LabelsOf = no_labels) -> "Works":
        """As they were stored."""
        return Works(planned, hours_of(planned), match_of(planned).compiled(labels_of))

    def now(self, now_ns: int) -> tuple[int, int] | None:
        """The span that it is; None = nothing is done now."""
        found = self.next(now_ns)
        return found if found is not None and found[0] <= now_ns else None

    def next(self, now_ns: int) -> tuple[int, int] | None:
        """The span that it is, or else the next; None = they're over."""
        one = self.planned
        if one.gone_ns or (one.to_ns and one.to_ns <= now_ns):
            return None
        if self.hours is None:
            return one.from_ns, one.to_ns
        begin, end = self.hours.next(max(now_ns, one.from_ns))
        begin = max(begin, one.from_ns)
        if one.to_ns and begin >= one.to_ns:
            return None
        return begin, min(end, one.to_ns) if one.to_ns else end


def match_of(planned: Planned) -> Filter:
    """What stored works mean."""
    return msgspec.json.decode(planned.match, type=Filter)


def hours_of(planned: Planned) -> Hours | None:
    """When stored works come again; None = once."""
    return msgspec.json.decode(planned.hours, type=Hours) if planned.hours else None


def findings(maintenance: Mapping[str, MaintenanceSettings]) -> Iterator[Finding]:
    """What contradicts itself: where in node.yaml, and what to do."""
    for name, one in maintenance.items():
        yield from ((("maintenance", name, *where), text) for where, text in one.findings())


def _time(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * NS_PER_S)
