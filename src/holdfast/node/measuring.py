"""What a node tells as metrics beyond what its parts do: what it is, its space, its ledger, its process."""

import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, get_args

from prometheus_client import ProcessCollector

from holdfast import __version__
from holdfast.adapters.supervised import AdapterStatus, State
from holdfast.journal.ledger import Ledger, balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.relief import Level
from holdfast.journal.writer import Condition
from holdfast.storage.ballast import free_bytes
from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import Rows, state_of

if TYPE_CHECKING:
    from holdfast.node.node import Node

COMMIT_S = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 5.0)
FRESH_S = 0.5
"""One reading of the ledger serves one scrape."""


def measure(node: "Node") -> None:
    """Show a node's numbers."""
    telemetry = node.telemetry
    _what_it_is(node, telemetry)
    _space(node, telemetry)
    _intake(node, telemetry)
    _edge(node, telemetry)
    LedgerNumbers(node).register(telemetry)
    ProcessCollector(registry=telemetry.registry)
    telemetry.counter("metrics_unreadable", "Numbers that a scrape could not read.", lambda: telemetry.unreadable)
    telemetry.declare()


def _what_it_is(node: "Node", telemetry: Telemetry) -> None:
    settings = node.plan.settings
    built = {"version": __version__, "python": platform.python_version()}
    _tell(telemetry, "build_info", "1; the labels are what runs.", built)
    has_children, has_parent = node.plan.children is not None, settings.parent is not None
    role = ("region" if has_parent else "hub") if has_children else ("gateway" if has_parent else "standalone")
    about = {"node": settings.node, "region": settings.region, "role": role}
    _tell(telemetry, "node_info", "1; the labels are what node.yaml says.", about)
    telemetry.gauge("node_ready", "1 while the node serves.", lambda: node.is_serving)
    is_synchronised = "1 while the kernel says that the wall clock follows a time server; absent = it doesn't say."
    telemetry.table("gauge", "clock_synchronised", is_synchronised, (), lambda: _known(node.timekeeper.synchronised))


def _tell(telemetry: Telemetry, name: str, text: str, facts: Mapping[str, str]) -> None:
    telemetry.table("gauge", name, text, tuple(facts), lambda: [(tuple(facts.values()), 1.0)])


def _space(node: "Node", telemetry: Telemetry) -> None:
    journal, settings = node.journal, node.journal.settings
    gauge, table = telemetry.gauge, telemetry.table
    gauge("journal_size_bytes", "Size of the journal's files on disk.", journal.size_bytes, slow=True)
    gauge("disk_free_bytes", "Free on the journal's disk.", lambda: free_bytes(journal.folder), slow=True)
    gauge("series", "Series in the catalogue.", lambda: len(journal.catalogue))
    conditions = [condition.value for condition in Condition]
    said = "1 for the journal's condition: ok, full, poisoned or closed."
    table("gauge", "journal_condition", said, ("condition",), lambda: state_of(journal.condition.value, conditions))
    marks = settings.levels
    shares = ((Level.YELLOW, marks.yellow), (Level.ORANGE, marks.orange), (Level.RED, marks.red))
    rows = [((level.name.lower(),), settings.quota * share) for level, share in shares]
    table("gauge", "journal_level_bytes", "Where each level of the journal begins.", ("level",), lambda: rows)
    journal.on_timed(telemetry.histogram("journal_commit_seconds", "How long commits to the disk took.", COMMIT_S))


def _intake(node: "Node", telemetry: Telemetry) -> None:
    gauge, inbox = telemetry.gauge, node.intake.inbox
    node.intake.measures.show(telemetry)
    gauge("inbox_messages", "Messages taken from adapters that aren't committed yet.", lambda: inbox.messages)
    gauge("inbox_bytes", "Payloads taken from adapters that aren't committed yet.", lambda: inbox.bytes)
    gauge("skew_missed_rows", "Rows of devices beyond the skew table's bound.", lambda: node.skew.not_followed)
    missed = "Rows of series beyond the bound of newest values in memory."
    gauge("last_values_missed_rows", missed, lambda: node.last_values.missed)
    gauge("codec_scripts_off", "Codec scripts that are switched off.", lambda: node.scripts.switched_off)
    throttled = "Rules that are over their budget and miss readings."
    gauge("rules_throttled", throttled, lambda: len(node.rulebook.status().throttled))


def _edge(node: "Node", telemetry: Telemetry) -> None:
    names, states = ("adapter", "kind"), get_args(State)

    def statuses() -> Sequence[AdapterStatus]:
        return node.adapters.statuses()

    def state() -> Rows:
        return [row for one in statuses() for row in state_of(one.state, states, one.name, one.kind)]

    said = "1 for how the adapter is: starting, working, paused, failing or stopped."
    telemetry.table("gauge", "adapter_state", said, (*names, "state"), state)
    telemetry.table(
        "counter", "adapter_received_messages", "Messages that the adapter received.", names,
        lambda: [((one.name, one.kind), one.received) for one in statuses()],
    )  # fmt: skip
    telemetry.table(
        "gauge", "adapter_unsettled_messages", "Messages of the adapter that wait for their commit.", names,
        lambda: [((one.name, one.kind), one.unsettled) for one in statuses()],
    )  # fmt: skip
    telemetry.table(
        "counter", "adapter_faults", "Failures of the adapter, repeated ones included.", names,
        lambda: [((one.name, one.kind), one.failures) for one in statuses()],
    )  # fmt: skip


class LedgerNumbers:
    """The conservation law (G5) as numbers: every residual must be 0. Reads the journal, so that all are slow ones."""

    def __init__(self, node: "Node") -> None:
        self._node, self._at = node, -FRESH_S
        self._ledger: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """As of this scrape."""
        node, now = self._node, self._node.clock.monotonic()
        if self._ledger is None or now - self._at >= FRESH_S:
            accounts = node.journal.accounts(CONSUMER)
            self._ledger, self._at = balance(accounts, has_parent=node.uplink is not None), now
        return self._ledger

    def register(self, telemetry: Telemetry) -> None:
        """Show them."""
        gauge, table, lane = telemetry.gauge, telemetry.table, ("lane",)
        gauge("ledger_balanced", "1 while every residual of the ledger is 0.", lambda: self.ledger.balanced, slow=True)
        left = "Rows committed that are neither delivered, pending, kept nor shed; must be 0."
        table("gauge", "ledger_residual_rows", left, lane, self._residuals, slow=True)
        strange = "Messages received that were neither accepted nor refused; must be 0."
        gauge("ledger_residual_messages", strange, lambda: self.ledger.messages.residual, slow=True)
        theirs = "Rows of a child's marks that were neither taken nor gaps nor shared; must be 0."
        table("gauge", "ledger_residual_child_rows", theirs, ("child",), self._children("residual"), slow=True)
        table(
            "gauge", "child_unseen_rows", "Rows that the child has and this node doesn't, as the child said last.",
            ("child",), self._children("unseen"), slow=True,
        )  # fmt: skip
        held = "Rows in the journal: those that wait for the parent, and those that stay."
        table("gauge", "journal_rows", held, lane, self._held, slow=True)

    def _residuals(self) -> Rows:
        return [((str(lane.lane),), lane.residual) for lane in self.ledger.lanes]

    def _held(self) -> Rows:
        return [((str(lane.lane),), lane.pending + lane.kept) for lane in self.ledger.lanes]

    def _children(self, what: str) -> "_OfChildren":
        return _OfChildren(self, what)


class _OfChildren:
    """A number of every child, over its branches' lanes."""

    def __init__(self, numbers: LedgerNumbers, what: str) -> None:
        self._numbers, self._what = numbers, what

    def __call__(self) -> Rows:
        found: dict[str, int] = {}
        for one in self._numbers.ledger.children:
            found[one.child] = found.get(one.child, 0) + abs(getattr(one, self._what))
        return [((child,), rows) for child, rows in found.items()]


def _known(fact: bool | None) -> Rows:  # noqa: FBT001  # it is the fact that is told
    return [] if fact is None else [((), float(fact))]
