"""Calls children that hold no question for commands open: over the way that questions take, at once when one is open.

A child that isn't reached so is told with the receipt of its next report, 15 s later at the most.
"""

import asyncio
import contextlib
import uuid

from holdfast.commands.below import Below
from holdfast.commands.service import CommandService
from holdfast.ingest.questions import Questions, Unanswered
from holdfast.wire.asking import Ask

WITHIN_S = 5.0
AT_ONCE = 32
AGAIN_S = 2.0
"""Between two looks for one that was away."""


async def ring_below(service: CommandService, below: Below, questions: Questions) -> None:
    """Whenever something may wait, call those for whom it does, each once it is there; for ever."""
    reached = set[str]()
    heard: asyncio.Event | None = None
    while True:
        bell = service.bell
        if bell is not heard:
            heard, reached = bell, set()
        away = [
            child
            for child in service.desk.children()
            if child not in reached and below.has(child) and not below.is_asking(child)
        ]
        for first in range(0, len(away), AT_ONCE):
            some = away[first : first + AT_ONCE]
            came = await asyncio.gather(*(_call(questions, child) for child in some))
            reached.update(child for child, is_there in zip(some, came, strict=True) if is_there)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if reached.issuperset(away) else AGAIN_S):
                await bell.wait()


async def _call(questions: Questions, child: str) -> bool:
    standing = questions.standing(child)
    if standing is None or not standing.is_reachable:
        return False
    ask = Ask(uuid.uuid4().hex, ("-/-",), 0, 1, branch=standing.branch, within_s=WITHIN_S, wake=True)
    try:
        await questions.ask(child, ask, WITHIN_S)
    except Unanswered:  # its next report's receipt says it, too
        return False
    return True
