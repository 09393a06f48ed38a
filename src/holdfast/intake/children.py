"""The same rules over what children send: read from the journal behind a cursor, decided, stored with the cursor.

Children's rows are in the journal before a rule sees them, so nothing here delays the sync, and a rule decides on each
row exactly once: what it decides is committed together with the cursor that passes the rows.

Time is the sites' own. A key's time is that of the newest reading that came from its node; so a site whose link is cut
stands still, and its devices aren't taken for silent. No wall clock is asked: the same rows give the same events.

After a restart: the last checkpoint, then the steps made since, with the same rows in each (G7).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
from msgspec import Struct

from holdfast.intake.prepare import Preparer
from holdfast.intake.recall import former_rules
from holdfast.intake.service import IntakeService
from holdfast.journal.alert_labels import Labelled, Settle, settling
from holdfast.journal.blobs import decode_readings
from holdfast.journal.journal import Journal
from holdfast.journal.records import OWN, GroupKind
from holdfast.journal.transaction import EXCERPT, REPORTS, Transaction
from holdfast.kernel.clock import Clock
from holdfast.model.batch import Batch, concatenate
from holdfast.model.lane import READING_LANES, padded
from holdfast.stream.adoption import Adoption
from holdfast.stream.engine import Engine, Limits
from holdfast.stream.judges import Findings
from holdfast.stream.rules import CompiledRule

CONSUMER = "rules.children"
ROWS_A_STEP = 20_000
CHECKPOINT_S = 10.0
LINGER_S = 0.02
"""Rows gather for so long: a node may commit a thousand times a second, mostly rows of its own."""

Ends = tuple[int, ...]
"""How far each of READING_LANES is read."""


class Progress(Struct, frozen=True):
    """What was read since the checkpoint. base: where that was; steps: where each step since then ended."""

    base: Ends
    steps: tuple[Ends, ...] = ()

    @property
    def end(self) -> Ends:
        """How far everything is read."""
        return self.steps[-1] if self.steps else self.base


@dataclass(frozen=True, slots=True)
class Placed:
    """Rules by where they run. here: on own devices' readings as they come; children: on what is in the journal."""

    here: list[CompiledRule]
    children: list[CompiledRule]


def place(rules: Sequence[CompiledRule], node: str, *, has_children: bool) -> Placed:
    """Where each rule runs.

    A rule over all devices at once sees own and children's in one order, so it runs on the journal, and the rules it
    reads from with it; the others decide on own readings as they come, and on children's as they are read.
    """
    if not has_children:
        return Placed(list(rules), [])
    over_all = _with_sources(rules, {rule.name for rule in rules if rule.stage.by == "all"})
    here = [rule for rule in rules if rule.name not in over_all]
    return Placed(here, [rule if rule.name in over_all else _of_others(rule, node) for rule in rules])


def _with_sources(rules: Sequence[CompiledRule], names: set[str]) -> set[str]:
    sources = {rule.name: rule.stage.source for rule in rules}
    found = set(names)
    while more := {sources[name] for name in found if sources.get(name) in sources} - found:
        found |= more
    return found


def _of_others(rule: CompiledRule, node: str) -> CompiledRule:
    inner = rule.matches
    return replace(rule, matches=lambda n, device, metric="": n != node and inner(n, device, metric))


class ChildRules:
    """Rules over children's rows. Loop thread only."""

    def __init__(
        self,
        rules: Sequence[CompiledRule],
        journal: Journal,
        preparer: Preparer,
        intake: IntakeService,
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        """rules: all of the node's; intake: what commits, publishes and sends commands.

        limits: of devices a rule; rules here run behind the sync and are never throttled
        """
        self._journal, self._preparer, self._intake, self._clock = journal, preparer, intake, clock
        self.engine = Engine(self._placed(rules), journal.catalogue, journal.node, limits, by_site=True)
        self._progress = Progress(tuple(journal.head(lane) for lane in READING_LANES))
        self._at = self._progress.end
        self._edited: Adoption | None = None
        self._checkpoint_due = 0.0
        self._wake = asyncio.Event()

    @property
    def lag_rows(self) -> int:
        """Rows not read yet; 0 where there are no rules to read them."""
        if not self.engine.rules:
            return 0
        ends = zip(READING_LANES, self._at, strict=True)
        return sum(max(0, self._journal.head(lane) - end) for lane, end in ends)

    def adopt(self, rules: Sequence[CompiledRule]) -> Adoption:
        """Other rules from now on; rules: all of the node's."""
        if not self.engine.rules:
            self._at = tuple(self._journal.head(lane) for lane in READING_LANES)
        done = self.engine.adopt(self._placed(rules), 0)
        if done.is_change:
            self._checkpoint(done.findings)
        return done

    def label(self, one: Labelled) -> None:
        """Somebody said what a detector's alert about a child's series was worth."""
        self.engine.label(one.raised.rule, one.place, one.label, one.known or None)
        self._checkpoint(Findings(), settling(one))

    def acknowledge(self, rule: str, node: str, device: str, metric: str = "") -> None:
        """Somebody has seen an alert of a child's device."""
        findings = self.engine.acknowledge(rule, node, device, 0, metric)
        if findings.moved:
            self._checkpoint(findings)

    async def start(self) -> int:
        """Bring the engine to where it was, before children are let in; returns the rows read again."""
        stored = await asyncio.to_thread(self._journal.meta, CONSUMER)
        if stored is None:  # rules begin with what comes from now on
            await self._journal.submit(_writing(_packed(self._progress), self._progress.end, None))
            return 0
        return await asyncio.to_thread(self._recover, stored)

    async def run(self) -> None:
        """Read on whenever something is committed, forever."""
        if self._edited is not None:
            self._checkpoint(self._edited.findings)
        self._journal.on_commit(self._wake.set)
        while True:
            self._wake.clear()
            while self.engine.rules and await self._step():
                pass
            await self._wake.wait()
            await asyncio.sleep(LINGER_S)

    def _placed(self, rules: Sequence[CompiledRule]) -> list[CompiledRule]:
        return place(rules, self._journal.node, has_children=True).children

    def _checkpoint(self, findings: Findings, *also: Settle) -> None:
        """Tell of findings, with the state after them in place of the steps so far."""
        self._progress = Progress(self._at)
        self._commit(findings, self.engine.snapshot(), *also)

    def _recover(self, stored: str) -> int:
        found = msgspec.json.decode(stored, type=Progress)
        self._progress = Progress(padded(found.base), tuple(map(padded, found.steps)))
        checkpoint = self._journal.checkpoint(CONSUMER)
        wanted, former = self.engine.rules, None
        if checkpoint is not None:
            former = former_rules(checkpoint[1], wanted)
            if former is not None:
                self.engine.adopt(self._placed(former), 0)
            self.engine.restore(checkpoint[1])
        rows, start = 0, self._progress.base
        for end in self._progress.steps:
            batch = self._read(start, end)
            self._decide(batch)
            rows, start = rows + len(batch), end
        self._at = self._progress.end
        self._edited = None if former is None else self.engine.adopt(wanted, 0)
        return rows

    def _decide(self, batch: Batch) -> Findings:
        findings = self.engine.evaluate(batch)
        findings.add(self.engine.tick(0))
        return findings

    async def _step(self) -> bool:
        """Read some rows and decide on them; are there any?"""
        start = self._at
        end = await asyncio.to_thread(self._reach, start)
        if end == start:
            return False
        batch = await asyncio.to_thread(self._read, start, end)
        if self._at != start:
            return True  # rules were edited from none meanwhile: they begin with what came then
        self._at = end
        if not len(batch):  # own rows, which were decided on when they came: nothing to remember
            return True
        findings = self._decide(batch)
        now = self._clock.monotonic()
        if now >= self._checkpoint_due:
            self._checkpoint_due = now + CHECKPOINT_S
            self._checkpoint(findings)
        else:
            self._progress = Progress(self._progress.base, (*self._progress.steps, end))
            self._commit(findings, None)
        await self._intake.everything_stored()
        return True

    def _commit(self, findings: Findings, state: bytes | None, *also: Settle) -> None:
        prepared = self._preparer.elsewhere(findings)
        prepared.also.append(_writing(_packed(self._progress), self._progress.end, state))
        prepared.also += also
        self._intake.take(prepared)

    def _reach(self, start: Ends) -> Ends:
        """Where the next step ends."""
        ends = list[int]()
        for lane, after in zip(READING_LANES, start, strict=True):
            groups = self._journal.read(lane, after, ROWS_A_STEP)
            ends.append(groups[-1].last if groups else after)
        return tuple(ends)

    def _read(self, start: Ends, end: Ends) -> Batch:
        """The rows of a step, lane after lane."""
        takes_own = any(rule.stage.by == "all" for rule in self.engine.rules)
        batches = list[Batch]()
        for lane, after, upto in zip(READING_LANES, start, end, strict=True):
            at = after
            while at < upto:
                groups = [g for g in self._journal.read(lane, at, ROWS_A_STEP) if g.last <= upto]
                if not groups:
                    break
                at = groups[-1].last
                wanted = (
                    g
                    for g in groups
                    if g.kind is GroupKind.READINGS
                    and g.origin not in (EXCERPT.peer, REPORTS.peer)
                    and (takes_own or g.origin != OWN)
                )
                batches += [decode_readings(g.blob) for g in wanted]
        return concatenate(batches, self._journal.catalogue.is_text)


def _packed(progress: Progress) -> str:
    return msgspec.json.encode(progress).decode()


def _writing(progress: str, end: Ends, state: bytes | None) -> Callable[[Transaction], None]:
    """What a step writes besides its decisions."""

    def write(tx: Transaction) -> None:
        tx.set_meta(CONSUMER, progress)
        for lane, seq in zip(READING_LANES, end, strict=True):
            tx.set_cursor(CONSUMER, lane, seq)
        if state is not None:
            tx.checkpoint(CONSUMER, end[0], state)

    return write
