"""`do:` compiled: what a rule publishes, sends, stores and whom it has told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.kernel.documents import Problem
from holdfast.model.errors import UnitError
from holdfast.model.series import Kind as SeriesKind
from holdfast.model.units import base_of, canonical, payload_unit
from holdfast.stream.language.expressions import Kind
from holdfast.stream.language.nearness import near
from holdfast.stream.language.notifying import CompiledNotice, compile_notice
from holdfast.stream.language.orders import CompiledOrder, compile_order
from holdfast.stream.language.parsing import is_metric_name
from holdfast.stream.language.settings import ActionText, StoredText
from holdfast.stream.language.templates import parse_topic
from holdfast.stream.routing import METRIC
from holdfast.stream.rules import PAYLOAD_FACTS, Action, ActionKind, Stored

KINDS: Mapping[str, frozenset[ActionKind]] = {
    "both": frozenset({"alert.raised", "alert.cleared"}),
    "raised": frozenset({"alert.raised"}),
    "cleared": frozenset({"alert.cleared"}),
    "result": frozenset({"result"}),
}
RESULT_FACTS = ("ts", "ts_ms", "ts_s", "node", "device", "metric", "rule", "severity")
Tell = Callable[[tuple[str | int, ...], list[str]], None]
"""Takes the faults of a place in the rule."""


@dataclass(slots=True)
class Doings:
    """What the actions of a rule were compiled to."""

    actions: list[Action] = field(default_factory=list)
    orders: list[CompiledOrder] = field(default_factory=list)
    notices: list[CompiledNotice] = field(default_factory=list)
    stores: list[Stored] = field(default_factory=list)


class Doer:
    """Compiles the actions of one rule."""

    def __init__(
        self, names: Sequence[str] | None, kinds: Sequence[Kind | None], units: Sequence[str], tell: Tell,
        *, by_series: bool = False,
    ) -> None:  # fmt: skip
        """names: of the selected columns, None = not known; kinds, units: theirs."""
        self._by_series = by_series
        self._names = None if names is None else tuple(names)
        self._kinds, self._units, self._tell = kinds, units, tell

    def compiled(self, texts: Sequence[ActionText], problem: Callable[[tuple[str | int, ...]], Problem]) -> Doings:
        """problem: an empty problem at a place, for what can only be checked when the node's channels are known."""
        made, names = Doings(), self._names
        if names is not None and self._by_series:
            names = (*names, "metric", "explanation")
        for i, one in enumerate(texts):
            said = [bool(one.publish), one.command is not None, bool(one.notify), bool(one.escalate), bool(one.store)]
            if said.count(True) != 1:
                self._tell(("do", i), ["an action is one of `publish`, `command`, `notify`, `escalate` and `store`"])
            elif one.publish:
                made.actions.append(self._published(i, one))
            elif one.command is not None:
                self._no_choices(i, one, "command: {…, on: …}")
                faults: list[str] = []
                made.orders.append(compile_order(one.command, self._names, faults))
                self._tell(("do", i, "command"), faults)
            elif one.store:
                self._no_choices(i, one, "store")
                made.stores += self._stored(i, one.store)
            else:
                place = ("do", i, "notify" if one.notify else "escalate")
                faults = []
                made.notices.append(compile_notice(one, names, problem(place), faults))
                self._tell(place, faults)
        return made

    def _no_choices(self, i: int, one: ActionText, whose: str) -> None:
        if one.on != "both" or one.payload:
            self._tell(("do", i), [f"`on` and `payload` belong to a `publish`, not beside `{whose}`"])

    def _published(self, i: int, text: ActionText) -> Action:
        faults: list[str] = []
        topic = parse_topic(text.publish, faults, ("metric",) if self._by_series else ())
        self._tell(("do", i, "publish"), faults)
        if self._names is not None:
            known = (*(RESULT_FACTS if text.on == "result" else PAYLOAD_FACTS), *self._names)
            for member, fact in text.payload.items():
                unknown = [f"`{fact}` is unknown; allowed: {', '.join(known)}"] if fact not in known else []
                self._tell(("do", i, "payload", member), unknown)
        return Action(topic, KINDS[text.on], text.payload)

    def _stored(self, i: int, texts: Mapping[str, str | StoredText]) -> list[Stored]:
        made = []
        for metric, said in texts.items():
            faults: list[str] = []
            text = StoredText(said) if isinstance(said, str) else said
            if self._by_series and METRIC not in metric:
                faults.append(f"`{metric}` would be one series for all of a device; write `{METRIC}.{metric}`")
            elif not is_metric_name(metric.replace(METRIC, "x", 1) if self._by_series else metric):
                faults.append(f"`{metric}` is no metric name: dotted lower-case words, such as `power.mean_10m`")
            column = self._place(text.column, faults)
            at = -1 if not text.at else self._place(text.at, faults)
            if column >= 0 and self._kinds[column] == "text":
                faults.append(f"`{text.column}` is text, and only numbers are stored")
            unit = self._unit(text, column, faults)
            kind = SeriesKind.BOOL if column >= 0 and self._kinds[column] == "truth" else SeriesKind.FLOAT
            made.append(Stored(max(column, 0), metric, unit, kind, at))
            self._tell(("do", i, "store", metric), faults)
        return made

    def _place(self, name: str, faults: list[str]) -> int:
        if self._names is None:
            return -1
        if name not in self._names:
            faults.append(f"`{name}` is unknown{near(name, self._names)}; selected are {', '.join(self._names)}")
            return -1
        return self._names.index(name)

    def _unit(self, text: StoredText, column: int, faults: list[str]) -> str:
        own = self._units[column] if 0 <= column < len(self._units) else ""
        try:
            if text.unit:
                return canonical(text.unit).name
            if own:
                return canonical(own).name
        except UnitError as error:
            if text.unit:
                faults.append(str(error))
                return ""
            base = base_of(payload_unit(own, None)).name
            faults.append(
                f"series have SenML units; `{text.column}` is in `{own}`: select it in a unit such as `{base}`"
            )
        return ""
