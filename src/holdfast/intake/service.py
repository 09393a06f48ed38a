"""The hot path's shell: gathers arrivals, has them decided, commits, settles receipts.

No linger when idle: the first arrival is taken at the end of the loop turn that brought it; what comes soon after is
decided together, within `decide_within`, and never waits for the disk (G6). While a commit is in flight the next one
gathers (natural group commit). Receipts are settled only after the commit returned (G1).

Commits wait for more, too: `commit_pause` from the last one, unless a source waits for its receipts (ADR 18), and with
`commit_every`, to spare flash, until the oldest message has waited that long. Not when something was decided, the inbox
is half full or somebody waits for everything to be stored.
"""

import asyncio
import math
from collections.abc import Callable, Sequence

import msgspec

from holdfast.adapters.port import Publisher
from holdfast.commands.service import CommandService
from holdfast.intake.commands import issue
from holdfast.intake.commit import checkpoint, writing
from holdfast.intake.inbox import Inbox
from holdfast.intake.listening import Listeners
from holdfast.intake.measures import Measures
from holdfast.intake.prepare import Prepared, Preparer
from holdfast.intake.recall import Quiet, mended, recall
from holdfast.intake.settings import IntakeSettings
from holdfast.intake.waiting import Waiting
from holdfast.journal.alert_labels import Labelled
from holdfast.journal.journal import Journal
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.model.batch import Batch
from holdfast.residency.leaving import Leaving
from holdfast.residency.rules import Policy
from holdfast.stream.adoption import Adoption
from holdfast.stream.engine import Engine
from holdfast.stream.judges import Findings
from holdfast.stream.rules import CompiledRule

TICK_S = 0.25
_REST = 2
"""The next batch gathers so many times as long as one takes to decide: what any batch costs isn't paid often."""
_SMOOTH = 1 / 8
"""What the last one adds to that: one that another thread held up must not make the next wait, too."""
_COMMITS_REST, _COMMITS_REST_MOST = 2, 0.016
"""The next commit gathers so many times as long as the last took, at most so many seconds: a slow disk gets fewer."""


class IntakeService:
    """Owns the inbox, the preparer and the order of commits. Loop thread only."""

    def __init__(
        self,
        settings: IntakeSettings,
        journal: Journal,
        preparer: Preparer,
        engine: Engine,
        clock: Clock,
        leaving: Leaving | None = None,
    ) -> None:
        """leaving: the node's residency rules; None = everything may leave."""
        self._leaving = leaving or Leaving(Policy((), journal.node), journal.catalogue)
        self.inbox = Inbox(settings.max_messages, settings.max_bytes, self._wake)
        self.failed: asyncio.Future[HoldfastError] = asyncio.get_running_loop().create_future()
        self._settings, self._journal = settings, journal
        self.preparer, self._engine = preparer, engine
        self._publisher: Publisher | None = None
        self._hurry: Callable[[], None] | None = None
        self._commands: CommandService | None = None
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._listeners = Listeners()
        self.on_batch, self.on_features = self._listeners.on_batch, self._listeners.on_features
        self._pending: list[Prepared] = []
        self._committing: Sequence[Prepared] = ()
        self.when_committed: Callable[[Sequence[Prepared], float], None] = lambda _work, _took_s: None
        self._timer: asyncio.Handle | None = None
        self._ticker: asyncio.Handle | None = None
        self._commit_due: asyncio.Handle | None = None
        self._sources = Waiting(settings.commit_pause)
        self._is_waited_for = self._must_commit = self._is_stopping = self._is_gathering = False
        self._decided_at = self._committed_at = -math.inf
        self._pause = self._costs = self._commit_began = self._commit_took = 0.0
        self._checkpoint_due = self._gathering_since = 0.0
        self._decided = self._stored = 0
        self._quiet, self.measures = Quiet(), Measures()
        self._found, self._later = list[Findings](), list[Callable[[], None]]()
        self._free = asyncio.Event()
        self._free.set()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    def publish_through(self, publisher: Publisher, hurry: Callable[[], None] | None = None) -> None:
        """Where alerts leave for local subscribers; without one they are only journalled.

        hurry: sends what was decided, commands included, before anything else is read
        """
        self._publisher, self._hurry = publisher, hurry

    def command_through(self, commands: CommandService) -> None:
        """Where rules' commands leave."""
        self._commands = commands

    def replay(self) -> int:
        """Bring the rule engine to the state of the journal: checkpoint, then the steps after it (G7). Blocking.

        What it decides here was committed with those rows, so nothing is published or stored again; but what an edit
        of rules ends that was made meanwhile is.
        """
        rows, self._found = recall(self._journal, self._engine, self._clock.wall_ns())
        return rows

    def take(self, prepared: Prepared) -> None:
        """Publish, send and commit what was decided elsewhere."""
        self._idle.clear()
        self._decide(prepared)
        self._process()

    def made(self, batch: Batch) -> None:
        """Readings made here by models: decided on and committed like those of devices."""
        if not self._free.is_set():
            self._later.append(lambda: self.made(batch))
            return
        self._idle.clear()
        self._decide(self.preparer.made(batch, self._clock.wall_ns()))
        if not self._committing:  # what has come since isn't decided before its time for this
            self._schedule_commit()

    def adopt(self, rules: Sequence[CompiledRule]) -> Adoption:
        """Other rules from now on; what they leave alone goes on."""
        self._take()
        done = self._engine.adopt(rules, self._clock.wall_ns())
        if done.is_change:
            self._take_over([done.findings])
        return done

    def label(self, one: Labelled) -> None:
        """Somebody said what a detector's alert was worth; the commit of the rules' step notes that they know."""
        if not self._free.is_set():
            self._later.append(lambda: self.label(one))
            return
        self._take()
        self.take(self.preparer.label(one))

    def acknowledge(self, rule: str, node: str, device: str, metric: str = "") -> None:
        """Somebody has seen a rule's alert."""
        if not self._free.is_set():
            self._later.append(lambda: self.acknowledge(rule, node, device, metric))
            return
        self._take()
        prepared = self.preparer.acknowledge(rule, (node, device, metric), self._clock.wall_ns())
        if prepared.moved:  # also where it ends nothing yet: a person's word isn't lost
            self.take(prepared)

    def clock_set(self, offset_ns: int, from_ns: int, to_ns: int) -> None:
        """The node's clock jumped by so much; for devices heard between these times by it, no time has passed."""
        self._absorb(self.preparer.clock_set(offset_ns, from_ns, to_ns))

    async def hold(self) -> None:
        """Decide nothing until `release`: arrivals wait. What was decided is committed, with the rules' state."""
        self._free.clear()
        if self._pending or self._committing:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append((self._decided, waiter))
            self._process()
            await waiter
        state = self._engine.snapshot()
        self._quiet.clear()
        await self._journal.submit(lambda tx: checkpoint(tx, state))

    async def release(self) -> None:
        """Go on; where rows got the right times meanwhile, what rules made of the wrong ones is made again first."""
        found = await asyncio.to_thread(mended, self._journal, self._engine, self._clock.wall_ns())
        self._free.set()
        if found:
            self._take_over(found)
        later, self._later = self._later, []
        for ask in later:
            ask()
        self._process()

    async def free(self) -> None:
        """Wait until nobody holds the rules."""
        await self._free.wait()

    def _take_over(self, found: Sequence[Findings]) -> None:
        """The rules aren't as replaying would make them: what was found is told, and a checkpoint goes with it."""
        self._checkpoint_due = -math.inf
        self._quiet.clear()
        self._idle.clear()
        for findings in found:
            self._decide(self.preparer.found(findings))
        self._process()

    def start(self) -> None:
        """Begin to tick; arrivals are taken whenever they come."""
        if self._found:
            self._take_over(self._found)
            self._found = []
        self._ticker = self._loop.call_later(TICK_S, self._tick)

    async def drain(self) -> None:
        """Wait until everything offered is settled or refused. Commits wait for nothing from here on."""
        self._is_stopping = True
        if self._pending and not self._committing:
            self._schedule_commit()
        await self._idle.wait()

    async def everything_stored(self) -> None:
        """Wait until everything offered before this call is decided and committed; more may have come since."""
        await self.free()
        self._take()
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append((self._decided, waiter))
        self._process()
        self._tell_waiting()
        await waiter

    async def stop(self) -> None:
        """Store the rule engine's state and stop ticking. Call after `drain`."""
        if self._ticker is not None:
            self._ticker.cancel()
        if not self.failed.done():
            state = self._engine.snapshot()
            await self._journal.submit(lambda tx: checkpoint(tx, state))

    def _wake(self) -> None:
        self._idle.clear()
        if self._timer is None:
            now = self._clock.monotonic()
            self.measures.came(now)
            wait = min(self._pause, self._decided_at + self._pause - now)
            if wait <= 0 or (self._is_waited_for and not self._committing):
                self._timer = self._loop.call_soon(self._process)
            else:
                self._timer = self._loop.call_later(wait, self._process)

    def _process(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._take()
        if self._pending and not self._committing:
            self._schedule_commit()

    def _take(self) -> None:
        """Decide what has come."""
        if not self.inbox.has_arrivals or not self._free.is_set():
            return
        arrivals = self.inbox.take()
        now = self._clock.monotonic()
        if self._settings.commit_pause:
            self._is_waited_for = self._sources.arrived(arrivals, now)
            self._must_commit = self._must_commit or self._is_waited_for
        prepared = self.preparer.prepare(arrivals)
        self._decide(prepared)
        self._decided_at = self._clock.monotonic()
        self.measures.decided(prepared, self._decided_at - now)
        self._costs += _SMOOTH * (self._decided_at - now - self._costs)
        self._pause = min(self._settings.decide_within, _REST * self._costs)

    def _schedule_commit(self) -> None:
        wait = self._commit_wait()
        if self._commit_due is not None:
            if wait or not self._is_gathering:
                return
            self._commit_due.cancel()
        self._is_gathering = wait > 0
        if wait:
            self._commit_due = self._loop.call_later(wait, self._commit)
        else:
            # after what this turn published has left: an alert doesn't wait for the commit's preparation
            self._commit_due = self._loop.call_soon(self._commit)

    def _commit_wait(self) -> float:
        """How long (s) the next commit may wait for more."""
        every, pause = self._settings.commit_every, self._settings.commit_pause
        if not (every or pause) or self._is_stopping or self._waiting or self.inbox.is_filling:
            return 0.0
        if any(prepared.decisions for prepared in self._pending) or (self._must_commit and not every):
            return 0.0
        if every:
            return max(0.0, min(every, self._gathering_since + every - self._clock.monotonic()))
        rest = max(pause, min(_COMMITS_REST_MOST, _COMMITS_REST * self._commit_took))
        return max(0.0, min(rest, self._committed_at + rest - self._clock.monotonic()))

    def _decide(self, prepared: Prepared) -> None:
        self._command(prepared)
        self._publish(prepared)
        if self._hurry is not None and prepared.decisions:
            self._hurry()
        self._reply(prepared)
        self._listeners.tell(prepared, self.measures.since(prepared, self._clock.monotonic()))
        self._quiet.before(prepared)
        if not self._pending:
            self._gathering_since = self._clock.monotonic()
        self._pending.append(prepared)
        self._decided += 1

    def _command(self, prepared: Prepared) -> None:
        """Send what the decisions ask of devices; it's stored in the commit of the readings that caused it."""
        if self._commands is None:
            return
        for decision in prepared.decisions:
            if decision.commands:
                prepared.commands += issue(self._commands, decision)

    def _reply(self, prepared: Prepared) -> None:
        """Answer what a protocol has us answer, by the way that the message came."""
        for arrival, reply in prepared.replies:
            if arrival.answers is not None:
                arrival.answers.answer(reply.topic, reply.payload)
            elif self._publisher is not None:
                self._publisher.publish(reply.topic, reply.payload, qos=0)
            prepared.counts["replies_sent"] += 1

    def _publish(self, prepared: Prepared) -> None:
        if self._publisher is None:
            return
        for decision in prepared.decisions:
            for topic, payload in decision.publish:
                self._publisher.publish(topic, msgspec.json.encode(decision.event) if payload is None else payload)
        for topic, payload in prepared.published:
            self._publisher.publish(topic, payload)

    def _commit(self) -> None:
        self._commit_due = None
        self._must_commit = False
        self._commit_began = self._clock.monotonic()
        work, self._pending = self._pending, []
        self._committing = work
        # Every batch decided so far is committed or in `work`, so the engine's state now is the state after `work`.
        snapshot = self._engine.snapshot() if self._is_checkpoint_due() else None
        write = writing(work, self._leaving, self._journal.settings, snapshot)
        self._journal.submit(write).add_done_callback(self._committed)

    def _is_checkpoint_due(self) -> bool:
        now = self._clock.monotonic()
        if now < self._checkpoint_due:
            return False
        self._checkpoint_due = now + self._settings.checkpoint_every
        return True

    def _committed(self, commit: asyncio.Future[None]) -> None:
        work, self._committing = self._committing, ()
        error = commit.exception()
        self._committed_at = now = self._clock.monotonic()
        self._commit_took = now - self._commit_began
        for prepared in work:
            if self._settings.commit_pause:
                self._sources.settled(prepared.arrivals, now)
            for arrival in prepared.arrivals:
                if error is None:
                    arrival.receipt.settle()
                else:
                    arrival.receipt.refuse()
            self.inbox.release(prepared.arrivals)
            if prepared.commands and self._commands is not None and error is None:
                self._commands.settle(prepared.commands)
        self.measures.settled(work, now, error)
        if error is not None and not self.failed.done():
            self.failed.set_result(error if isinstance(error, HoldfastError) else HoldfastError(repr(error)))
        self.when_committed(() if error else work, self._commit_took)
        self._stored += len(work)
        self._tell_waiting()
        self._process()
        if not (self._committing or self._pending or self.inbox.has_arrivals):
            self._idle.set()

    def _tell_waiting(self) -> None:
        due = [waiter for upto, waiter in self._waiting if upto <= self._stored]
        self._waiting = [(upto, waiter) for upto, waiter in self._waiting if upto > self._stored]
        for waiter in due:
            if not waiter.done():
                waiter.set_result(None)

    def decide_now(self) -> None:
        """Decide what has come, without waiting for more."""
        self._process()

    def look(self) -> None:
        """Tell the rules what time it is; done four times a second."""
        if not self._free.is_set():
            return
        self._absorb(self.preparer.tick(self._clock.wall_ns()))

    def _tick(self) -> None:
        self.look()
        self._ticker = self._loop.call_later(TICK_S, self._tick)

    def _absorb(self, prepared: Prepared) -> None:
        """What came of no arrival: committed at once where it says something, with the next commit where it doesn't."""
        if prepared.is_quiet and not self._quiet.is_full:
            self._listeners.hand_on(prepared, self._clock.monotonic())
            self._quiet.add(prepared)
        else:
            self.take(prepared)
