"""`parent.send` in node.yaml: which series go up as they are, which as summaries, which not at all."""

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from msgspec import Struct

from holdfast.kernel.scalars import Duration, Size
from holdfast.kernel.shape import Finding
from holdfast.model.event import EventKind
from holdfast.model.names import NameInvalid, Pattern

Statistic = Literal["count", "min", "max", "mean", "first", "last"]
KINDS = (*get_args(EventKind), "anomaly.detected")
MOST_BEFORE_S = 3600.0
DEVICE, NAME_HELP = "*/", "write a metric as in air.*, or device/metric; * stands for any text"


class AroundSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Raw readings around events go up after all."""

    before: Duration = 120.0
    after: Duration = 120.0
    of: tuple[str, ...] = ("alert.raised",)
    """Kinds of events."""
    scope: Literal["series", "device"] = "series"
    """Those of the series that the event is about, or of all of its device that this entry is about."""
    per_day: Size = 20_000_000
    """Bytes a UTC day; what is over it isn't sent, but counted, and stays here like the rest."""


class SendRule(Struct, frozen=True, forbid_unknown_fields=True, rename={"as_": "as"}):
    """How some series go up. The first entry that matches a series decides; what none matches goes up as it is."""

    series: str
    """A metric, device/metric or node/device/metric; * stands for any text."""
    as_: Literal["raw", "summaries", "nothing"] = "raw"
    every: Duration = 60.0
    """A summary's step."""
    grace: Duration = 10.0
    """How long after its end a step waits for late readings; later ones make a second summary of it, counts add up."""
    statistics: tuple[Statistic, ...] = get_args(Statistic)
    """Of a step; `count` always goes, and how many readings were uncertain or bad where there were any."""
    around: AroundSettings | None = None

    @property
    def pattern(self) -> Pattern:
        """What `series` means.

        Raises:
            NameInvalid: when it is no name.
        """
        return Pattern(DEVICE + self.series if self.series and "/" not in self.series else self.series)


def findings(rules: Sequence[SendRule]) -> Iterator[Finding]:
    """What types can't tell, each with where it stands."""
    seen: set[str] = set()
    for i, rule in enumerate(rules):
        at = ("parent", "send", i)
        try:
            rule.pattern  # noqa: B018  # asked for its error
        except NameInvalid as error:
            yield (*at, "series"), f"{error}; {NAME_HELP}"
        if rule.series in seen:
            yield (*at, "series"), f"{rule.series!r} is in an earlier entry already, so this one never decides"
        seen.add(rule.series)
        if rule.every < 1:
            yield (*at, "every"), "a step has at least 1s"
        if rule.around is not None:
            yield from _around(rule, rule.around, (*at, "around"))


def _around(rule: SendRule, around: AroundSettings, at: tuple[str | int, ...]) -> Iterator[Finding]:
    if rule.as_ == "raw":
        yield at, "`as: raw` sends every reading already"
    if around.before > MOST_BEFORE_S:
        yield (*at, "before"), f"at most {MOST_BEFORE_S:.0f}s: for so long readings are held ready in the journal"
    for kind in around.of:
        if kind not in KINDS:
            yield (*at, "of"), f"there are no events {kind!r}; there are {', '.join(KINDS)}"
