"""`residency:` in node.yaml: which series stay, how far, and what may leave in their place."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration
from holdfast.kernel.shape import Finding
from holdfast.model.lane import Stay
from holdfast.model.names import NAME_HELP, NameInvalid, Pattern

Statistic = Literal["mean", "sum", "count"]


class Leave(Struct, frozen=True, forbid_unknown_fields=True, rename={"as_": "as"}):
    """One thing that may leave: a pseudonymised copy of the rows, or an aggregate over a group of devices."""

    pseudonym: Literal["device"] | None = None
    """Rows leave with the device's name replaced by a keyed pseudonym."""
    aggregate: Statistic | None = None
    """Of the devices' own means in a step, so that each device weighs the same. There's no min or max: those are one
    device's value."""
    step: Duration = 900.0
    """Length of a step."""
    min_group: Annotated[int, Meta(ge=2)] = 5
    """Devices with usable rows that a step needs to leave."""
    of: str = ""
    """Only series of this metric; absent = all that match, which then must be one metric."""
    as_: str = ""
    """device/metric under which the aggregate leaves."""
    grace: Duration = 60.0
    """How long after its end a step waits for late rows; what comes later is in no aggregate."""


class ResidencyRule(Struct, frozen=True, forbid_unknown_fields=True):
    """Which series stay. The first rule that matches a series decides."""

    series: str
    """node/device/metric or device/metric; * stands for any text."""
    stay: Literal["region", "site"]
    """`site`: never leaves this node. `region`: only to a parent of the same `region`."""
    leave: tuple[Leave, ...] = ()
    alerts: Literal["redacted", "stay"] = "redacted"
    """What leaves of an alert about such a series: that there was one, or nothing."""

    @property
    def how_far(self) -> Stay:
        """As a number."""
        return Stay[self.stay.upper()]


def findings(rules: Sequence[ResidencyRule], region: str) -> Iterator[Finding]:
    """What types can't tell: contradictions, each with where it stands."""
    seen: set[str] = set()
    for i, rule in enumerate(rules):
        at = ("residency", i)
        try:
            Pattern(rule.series)
        except NameInvalid as error:
            yield (*at, "series"), f"{error}; {NAME_HELP}"
        if rule.series in seen:
            yield (*at, "series"), f"{rule.series!r} is in an earlier rule already, so this one never decides"
        seen.add(rule.series)
        if rule.stay == "region" and not region:
            yield (*at, "stay"), "`stay: region` needs `region`: without one every node is a region of its own"
        for j, leave in enumerate(rule.leave):
            yield from _leave(leave, (*at, "leave", j))
        if sum(leave.pseudonym is not None for leave in rule.leave) > 1:
            yield (*at, "leave"), "`pseudonym` is given twice"
    yield from _names(rules)


def _leave(leave: Leave, at: tuple[str | int, ...]) -> Iterator[Finding]:
    if (leave.pseudonym is None) == (leave.aggregate is None):
        yield at, "give either `pseudonym` or `aggregate`"
        return
    if leave.pseudonym is not None:
        if leave != Leave(pseudonym=leave.pseudonym):
            yield at, "`pseudonym` takes no other key"
        return
    device, slash, metric = leave.as_.partition("/")
    if not (device and slash and metric) or "*" in leave.as_:
        yield (*at, "as"), "an aggregate needs a name of its own, device/metric, without stars"
    if leave.step < 1:
        yield (*at, "step"), "a step has at least 1s"


def _names(rules: Sequence[ResidencyRule]) -> Iterator[Finding]:
    taken: set[str] = set()
    for i, rule in enumerate(rules):
        for j, leave in enumerate(rule.leave):
            if leave.aggregate is not None and leave.as_ in taken:
                yield ("residency", i, "leave", j, "as"), f"{leave.as_!r} is another aggregate's name"
            taken.add(leave.as_)
