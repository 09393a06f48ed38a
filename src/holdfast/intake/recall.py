"""Bringing a restarted node's rules to where they were, and keeping for that what they were told meanwhile (G7).

The checkpoint's own rules are replayed, and only then edited into those of the files: an edit made while the node was
down decides nothing anew that was decided before it.
"""

from collections.abc import Sequence

import msgspec

from holdfast.intake.commit import CONSUMER
from holdfast.intake.prepare import Prepared
from holdfast.journal import weaves
from holdfast.journal.journal import Journal
from holdfast.journal.restamp import MOVED, REPAIR, Unrepaired
from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.lane import READING_LANES, Lane, padded
from holdfast.stream import checkpoints, steps
from holdfast.stream.engine import Engine
from holdfast.stream.errors import SnapshotUnusable
from holdfast.stream.judges import Findings
from holdfast.stream.repair import Moved
from holdfast.stream.rules import CompiledRule

REPLAY_AT_MOST = 500_000  # rows, when there is no checkpoint to start from: windows are far shorter
_MOST_QUIET = 64


def recall(journal: Journal, engine: Engine, now_ns: int) -> tuple[int, list[Findings]]:
    """Bring the engine to the journal's state: rows read, and what is found that had not been told. Blocking.

    That is what ended with rules that were edited meanwhile, and what a move of rows to the right times changed.
    """
    stored = journal.checkpoint(CONSUMER)
    if not engine.rules and (stored is None or former_rules(stored[1], engine.rules) is None):
        return 0, []
    after = {lane: max(0, journal.head(lane) - REPLAY_AT_MOST) for lane in READING_LANES}
    rules, former = engine.rules, None
    if stored is not None:
        former = former_rules(stored[1], rules)
        if former is not None:
            engine.adopt(former, 0)
        if engine.restore(stored[1]):
            after = {lane: journal.cursor(CONSUMER, lane) for lane in READING_LANES} | {Lane.BULK: stored[0]}
    rows = 0
    for told in weaves.told(journal, after):
        steps.replay(engine, told.steps, told.batch)
        rows += told.rows
    found = mended(journal, engine, now_ns)
    if former is not None:
        found.append(engine.adopt(rules, now_ns).findings)
    return rows, found


def mended(journal: Journal, engine: Engine, now_ns: int) -> list[Findings]:
    """Make again what rules made of times that were wrong; nothing where no rows moved since the checkpoint. Blocking.

    The checkpoint must be of just before the move: a node that dies in between finds it again, and mends it then.
    """
    text = journal.meta(REPAIR)
    if not text:
        return []
    found = msgspec.json.decode(text, type=Unrepaired)
    moved = Moved(found.offset_ns, found.from_ns, found.to_ns, found.is_unset)
    after = dict(zip(READING_LANES, padded(found.after), strict=True))
    batches = (batch for _, batch in weaves.in_order(journal, after))
    return [engine.restamped(moved, lambda quality: MOVED[quality], batches, now_ns)]


def former_rules(checkpoint: bytes, rules: Sequence[CompiledRule]) -> list[CompiledRule] | None:
    """The rules that the checkpoint was made with; None when they are the same, or can't be had any more."""
    try:
        documents = checkpoints.decode(checkpoint).documents()
    except SnapshotUnusable:
        return None
    if set(documents) == {rule.document for rule in rules} or not all(documents):
        return None
    from holdfast.stream.language.loading import compile_documents  # noqa: PLC0415  # sqlglot: 8 MiB, for those with rules

    try:
        return compile_documents(documents)
    except SettingsInvalid:  # this release takes them no more: what still fits goes on
        return None


class Quiet:
    """Steps that have nothing to tell: stored with the next commit that has, as the state goes with it then.

    A tick that changed nothing is kept only until the next one; should anything have moved unseen, the last one of them
    moves it, too.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[steps.Step, bool]] = []

    def add(self, prepared: Prepared) -> None:
        """Take the steps of what is quiet."""
        if self._steps and not prepared.moved and not self._steps[-1][1]:
            self._steps.pop()
        self._steps += [(step, prepared.moved) for step in prepared.steps]

    def before(self, prepared: Prepared) -> None:
        """All that was quiet came before this."""
        prepared.steps[:0] = [step for step, _ in self._steps]
        self._steps.clear()

    def clear(self) -> None:
        """A checkpoint comes."""
        self._steps.clear()

    @property
    def is_full(self) -> bool:
        """Are there so many that they should be stored?"""
        return len(self._steps) >= _MOST_QUIET
