"""A trace's steps at the nodes below: asked of the child that brought it, as questions go anyway (ADR 14)."""

import asyncio
import uuid
from collections.abc import Callable, Sequence

import msgspec

from holdfast.ingest.questions import Questions, Unanswered
from holdfast.telemetry.spans import INGEST, Span
from holdfast.wire.asking import LANES, MAX_SPANS, AnswerHeader, Ask, RemoteAnswer, decode_answer, encode_answer
from holdfast.wire.errors import WireError

WITHIN_S = 3.0
DEPTH = 4
PASSED_ON = 0.8
MOST_STEPS = 60
NOTHING = ("-/-/-",)
"""A question must be about some series; a child that is older than traces looks for these, and finds none."""
Found = tuple[list[Span], list[str]]


class TracesBelow:
    """Asks children, and answers the parent. Made on the loop."""

    def __init__(self, node: str, questions: Questions | None, known: Callable[[str], list[Span]]) -> None:
        """questions: None = there are no children; known: the steps at this node; blocking."""
        self._node, self._questions, self._known = node, questions, known
        self._loop = asyncio.get_running_loop()

    async def __call__(
        self, trace: str, spans: Sequence[Span], within_s: float = WITHIN_S, depth: int = DEPTH
    ) -> Found:
        """The steps below these, and why some are missing."""
        children = {str(one.facts.get("child")) for one in spans if one.name == INGEST and one.node == self._node}
        found, notes = list[Span](), list[str]()
        if self._questions is None or depth <= 0:
            return found, notes
        asked = [self._ask(self._questions, child, trace, within_s, depth) for child in sorted(children)]
        for child, outcome in zip(sorted(children), await asyncio.gather(*asked), strict=True):
            if isinstance(outcome, str):
                notes.append(f"{child}: {outcome}")
            else:
                found += outcome
        return found, notes

    def answer(self, ask: Ask) -> bytes:
        """The body of an answer to the parent. Blocking; on a worker thread."""
        spans = self._known(ask.trace)
        if ask.depth > 0:
            call = self(ask.trace, spans, PASSED_ON * ask.within_s, min(ask.depth - 1, DEPTH))
            spans = spans + asyncio.run_coroutine_threadsafe(call, self._loop).result()[0]
        kept = spans[:MOST_STEPS]
        text = msgspec.json.encode(kept).decode()
        while len(text) > MAX_SPANS:
            kept = kept[: len(kept) // 2]
            text = msgspec.json.encode(kept).decode()
        return encode_answer(RemoteAnswer(AnswerHeader(ask.id, spans=text)))

    async def _ask(self, questions: Questions, child: str, trace: str, within_s: float, depth: int) -> list[Span] | str:
        standing = questions.standing(child)
        if standing is None or not standing.is_reachable:
            return "not reached"
        ask = Ask(
            uuid.uuid4().hex,
            NOTHING,
            0,
            1,
            limit=0,
            after=tuple(0 for _ in LANES),
            branch=standing.branch,
            depth=depth,
            within_s=within_s,
            trace=trace,
        )
        try:
            header = (await asyncio.to_thread(decode_answer, await questions.ask(child, ask, within_s))).header
            if header.status != "ok":
                return f"refused: {header.detail}"
            spans = msgspec.json.decode(header.spans or "[]", type=list[Span])
        except (Unanswered, WireError, msgspec.MsgspecError) as error:
            return str(error)
        mine = [one for one in spans[:MOST_STEPS] if one.trace == trace and one.node != self._node]
        return mine or "it knows nothing of this trace, or is older than traces"
