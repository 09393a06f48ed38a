"""Goes through every tier for one question: this node's files and journal, and the nodes around it. Blocking."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import numpy as np

from holdfast.history.elsewhere import Above, Elsewhere, Placing, Reply, Span, Wanted, rest, spans_elsewhere
from holdfast.history.errors import HistoryError
from holdfast.history.gathering import Gathering
from holdfast.history.lake.layout import day_of
from holdfast.history.lake.view import DAMAGED, View
from holdfast.history.ports import Between
from holdfast.history.question import Missing, Question, Source, summed
from holdfast.history.rows import Scan, Texts
from holdfast.journal.snapshot import Snapshot
from holdfast.model.batch import Batch, concatenate
from holdfast.model.lane import Lane, Stay
from holdfast.model.series import Catalogue, Series

SCAN_ROWS = 50_000_000
DEPTH = 8
"""Nodes below one another that a question reaches."""
ROUNDS = 4
# Rows gathered before they are aggregated or cut: large enough that numpy does the work, small enough for a gateway.
_CHUNK = 1 << 17
G = TypeVar("G", bound=Gathering)
_State = tuple[str, int, bool]
"""A file's name, its places, and is it suspect?"""


class Memory(Protocol):
    """The site's memory at one moment, of [from_ns, to_ns]."""

    def __call__(self, from_ns: int, to_ns: int) -> AbstractContextManager[View]:
        """Open it."""
        ...


class TiersMoved(HistoryError):
    """Rows kept moving between nodes while they were asked for."""

    hint = "ask again in a moment"

    def __init__(self) -> None:
        super().__init__(f"rows were delivered and dropped while they were asked for, {ROUNDS} times")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and where to look for its answer.

    sites, parent: may the children, the parent be asked?
    after:         only rows above these seqs of own lanes
    look:          what else is to be read at the moment of the answer
    """

    question: Question
    texts: Texts
    patterns: tuple[str, ...]
    limit: int
    depth: int = DEPTH
    sites: bool = True
    parent: bool = True
    after: Mapping[Lane, int] | None = None
    look: Callable[[Snapshot], None] | None = None
    within_s: float | None = None

    @property
    def wanted(self) -> Wanted:
        """As other nodes are asked it."""
        return Wanted(self.patterns, self.question, self.limit, self.depth - 1, self.within_s)


@dataclass(slots=True)
class Gathered:
    """Where the parts came from. extra: series that this node doesn't know yet, numbered after the asked ones."""

    sources: list[Source] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)
    is_cut: bool = False
    extra: list[Series] = field(default_factory=list)
    is_stale: bool = False


class Tiers:
    """The tiers of one node."""

    def __init__(
        self, groups: Between, catalogue: Catalogue, memory: Memory | None, elsewhere: Elsewhere | None = None
    ) -> None:
        """memory: where part of the past lies in files; None = all of it is in `groups`, and nobody else is asked."""
        self._groups, self._catalogue, self._memory, self._elsewhere = groups, catalogue, memory, elsewhere
        self._damaged: dict[int, frozenset[_State]] = {}
        """Days of which a file can't be read, with their files then: the parent's readings stand in for them."""

    def gather(self, make: Callable[[], G], asked: Asked) -> tuple[G, Gathered]:
        """Gather what there is into what `make` makes; it's made anew when the parent must be asked for more.

        Raises:
            TiersMoved: when rows kept moving meanwhile.
            StorageError, JournalError: when the rows can't be read.
        """
        question, into = asked.question, make()
        if self._memory is None:
            scan = self._scan(question, asked.texts)
            return into, Gathered(summed(_tail(into, scan, self._groups, question)), [], scan.is_cut)
        for _ in range(ROUNDS):
            replies = self._ask_parent(asked)
            with self._memory(question.from_ns, question.to_ns - 1) as view:
                done = self._at(view, into, asked, replies)
                is_overtaken = self._is_overtaken(view)
                learns = done is not None and not is_overtaken and self._learns_damage(view, done.sources)
            if done is not None and not is_overtaken and not (learns and self._asks_parent(asked)):
                return into, done
            into = make()
        raise TiersMoved

    def _is_overtaken(self, view: View) -> bool:
        """Did files go while they were asked for, and out of the catalogue, too? What took their place isn't read."""
        if not view.gone or self._memory is None:
            return False
        with self._memory(view.from_ns, view.to_ns) as now:
            return not view.gone <= {file.name for piece in now.memory.pieces for file in piece.files}

    def _learns_damage(self, view: View, sources: list[Source]) -> bool:
        """Was a file found damaged that wasn't known to be?"""
        found: set[int] = set()
        for source in sources:
            if source.tier in ("warm", "cold") and source.note.startswith(DAMAGED):
                found |= set(range(day_of(source.from_ns), day_of(source.to_ns - 1) + 1))
        new = found - self._damaged.keys()
        if new:
            self._damaged |= _states(view, new)
        return bool(new)

    def _forget_mended(self, view: View) -> None:
        """A day whose files have changed since, or were found whole or made again, is read here once more."""
        known = dict(self._damaged)
        if known:
            now = _states(view, known)
            for day, then in known.items():
                if now[day] != then:
                    self._damaged.pop(day, None)

    def _asks_parent(self, asked: Asked) -> bool:
        """Never about what residency keeps: even the question would tell. A filter's parent has only excerpts."""
        catalogue, ids = self._catalogue, asked.question.ids
        if (catalogue.stay_of[ids] != Stay.ANYWHERE).any() or catalogue.is_local[ids].any():
            return False
        elsewhere = self._elsewhere
        return elsewhere is not None and elsewhere.has_parent and asked.parent and asked.depth > 0

    def _ask_parent(self, asked: Asked) -> dict[Span, Reply]:
        """The parent first: what it has by then, this node's journal then lacks at most."""
        elsewhere, question = self._elsewhere, asked.question
        if elsewhere is None or self._memory is None or not self._asks_parent(asked):
            return {}
        with self._memory(question.from_ns, question.from_ns - 1) as view:
            self._forget_mended(view)
            spans = spans_elsewhere(view.moment, question, list(self._damaged))
        return {span: elsewhere.parent(asked.wanted, span) for span in spans}

    def _at(self, view: View, into: Gathering, asked: Asked, replies: dict[Span, Reply]) -> Gathered | None:
        """What there is at this moment; None, with nothing gathered yet, when it must be asked for again."""
        question, moment = asked.question, view.moment
        if replies and spans_elsewhere(moment, question, list(self._damaged)) != list(replies):
            return None
        above = {span: Above(moment, reply.marks) for span, reply in replies.items() if reply.marks is not None}
        if any(one.is_stale for one in above.values()):
            return None
        own = None if asked.after is None else Above(moment, asked.after)
        if own is not None and own.is_stale:
            return Gathered(is_stale=True)
        sites = self._ask_sites(moment, asked)
        if any(reply.is_stale for reply in sites):
            return None
        if asked.look is not None:
            asked.look(moment)
        placing = Placing(self._catalogue, asked.patterns, question, asked.texts, into)
        if own is not None:
            self._read(own, into, asked, placing, (question.from_ns, question.to_ns))
            placing.missing += own.missing(question.from_ns, question.to_ns)
        else:
            self._whole(view, asked, placing, replies, above)
        for reply in sites:
            placing.take(reply, f"site:{reply.node}", (question.from_ns, question.to_ns))
        missing = list(dict.fromkeys(placing.missing))
        return Gathered(summed(placing.sources), missing, placing.is_cut, placing.extra)

    def _ask_sites(self, moment: Snapshot, asked: Asked) -> list[Reply]:
        if self._elsewhere is None or not asked.sites or asked.depth <= 0:
            return []
        return self._elsewhere.sites(moment, asked.wanted)

    def _whole(
        self, view: View, asked: Asked, placing: Placing, replies: dict[Span, Reply], above: dict[Span, Above]
    ) -> None:
        """This node's past; where it has let some of it go, the parent's, and own rows that the parent hasn't."""
        question_from = asked.question.from_ns
        taken = [span for span, reply in replies.items() if placing.take(reply, "parent", span)]
        for span in taken:
            self._read(above[span], placing.into, asked, placing, span)
        for low, high in rest(asked.question, taken):
            part = replace(asked.question, from_ns=low, to_ns=high)
            for stored in view.stored(part):
                if isinstance(stored, Batch):
                    placing.into.take(stored, self._catalogue.is_text)
                else:
                    placing.into.merge(stored, self._catalogue.is_text)
                if placing.into.before <= question_from:
                    break  # it has all it wants
            self._read(view, placing.into, asked, placing, (low, high))
            placing.missing += view.missing(part)
        placing.sources[:0] = view.sources

    def _read(self, groups: Between, into: Gathering, asked: Asked, placing: Placing, span: Span) -> None:
        part = replace(asked.question, from_ns=span[0], to_ns=span[1])
        scan = self._scan(part, asked.texts)
        placing.sources += _tail(into, scan, groups, part)
        placing.is_cut |= scan.is_cut

    def _scan(self, question: Question, texts: Texts) -> Scan:
        is_text = self._catalogue.is_text.copy()
        place_of = np.full(len(is_text), -1, np.int64)
        place_of[question.ids] = np.arange(len(question.ids))
        return Scan(place_of, is_text, question.from_ns, question.to_ns, texts, question.check)


def _states(view: View, days: Collection[int]) -> dict[int, frozenset[_State]]:
    """The files of these days, where they are, and whether somebody failed to read them."""
    found: dict[int, set[_State]] = {day: set() for day in days}
    for piece in view.moment.pieces():
        if piece.day in found:
            found[piece.day] |= {(one.name, one.places, one.name in view.lake.suspects) for one in piece.files}
    return {day: frozenset(files) for day, files in found.items()}


def _tail(into: Gathering, scan: Scan, groups: Between, question: Question) -> list[Source]:
    rows = 0
    for batch in chunked(scan, groups):
        rows += len(batch)
        into.place(batch)
        scan.before = min(scan.before, into.before)
    return [Source("journal", question.from_ns, question.to_ns, rows)] if rows else []


def chunked(scan: Scan, groups: Between) -> Iterator[Batch]:
    """The scan's rows in batches of about `_CHUNK`."""
    gathered: list[Batch] = []
    count = 0
    for batch in scan.rows(groups, SCAN_ROWS):
        gathered.append(batch)
        count += len(batch)
        if count >= _CHUNK:
            yield concatenate(gathered)
            gathered, count = [], 0
    if gathered:
        yield concatenate(gathered)
