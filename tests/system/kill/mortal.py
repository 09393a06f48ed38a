"""A node that kills itself when the body of a change says so: python -m tests.system.kill.mortal NODE.YAML.

`die-before`: its first row is on disk, and the handler hasn't begun; `die-after`: the handler is done, nobody was told.
"""

import os
import runpy
import signal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.identity.people.service import Caller
from holdfast.identity.people.trail import Trail
from holdfast.web import guard
from holdfast.web.noting import Words, noted


async def mortal(
    app: ASGIApp, trail: Trail, caller: Caller, words: Words | None, scope: Scope, receive: Receive, send: Send
) -> None:
    async def handler(scope: Scope, hear: Receive, say: Send) -> None:
        heard = [await hear()]
        body = heard[0].get("body", b"")

        async def again() -> Message:
            return heard.pop() if heard else await hear()

        async def tell(message: Message) -> None:
            if b"die-after" in body:
                os.kill(os.getpid(), signal.SIGKILL)
            await say(message)

        if b"die-before" in body:
            os.kill(os.getpid(), signal.SIGKILL)
        await app(scope, again, tell)

    await noted(handler, trail, caller, words, scope, receive, send)


if __name__ == "__main__":
    vars(guard)["noted"] = mortal
    runpy.run_module("holdfast.node", run_name="__main__")
