"""What events and people do to the book of alerts, each inside a commit and repeatable.

    raised ──▶ open ──cleared──▶ over                 each event once by its id, each alert once until it's cleared
                └─acknowledged─▶ open, nobody is reminded, no escalation goes on

Whatever a channel was told of a raise, or may have been (it's on its way), it's also told when that is over. What it
wasn't told yet becomes one message that says both, or none: never two stale ones.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from holdfast.journal import alert_history, alert_labels, alerts, dispatches
from holdfast.journal.alert_history import Kind, Line
from holdfast.journal.alert_labels import Label, Labelled
from holdfast.journal.alerts import Alert
from holdfast.journal.dispatches import RAISES, Dispatch, Step, What
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import NS_PER_S
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.notify.ports import RuleText
from holdfast.notify.routing import ACKNOWLEDGED, CLEARED, COMMENTED, LABELLED, RAISED, Routing
from holdfast.notify.settings import StepSettings

CURSOR = "alerts"
"""The consumer's name in the journal."""
LABELS = frozenset({"confirmed", "rejected"})
_LARGE = "inputs"
"""In `why`: every sample of the window. Who wants to see those finds them in the event itself."""
READS = "reads"
"""In `why` of the book, in their place: the metrics that the rule read."""
_TOLD: Mapping[What, Kind] = {
    "raised": "told",
    "step": "told",
    "again": "reminded",
    "cleared": "ended",
    "both": "ended",
}


@dataclass(frozen=True, slots=True)
class Book:
    """Writes for one node.

    keep:      alerts remembered after they're over
    works_at:  the number of the works during which an alert is raised, 0 = none
    is_quiet:  is it held back now?
    rule_text: of the rules here
    """

    routing: Routing
    keep: int
    works_at: Callable[[Event, int], int] = lambda _event, _now_ns: 0
    is_quiet: Callable[[Event, int], bool] = lambda _event, _now_ns: False
    rule_text: RuleText = lambda _rule: ("", "")

    def absorb(
        self, tx: Transaction, lane: Lane, upto: int, events: Sequence[Event], flying: Collection[int], now_ns: int
    ) -> int:
        """Take events of a lane up to a seq; returns how many changed something. flying: dispatches on their way."""
        changed = sum(self._take(tx, event, flying, now_ns) for event in events)
        tx.set_cursor(CURSOR, lane, upto)
        if changed:
            alerts.forget(tx, self.keep)
            alert_history.forget(tx, self.keep)
            for name, channel in self.routing.channels.items():
                dispatches.trim(tx, name, channel.settings.limit)
        return changed

    def _take(self, tx: Transaction, event: Event, flying: Collection[int], now_ns: int) -> bool:
        if event.kind == LABELLED:
            return self._labelled(tx, event)
        if event.kind == COMMENTED:
            return self._commented(tx, event)
        found = alerts.find_open(tx.db, event)
        if event.kind == RAISED:
            return self._raised(tx, event, found, now_ns)
        if found is None:
            return False
        if event.kind == CLEARED:
            self._cleared(tx, event, found, flying, now_ns)
            return True
        if event.kind == ACKNOWLEDGED:  # by a node below, or by this one, which did it in the same commit
            by, comment = (str(event.why.get(name, "")) for name in ("by", "comment"))
            return acknowledge(tx, found.id, by or event.node, comment, event.ts, flying)
        return False

    def _commented(self, tx: Transaction, event: Event) -> bool:
        """Somebody wrote something about an alert, here (then it's stored already) or at a node below."""
        alert = alerts.raised_by(tx.db, str(event.why.get("event", ""))) or alerts.find_open(tx.db, event)
        by, text = (str(event.why.get(name, "")) for name in ("by", "comment"))
        return alert is not None and comment(tx, alert.id, by or event.node, text, event.ts, event.id)

    def _labelled(self, tx: Transaction, event: Event) -> bool:
        """A node below was told what an alert was worth; what this one was told is stored already."""
        why, label = event.why, event.why.get("label")
        alert = alerts.raised_by(tx.db, str(why.get("event", "")))
        if alert is None or why.get("said_by") == self.routing.node or label not in LABELS:
            return False
        by, comment = (str(why.get(name, "")) for name in ("by", "comment"))
        kind: Label = "confirmed" if label == "confirmed" else "rejected"
        alert_labels.put(
            tx, Labelled(alert.event, alert.id, alert.raised, alert.cleared_ns, kind, kind, by, comment, event.ts)
        )
        return True

    def _raised(self, tx: Transaction, event: Event, found: Alert | None, now_ns: int) -> bool:
        if alerts.is_known(tx.db, event.id):
            return False
        event = slim(event)
        if found is not None:
            alerts.renew(tx, found.id, event)
            alert_history.add(tx, Line(found.id, now_ns, "renewed", "", str(event.why.get("rule_version", ""))))
            self._know_rule(tx, event, now_ns)
            tx.count("alerts_renewed")
            return True
        number = alerts.add(tx, event, now_ns, self.works_at(event, now_ns))
        self._know_rule(tx, event, now_ns)
        tx.count("alerts_raised")
        wishes = self.routing.raised(event)
        for wish in wishes.channels:
            self._put(tx, wish.channel, number, event.id, "raised", now_ns, clears=wish.clears, text=wish.text)
        for name in wishes.escalations:
            wait_ns = round(self.routing.escalations[name].steps[0].after * NS_PER_S)
            dispatches.set_step(tx, Step(number, name, 0, now_ns + wait_ns, wait_ns))
        return True

    def _know_rule(self, tx: Transaction, event: Event, now_ns: int) -> None:
        """Keep the text of the rule that decided, if it's this node's and still the same."""
        version = str(event.why.get("rule_version", ""))
        if not version or event.why.get("decided_on") != self.routing.node or alert_history.is_known(tx.db, version):
            return
        current, text = self.rule_text(event.rule)
        if current == version:
            alert_history.know_rule(tx, version, event.rule, text, now_ns)

    def _cleared(self, tx: Transaction, event: Event, found: Alert, flying: Collection[int], now_ns: int) -> None:
        alerts.close(tx, found.id, slim(event))
        tx.count("alerts_cleared")
        dispatches.end_steps(tx, found.id)
        self.fold(tx, found.id, event.id, flying, now_ns)
        for wish in self.routing.cleared(event):
            self._put(tx, wish.channel, found.id, event.id, "cleared", now_ns, text=wish.text)

    def fold(self, tx: Transaction, alert: int, event: str, flying: Collection[int], now_ns: int) -> None:
        """Bring what waits about an alert that is over together. event: the id of the one that cleared it."""
        waiting = dispatches.of_alert(tx.db, alert)
        knows = {one.channel: (one.clears, one.text) for one in dispatches.who_knows(tx.db, alert)}
        knows |= {one.channel: (one.clears, one.text) for one in waiting if one.id in flying and one.what in RAISES}
        late = [one for one in waiting if one.id not in flying and one.what != "both"]
        found = alerts.find(tx.db, alert)
        is_quiet = found is not None and self.is_quiet(found.raised, now_ns)
        dispatches.drop(tx, [one.id for one in late], "settled")
        for name, (clears, text) in knows.items():
            if clears:
                self._put(tx, name, alert, event, "cleared", now_ns, text=text)
        for one in late:
            channel = self.routing.channels.get(one.channel)
            tells = channel is not None and channel.settings.over == "tell" and not is_quiet
            if one.what in RAISES and one.channel not in knows and not one.held and tells:
                self._put(tx, one.channel, alert, event, "both", now_ns, text=one.text)

    def advance(self, tx: Transaction, due: Sequence[Step], now_ns: int) -> None:
        """Escalations whose next step is due take it."""
        for one in due:
            alert, settings = alerts.find(tx.db, one.alert), self.routing.escalations.get(one.name)
            if (
                alert is None
                or not alert.is_open
                or alert.acked_ns
                or settings is None
                or one.step >= len(settings.steps)
            ):
                dispatches.end_steps(tx, one.alert, one.name)
                continue
            step = settings.steps[one.step]
            if step.hours is not None and not step.outside and not step.hours.is_in(now_ns):
                begin_ns, _ = step.hours.next(now_ns)
                dispatches.set_step(tx, Step(one.alert, one.name, one.step, begin_ns, begin_ns - now_ns))
                continue
            name = step.channel if step.hours is None or step.hours.is_in(now_ns) else step.outside
            self._step(tx, alert, name, step, f"{alert.event}/{one.name}.{one.step + 1}", now_ns)
            alert_history.add(tx, Line(alert.id, now_ns, "escalated", name, f"{one.name} {one.step + 1}"))
            tx.count("alert_steps_taken")
            if one.step + 1 == len(settings.steps):
                dispatches.end_steps(tx, one.alert, one.name)
                continue
            wait_ns = max(0, round((settings.steps[one.step + 1].after - step.after) * NS_PER_S))
            dispatches.set_step(tx, Step(one.alert, one.name, one.step + 1, one.due_ns + wait_ns, wait_ns))

    def _step(self, tx: Transaction, alert: Alert, name: str, step: StepSettings, key: str, now_ns: int) -> None:
        """Tell a channel of a step, unless it is to tell the same alert anyway, or was told before a first step."""
        waits = any(one.channel == name and one.what in RAISES for one in dispatches.of_alert(tx.db, alert.id))
        knows = any(one.channel == name for one in dispatches.who_knows(tx.db, alert.id))
        if not waits and not (knows and not step.after):
            channel = self.routing.channels.get(name)
            clears = channel is not None and channel.settings.on == "both"
            self._put(tx, name, alert.id, key, "step", now_ns, clears=clears)

    def delivered(self, tx: Transaction, told: Sequence[Dispatch], now_ns: int) -> None:
        """These were told: their channel knows, and reminds if it's to."""
        dispatches.drop(tx, [one.id for one in told], "told")
        for one in told:
            alert = alerts.find(tx.db, one.alert)
            alert_history.add(tx, Line(one.alert, now_ns, _TOLD[one.what], one.channel, one.what))
            if one.what in ("cleared", "both"):
                dispatches.forget_told(tx, one.alert, one.channel)
            if alert is None or not alert.is_open:
                continue
            times = dispatches.told(tx, one)
            channel = self.routing.channels.get(one.channel)
            if channel is None or not channel.repeat_ns or alert.acked_ns:
                continue
            dispatches.drop(tx, _reminders(tx, one), "settled")  # a step to the same channel counts as one
            key, due_ns = f"{alert.event}/again.{times}", now_ns + channel.repeat_ns
            again = Dispatch(one.channel, one.alert, key, "again", due_ns, due_ns, 0, one.clears, one.text)
            dispatches.put(tx, again)

    def moved(self, tx: Transaction, waiting: Sequence[Dispatch], to: str, now_ns: int) -> None:
        """Outside its hours a channel has another one tell."""
        dispatches.drop(tx, [one.id for one in waiting], "settled")
        for one in waiting:
            dispatches.put(tx, replace(one, channel=to, since_ns=now_ns, due_ns=now_ns, wait_ns=0, held=0))
            alert_history.add(tx, Line(one.alert, now_ns, "elsewhere", one.channel, to))
        if to in self.routing.channels:
            dispatches.trim(tx, to, self.routing.channels[to].settings.limit)

    def begin(self, tx: Transaction, open_before: Sequence[Event], heads: dict[Lane, int], now_ns: int) -> None:
        """A journal's first life with this book: what is open is shown, and nobody is told of it."""
        alerts.add_quietly(tx, [slim(event) for event in open_before], now_ns)
        for lane, head in heads.items():
            tx.set_cursor(CURSOR, lane, head)
        tx.set_meta(CURSOR, "begun")

    def tidy(self, tx: Transaction, now_ns: int) -> None:
        """At a start: waits are no longer than they were, and what belongs to channels that are gone goes, counted."""
        repeats = {name: one.repeat_ns for name, one in self.routing.channels.items() if one.repeat_ns}
        dispatches.pull_in(tx, now_ns, repeats)
        dispatches.drop(tx, dispatches.of_unknown_channels(tx.db, sorted(self.routing.channels)), "given_up")
        alerts.forget_silences(tx, self.keep)

    def _put(
        self,
        tx: Transaction,
        name: str,
        alert: int,
        key: str,
        what: What,
        now_ns: int,
        *,
        clears: bool = True,
        text: str = "",
    ) -> None:
        channel = self.routing.channels.get(name)
        if channel is None:
            return
        wait_ns = 0 if what == "step" else channel.wait_ns
        dispatches.put(tx, Dispatch(name, alert, key, what, now_ns, now_ns + wait_ns, wait_ns, clears, text))


def acknowledge(tx: Transaction, number: int, by: str, comment: str, at_ns: int, flying: Collection[int]) -> bool:
    """Somebody deals with an alert: no more reminders and steps. False when nothing changed."""
    if not alerts.acknowledge(tx, number, by, comment, at_ns):
        return False
    tx.count("alerts_acknowledged")
    dispatches.end_steps(tx, number)
    waiting = dispatches.of_alert(tx.db, number)
    idle = [one.id for one in waiting if one.what in ("again", "step") and one.id not in flying]
    dispatches.drop(tx, idle, "settled")
    return True


def comment(tx: Transaction, number: int, by: str, text: str, at_ns: int, event: str) -> bool:
    """Somebody wrote something about an alert; event: its id. False when that is known, or there's too much."""
    if alert_history.comments(tx.db, [number]).get(number, 0) >= alert_history.MOST_COMMENTS:
        return False
    is_new = alert_history.add(tx, Line(number, at_ns, "commented", by, text, event))
    if is_new:
        tx.count("alerts_commented")
    return is_new


def slim(event: Event) -> Event:
    """An event without what would only fill the book."""
    if _LARGE not in event.why:
        return event
    why = {name: value for name, value in event.why.items() if name != _LARGE}
    samples = event.why[_LARGE]
    if isinstance(samples, dict):
        why[READS] = sorted(samples)
    return Event(**{name: getattr(event, name) for name in event.__struct_fields__ if name != "why"}, why=why)


def _reminders(tx: Transaction, one: Dispatch) -> list[int]:
    waiting = dispatches.of_alert(tx.db, one.alert)
    return [other.id for other in waiting if other.what == "again" and other.channel == one.channel]
