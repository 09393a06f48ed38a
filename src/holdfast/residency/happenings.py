"""What residency says; on change only."""

from holdfast.telemetry.happenings import Happening, Level


class ResidencyRulesChanged(Happening, frozen=True):
    """Other rules than before are in force, from this start's first commit on."""

    metric = "residency_rule_changes"
    rules: int
    digest: str
    key: str


class ResidencyRuleLate(Happening, frozen=True):
    """A rule keeps series whose rows so far went to the open lanes: those were free to leave, and may have left."""

    level = Level.WARNING
    metric = "residency_rules_late"
    series: int
    hint: str


class ResidencyDaySealed(Happening, frozen=True):
    """A day's counts became rows of the register."""

    metric = "residency_seals"
    days: int
