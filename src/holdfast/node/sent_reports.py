"""What goes up of a node's log and traces, as `telemetry` in node.yaml wants it: rows of the node's own journal."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from msgspec.structs import replace

from holdfast.journal.ledger import REPORTED
from holdfast.journal.transaction import REPORTS, Transaction
from holdfast.model.batch import Batch
from holdfast.model.lane import Lane, Stay
from holdfast.node.secrets_of import secrets_of
from holdfast.reporting.redacting import Redactor
from holdfast.reporting.sending import Row, Sender, Ways
from holdfast.uplink.filtering.settings import SendRule
from holdfast.wire.reports import DEVICE, LOG, TRACES, series_of

if TYPE_CHECKING:
    from holdfast.node.node import Node
    from holdfast.node.settings import NodeSettings

META = "reports_allowance"


def with_reports(settings: "NodeSettings") -> "NodeSettings":
    """The settings with what sending asks of `parent.send`: no entry there keeps or sums up these texts."""
    parent = settings.parent
    if parent is None or not parent.send or not settings.telemetry.sent:
        return settings
    first = tuple(SendRule(series=f"{DEVICE}/{metric}", as_="raw") for metric in (LOG, TRACES))
    return replace(settings, parent=replace(parent, send=(*first, *parent.send)))


def sender_of(node: "Node") -> Sender | None:
    """What sends them; None where nothing is to be sent."""
    wanted = node.plan.settings.telemetry.sent
    if not wanted or node.plan.settings.parent is None:
        return None
    rows = Rows(node)
    redactor = Redactor(secrets_of(node.plan))
    redactor.settings(msgspec.to_builtins(node.plan.settings))
    return Sender(wanted, Ways(rows.store, rows.recall, rows.keeps), redactor, node.clock, node.telemetry)


class Rows:
    """Implements `reporting.sending.Ways` over a node's journal. Loop thread only."""

    def __init__(self, node: "Node") -> None:
        self._journal, self._has_rules = node.journal, bool(node.leaving.policy)

    def keeps(self) -> bool:
        """Is there anything here that must stay somewhere?"""
        return self._has_rules or bool(self._journal.catalogue.stay_of.any())

    async def recall(self) -> str:
        """The allowance as it was stored last."""
        return await asyncio.to_thread(self._journal.meta, META) or ""

    async def store(self, rows: Sequence[Row], allowance: str) -> frozenset[str]:
        """One commit; a residency rule about this node's own series holds for these, too: then they are in no lane."""
        parts, stay = list[tuple[Lane, Batch]](), set[str]()
        catalogue = self._journal.catalogue
        for metric in dict.fromkeys(row.metric for row in rows):
            number = catalogue.intern(series_of(self._journal.node, metric))
            may = Stay(int(catalogue.stay_of[number]))
            if may is Stay.SITE:
                stay.add(metric)
            else:
                parts.append((may.lane, _batch(number, [row for row in rows if row.metric == metric])))

        def write(tx: Transaction) -> None:
            for lane, batch in parts:
                tx.append_readings(lane, batch, REPORTS)
                tx.count(REPORTED, len(batch))
            tx.set_meta(META, allowance)

        if parts:
            await self._journal.submit(write)
        return frozenset(stay)


def _batch(number: int, rows: Sequence[Row]) -> Batch:
    n = len(rows)
    return Batch(
        np.full(n, number, np.int32),
        np.array([row.ts_ns for row in rows], np.int64),
        np.arange(n, dtype=np.float64),
        np.zeros(n, np.uint8),
        tuple(row.text for row in rows),
    )
