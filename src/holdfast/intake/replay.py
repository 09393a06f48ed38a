"""Refused messages, looked at again: what the profiles of today say about them, and storing those that decode now.

Exactly once: a message's rows are stored if and only if its quarantine row is deleted by the same transaction, so a
crash anywhere repeats nothing and loses nothing. One replay runs at a time.

A message counts once, where it is now: it moves from `messages_rejected.<reason>` to `messages_accepted` (and
`quarantine_replayed.<reason>`), or to another reason (and `quarantine_moved.<old reason>`), so the ledger balances.

Rules are not evaluated on replayed readings, neither now nor after a restart: they'd be hours late, and an alert about
the past can't be acted on. The rows carry `ORIGIN`, which is what keeps a restart from showing them to the rules (G7).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from holdfast.codecs.decoder import Decoded, Decoder, Run
from holdfast.codecs.devices import Registry, as_named
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.profiles import Profile
from holdfast.codecs.reject import RejectReason
from holdfast.intake.seen import SeenKeys
from holdfast.intake.uplinks import translated_run
from holdfast.journal.journal import Journal
from holdfast.journal.quarantine import QuarantineFilter
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import QuarantineRow
from holdfast.journal.transaction import Origin, Transaction
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.trust import PROGRAM_MADE_NS, Doubt
from holdfast.model.batch import Batch
from holdfast.model.quality import words_of
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.residency.leaving import Leaving, store
from holdfast.residency.rules import Policy

ORIGIN = Origin("!quarantine")
"""Origin of groups of replayed rows: no node's name, as names begin with a letter or digit."""
_NO_TIME = Doubt(unset_before=PROGRAM_MADE_NS)
"""A message that came while the clock stood in 1970 has a stamp that's still wrong, and its readings must say so."""
MESSAGES_PER_COMMIT = 500
"""Messages decoded and committed at once: a few milliseconds during which live messages wait."""


class WouldRead(Struct, frozen=True):
    """A reading that a refused message would become. ts: ns UTC."""

    series: str
    unit: str
    ts: int
    value: float | bool | str | None
    quality: str
    why: str


class Verdict(Struct, frozen=True):
    """What the profiles say about a message now: readings, or why it's still refused."""

    decodes: bool
    readings: list[WouldRead]
    reason: str = ""
    detail: str = ""


class Replayed(Struct, frozen=True):
    """What a replay did, or with dry_run would do. All but readings count messages.

    replayed:       became readings (`readings` rows)
    repeats:        had come again in the meantime and been accepted; taken out of the quarantine
    still_rejected: stay, by today's reason
    dropped:        fell out of the quarantine's bound while the replay ran; not stored
    """

    dry_run: bool
    replayed: int
    readings: int
    repeats: int
    still_rejected: dict[str, int]
    dropped: int = 0


@dataclass(slots=True)
class _Tally:
    counts: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    def report(self, *, dry_run: bool) -> Replayed:
        c = self.counts
        rejected = dict(sorted(self.rejected.items()))
        return Replayed(dry_run, c["replayed"], c["readings"], c["repeats"], rejected, c["dropped"])


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Some refused messages, decoded again. good, repeats: shape (messages,); verdicts: reason and detail by place."""

    rows: Sequence[QuarantineRow]
    decoded: Decoded
    good: NDArray[np.bool_]
    repeats: NDArray[np.bool_]
    verdicts: dict[int, tuple[RejectReason, str]]


def judge(
    message: QuarantineRow,
    profiles: Sequence[Profile],
    node: str,
    retained: Mapping[str, bytes] = MappingProxyType({}),
    registry: Registry = as_named,
) -> Verdict:
    """What these profiles say about a message; stores nothing and names no series. Blocking; not on a loop's thread.

    retained: messages by topic, some of which may describe the value
    """
    catalogue = Catalogue()
    decoder = Decoder(profiles, catalogue, node, registry=registry)
    decoder.learn(retained)
    profile = decoder.profile_of(message.topic)
    has_script = profile is not None and profile.lorawan is not None
    runs = asyncio.run(_translated(decoder, [message])) if has_script else [_run(message)]
    decoded = decoder.decode(runs, _NO_TIME)
    if decoded.rejected:
        return Verdict(decodes=False, readings=[], reason=decoded.rejected[0].reason, detail=decoded.rejected[0].detail)
    return Verdict(decodes=True, readings=list(spoken(decoded.batch, catalogue)))


class Quarantine:
    """A running node's refused messages."""

    def __init__(
        self,
        journal: Journal,
        profiles: Sequence[Profile],
        seen: SeenKeys,
        on_batch: Callable[[Batch], None] = lambda _: None,
        leaving: Leaving | None = None,
        scripts: ScriptRunner | None = None,
        registry: Registry = as_named,
    ) -> None:
        """Take what a replay needs.

        scripts:  runs LoRaWAN codecs; None = a pool of its own, for each batch of messages
        registry: what is known of devices; must discover nobody, as it's also asked when only looking; any thread
        leaving:  the node's residency rules; None = everything may leave
        seen:     the memory of message ids that intake uses: a message that came again meanwhile is a repeat
        on_batch: told of replayed readings after their commit
        """
        self._journal, self._profiles, self._seen, self._on_batch = journal, profiles, seen, on_batch
        self._leaving = leaving or Leaving(Policy((), journal.node), journal.catalogue)
        self._scripts = scripts
        self._registry = registry
        self._one_at_a_time = asyncio.Lock()

    def page(self, wanted: QuarantineFilter, limit: int, before: int) -> list[QuarantineRow]:
        """Wanted messages with an id below `before`, newest first; see `JournalReader.quarantined`. Blocking."""
        return self._journal.quarantined(limit, wanted, before)

    def message(self, number: int) -> QuarantineRow | None:
        """One refused message by its id; None when it isn't there (any more). Blocking."""
        return stored_message(self._journal, number)

    def verdict(self, message: QuarantineRow) -> Verdict:
        """What this node's profiles say about a message. Blocking."""
        return judge(message, self._profiles, self._journal.node, self._journal.retained(), self._registry)

    async def replay(self, wanted: QuarantineFilter, *, dry_run: bool) -> Replayed:
        """Decode the wanted messages again and store what decodes; with `dry_run` only tell. Loop thread only.

        A caller that goes away does not stop it.

        Raises:
            JournalError: when the journal takes no more writes; what was committed before stays.
        """
        return await asyncio.shield(asyncio.ensure_future(self._replay(wanted, dry_run=dry_run)))

    async def _replay(self, wanted: QuarantineFilter, *, dry_run: bool) -> Replayed:
        tally = _Tally()
        async with self._one_at_a_time:
            # A decoder of its own, and for a dry run a catalogue of its own: looking must not name series.
            catalogue = Catalogue() if dry_run else self._journal.catalogue
            decoder = Decoder(self._profiles, catalogue, self._journal.node, registry=self._registry)
            decoder.learn(await asyncio.to_thread(self._journal.retained))
            after = 0
            while rows := await asyncio.to_thread(self._journal.quarantined_after, after, MESSAGES_PER_COMMIT, wanted):
                after = rows[-1].id
                runs = await _translated(decoder, rows, self._scripts)
                if dry_run:
                    _foretell(self._sort(rows, runs, decoder, self._seen.would_admit), tally)
                else:
                    sorted_ = self._sort(rows, runs, decoder, self._seen.admit)
                    write = _writing(sorted_, self._journal.settings.keys_kept, self._leaving)
                    batch, outcome = await self._journal.submit(write)
                    tally.counts += outcome.counts
                    tally.rejected += outcome.rejected
                    self._on_batch(batch)
        return tally.report(dry_run=dry_run)

    def _sort(
        self,
        rows: Sequence[QuarantineRow],
        runs: Sequence[Run],
        decoder: Decoder,
        fresh: Callable[[NDArray[np.uint64]], NDArray[np.bool_]],
    ) -> _Sorted:
        decoded = decoder.decode(runs, _NO_TIME)
        verdicts = {r.message: (r.reason, r.detail) for r in decoded.rejected}
        refused = np.zeros(len(rows), np.bool_)
        refused[list(verdicts)] = True
        decoded.keys[refused] = 0  # a refused message must not make its good resend look like a repeat
        new = fresh(decoded.keys)
        return _Sorted(rows, decoded, new & ~refused, ~new & ~refused, verdicts)


def _writing(work: _Sorted, dedupe_keys: int, leaving: Leaving) -> Callable[[Transaction], tuple[Batch, _Tally]]:
    """The repeatable write: messages leave the quarantine and their rows are stored, or neither."""

    def write(transaction: Transaction) -> tuple[Batch, _Tally]:
        rows, tally = work.rows, _Tally()
        out = [rows[i].id for i in np.flatnonzero(work.good | work.repeats).tolist()]
        there = transaction.take_quarantined(out)
        present = np.array([row.id in there for row in rows], np.bool_)
        good, repeats = work.good & present, work.repeats & present
        batch = work.decoded.batch.take(good[work.decoded.message])
        store(transaction, leaving.sort(batch), ORIGIN)
        keys = work.decoded.keys[good & (work.decoded.keys != 0)]
        if len(keys):
            transaction.remember_keys(keys, dedupe_keys)
        transaction.count("readings_accepted", len(batch))
        _count_moves(transaction, [rows[i] for i in np.flatnonzero(good).tolist()], "messages_accepted", "replayed")
        duplicate = f"messages_rejected.{RejectReason.DUPLICATE}"
        _count_moves(transaction, [rows[i] for i in np.flatnonzero(repeats).tolist()], duplicate, "moved")
        _requalify(transaction, work)
        tally.counts.update(replayed=int(good.sum()), readings=len(batch), repeats=int(repeats.sum()))
        tally.counts["dropped"] = len(out) - len(there)
        tally.rejected.update(str(reason) for reason, _ in work.verdicts.values())
        return batch, tally

    return write


def _requalify(transaction: Transaction, work: _Sorted) -> None:
    """Messages that are refused for another reason now say so."""
    changed = {
        work.rows[i].id: (work.rows[i], reason, detail)
        for i, (reason, detail) in work.verdicts.items()
        if (work.rows[i].reason, work.rows[i].detail) != (reason, detail)
    }
    there = transaction.requalify([(i, str(reason), detail) for i, (_, reason, detail) in changed.items()])
    for i in sorted(there):
        row, reason, _ = changed[i]
        if row.reason != reason:
            _count_moves(transaction, [row], f"messages_rejected.{reason}", "moved")


def _count_moves(transaction: Transaction, rows: Sequence[QuarantineRow], to: str, how: str) -> None:
    for reason, n in Counter(row.reason for row in rows).items():
        transaction.count(f"messages_rejected.{reason}", -n)
        transaction.count(f"quarantine_{how}.{reason}", n)
    transaction.count(to, len(rows))


def _foretell(work: _Sorted, tally: _Tally) -> None:
    rows = int(work.good[work.decoded.message].sum())
    tally.counts.update(replayed=int(work.good.sum()), readings=rows, repeats=int(work.repeats.sum()))
    tally.rejected.update(str(reason) for reason, _ in work.verdicts.values())


def _run(message: QuarantineRow) -> Run:
    """The message as it came: judged by the time it was received, not by today's."""
    return Run(message.topic, [message.payload], message.received_ns)


async def _translated(
    decoder: Decoder, messages: Sequence[QuarantineRow], scripts: ScriptRunner | None = None
) -> list[Run]:
    """The messages as they came, those of LoRaWAN through their scripts of today."""
    runner = scripts or ScriptRunner(SystemClock())
    try:
        return [await translated_run(decoder, runner, _run(message)) for message in messages]
    finally:
        if scripts is None:
            await runner.close()


def spoken(batch: Batch, catalogue: Catalogue) -> Iterator[WouldRead]:
    """The readings of a batch, in words."""
    for row in range(len(batch)):
        series, code = catalogue[int(batch.series[row])], int(batch.quality[row])
        value = _value(float(batch.value[row]), series, batch.texts)
        quality, reason = words_of(code)
        yield WouldRead(series.name, series.unit, int(batch.ts[row]), value, quality, reason or "")


def _value(number: float, series: Series, texts: Sequence[str]) -> float | bool | str | None:
    if not np.isfinite(number):
        return None
    match series.kind:
        case Kind.TEXT:
            return texts[int(number)]
        case Kind.BOOL:
            return bool(number)
        case Kind.INT:
            return int(number)
        case _:
            return number


def stored_message(reader: JournalReader, number: int) -> QuarantineRow | None:
    """One refused message by its id. Blocking."""
    return next(iter(reader.quarantined_after(number - 1, 1, QuarantineFilter(ids=(number,)))), None)
