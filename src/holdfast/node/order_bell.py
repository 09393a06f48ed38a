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


async def ring_below(service: CommandService, below: Below, questions: Questions) -> None:
    """Whenever something may wait, call those for whom it does; for ever."""
    while True:
        bell = service.bell
        due = [child for child in service.desk.children() if below.has(child) and not below.is_asking(child)]
        for first in range(0, len(due), AT_ONCE):
            await asyncio.gather(*(_call(questions, child) for child in due[first : first + AT_ONCE]))
        await bell.wait()


async def _call(questions: Questions, child: str) -> None:
    standing = questions.standing(child)
    if standing is None or not standing.is_reachable:
        return
    ask = Ask(uuid.uuid4().hex, ("-/-",), 0, 1, branch=standing.branch, within_s=WITHIN_S, wake=True)
    with contextlib.suppress(Unanswered):  # its next report's receipt says it, too
        await questions.ask(child, ask, WITHIN_S)
