"""What the filter says; on change only."""

from holdfast.telemetry.happenings import Happening, Level


class FilterStarted(Happening, frozen=True):
    """Other entries of `parent.send` than before are in force."""

    metric = "filter_rule_changes"
    entries: int
    digest: str


class FilterCapReached(Happening, frozen=True):
    """An entry's bytes for raw readings around alerts are used up until tomorrow (UTC); they stay here, counted."""

    level = Level.WARNING
    metric = "filter_caps_reached"
    series: str
    rows: int
    hint: str = "raise `parent.send.around.per_day`, or make the windows shorter; alerts and summaries still go up"
