"""What the API says of rules, in JSON."""

from typing import Any

import msgspec
from msgspec import Struct, field

from holdfast.backtesting.checking import Checked
from holdfast.backtesting.differences import RuleChange
from holdfast.kernel.errors import HoldfastError


class SeriesLabels(Struct, frozen=True):
    """A series of which people confirmed or rejected a detector's alerts, and where its threshold is by now."""

    node: str
    device: str
    metric: str
    threshold: float
    confirmed: int
    rejected: int


class RuleRow(Struct, frozen=True):
    """One rule, of one of its windows (`part`).

    text:     as it's at work, as JSON; null where it isn't kept
    on:       whose readings: `own`, or `children`'s
    open:     devices whose alert is raised
    state:    `ok` or `throttled`
    cpu_us_per_reading, cpu_share: what it costs a message, and of one core over the last 10 s
    budget:   the share of a core that it may use, 0 = any
    keys_refused: devices beyond its limit
    labels:   of rules with a detector: series whose alerts people confirmed or rejected
    state:    also `off`: not at work
    file, line, editable: where it stands, and whether it was made from the page
    enabled:  is it switched on? off_by, off_ns: who switched it off, and when
    waits_for: the rule that it reads from and that is off, so that it is, too
    summary:  when its alert is raised, in words
    alerts_day, raised_ns: alerts raised within 24 h, and the latest of all that are kept, ns UTC, 0 = none
    revision: what a change must name
    """

    rule: str
    part: str
    on: str
    version: str
    severity: str
    state: str
    open: list[str]
    cpu_us_per_reading: float
    cpu_share: float
    budget: float
    state_bytes: int
    readings: int
    evaluations: int
    decisions: int
    skipped: int
    keys: int
    keys_refused: int
    text: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"null"))
    labels: list[SeriesLabels] = []
    file: str = ""
    line: int = 0
    editable: bool = False
    enabled: bool = True
    off_by: str = ""
    off_ns: int = 0
    waits_for: str = ""
    summary: str = ""
    alerts_day: int = 0
    raised_ns: int = 0
    revision: str = ""


class RuleList(Struct, frozen=True):
    """All rules. problems: why the files as they are now aren't in force; loaded_ns: when the rules at work came."""

    rules: list[RuleRow]
    problems: list[str]
    loaded_ns: int


class RuleFate(Struct, frozen=True):
    """What became of a rule by an edit, and how many of its alerts ended by it."""

    rule: str
    part: str
    fate: str
    words: str
    ended: int


class RulesReloaded(Struct, frozen=True):
    """What an edit did. problems: why it was refused as a whole; nothing has changed then."""

    rules: list[RuleFate]
    problems: list[str]


class RuleVersion(Struct, frozen=True):
    """A rule after a change. text: null = it went, or stands in a file of the operator's own."""

    n: int
    at_ns: int
    by: str
    did: str
    text: str | None
    on: bool


class RuleChanged(Struct, frozen=True):
    """A rule was changed. rules: what became of all; waits_for: the rule that it reads from and that is off."""

    name: str
    revision: str
    rules: list[RuleFate]
    waits_for: str


class TextProblem(Struct, frozen=True):
    """What is wrong with a rule's text. line, column: from 1, 0 = not in this text; where: the key."""

    line: int
    column: int
    where: str
    message: str
    hint: str


class TextRefused(Struct, frozen=True):
    """A change that isn't made. problems: of the text; revision: as the rule is now, when somebody changed it."""

    error: str
    hint: str
    problems: list[TextProblem]
    revision: str = ""


class RuleWords(Struct, frozen=True):
    """A rule in plain words: pairs of what and how."""

    rule: str
    part: str
    words: list[tuple[str, str]]


class RuleDetail(Struct, frozen=True):
    """One rule. rows: one for each of its windows, empty for one that is gone; text: YAML; versions: newest first."""

    name: str
    rows: list[RuleRow]
    text: str
    versions: list[RuleVersion]
    revision: str
    words: list[RuleWords] = []


class TextChecked(Struct, frozen=True):
    """What a text of rules does. changes: beside the rules of the same names that are here now.

    foreign: names that rules in files of the operator's own have; under these nothing can be saved
    """

    problems: list[TextProblem]
    rules: list[Checked] = []
    words: list[RuleWords] = []
    changes: list[RuleChange] = []
    foreign: list[str] = []


class RuleText(Struct, frozen=True, forbid_unknown_fields=True):
    """A text of rules, as in a rule file."""

    text: str


class RulePut(Struct, frozen=True, forbid_unknown_fields=True):
    """A rule's text. revision: of what it replaces, empty = it's new; enabled: null = as it is, off when it's new."""

    text: str
    revision: str = ""
    enabled: bool | None = None
    by: str = ""


class RuleSwitch(Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule is switched or taken back from. revision: empty = whatever it is, when it's switched."""

    revision: str = ""
    by: str = ""


class BacktestWish(Struct, frozen=True, forbid_unknown_fields=True):
    """Which rules, a text or the name of one that is here, over which time; series: patterns, empty = any."""

    text: str = ""
    rule: str = ""
    start: str = field(default="-24h", name="from")
    end: str = field(default="now", name="to")
    series: list[str] = []
    by: str = ""


class BacktestRun(Struct, frozen=True):
    """A backtest. state: running, done, failed, cancelled; share: of the time that is done; result: null until done."""

    id: str
    by: str
    rules: list[str]
    from_ns: int
    to_ns: int
    began_ns: int
    state: str
    share: float
    readings: int
    took_s: float
    result: msgspec.Raw
    error: str
    hint: str


class RuleRefused(HoldfastError):
    """A change to a rule that isn't made. status: HTTP's."""

    status = 409


class RuleAbsent(RuleRefused):
    """There is no such rule."""

    status = 404
    hint = "GET /api/v1/rules lists them"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no rule `{name}`, or nothing to take back")


class RuleForeign(RuleRefused):
    """It stands in a file of the operator's own."""

    hint = "change it there; here it can be switched off and on"

    def __init__(self, name: str, file: str) -> None:
        super().__init__(f"`{name}` stands in {file}, which is the operator's own")


class RuleMoved(RuleRefused):
    """Somebody else changed it meanwhile."""

    hint = "look at what is there now, and change that"

    def __init__(self, name: str, revision: str) -> None:
        super().__init__(f"`{name}` was changed meanwhile" if revision else f"there is no rule `{name}` any more")
        self.revision = revision


class TextInvalid(RuleRefused):
    """The text can't be used."""

    status = 422

    def __init__(self, problems: list[TextProblem]) -> None:
        super().__init__("; ".join(one.message for one in problems[:3]))
        self.problems = problems


def as_raw(document: bytes) -> msgspec.Raw:
    """A rule's document without its name and place: the text alone."""
    found: Any = msgspec.json.decode(document) if document else None
    match found:
        case {"rule": text} | [_, text]:
            return msgspec.Raw(msgspec.json.encode(text))
    return msgspec.Raw(b"null")
