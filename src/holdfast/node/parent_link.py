"""The uplink's way to its parent: six calls over HTTPS, foreign outcomes turned into `LinkDown` and `LinkRefused`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote

import msgspec

from holdfast.crypto.tokens import Token
from holdfast.identity.errors import TokenUnusable
from holdfast.identity.tokens import read_token
from holdfast.storage.errors import StorageError
from holdfast.transport.errors import CallFailed, TransportError
from holdfast.transport.https import HttpsClient, Response
from holdfast.transport.tls import client_context
from holdfast.wire.asking import Ask, Poll
from holdfast.wire.errors import BodyTooLarge, LinkDown, LinkRefused
from holdfast.wire.messages import BatchReply, Fetch, Hello, Welcome

HELLO_PATH = "/api/v1/sync/hello"
BATCH_PATH = "/api/v1/sync/batch"
FETCH_PATH = "/api/v1/sync/fetch"
QUESTIONS_PATH = "/api/v1/sync/questions"
ANSWERS_PATH = "/api/v1/sync/answers/"
ASK_PATH = "/api/v1/sync/ask"
# A damaged group's rows are the longest answer.
MOST = 16 << 20
ARROW = "application/vnd.apache.arrow.stream"
# What an operator must mend first: asking more often only fills logs on both sides.
SLOW_S = 60.0
# What the parent says when it didn't name a pause itself.
BUSY_S = 5.0
STRANGER = {
    401: "it does not know this token, or the token's time is over: put a new one on both sides",
    403: "this token may not do that",
}
_SENTENCES = {
    **STRANGER,
    404: "it takes no children: set `children` there, and check the URL",
}
_SLOW = (401, 403, 404)
T = TypeVar("T")


class Parent(Protocol):
    """Where the parent is; `uplink.settings.ParentSettings`."""

    @property
    def url(self) -> str:
        """https://host:port."""
        ...

    @property
    def ca(self) -> str:
        """The CA file that the parent's certificate must be signed by."""
        ...

    @property
    def token_file(self) -> str:
        """The file with this node's token."""
        ...

    @property
    def timeout(self) -> float:
        """Longest silence, seconds."""
        ...


class HttpsParentLink:
    """Implements `uplink.ports.ParentLink` and `ParentStore`, and `uplink.questions.QuestionLink`.

    Calls may overlap; after `close` none may be made.
    """

    def __init__(self, parent: Parent, path: Callable[[str], Path]) -> None:
        """Read the CA and the token; connect to nothing yet.

        path: makes a path of node.yaml absolute

        Raises:
            AddressInvalid: when the URL is not https://.
            TlsUnusable, TokenUnusable, StorageUnusable: when a file can't be used.
        """
        ca = path(parent.ca)
        self._token_file = path(parent.token_file)
        self._token = read_token(self._token_file)
        tls = client_context(ca)
        self._client = HttpsClient(parent.url, tls, ca=str(ca), timeout_s=parent.timeout, connections=6, max_reply=MOST)
        self._welcome = msgspec.json.Decoder(Welcome)
        self._reply = msgspec.json.Decoder(BatchReply)
        self._silence_s = parent.timeout

    @property
    def sent_bytes(self) -> int:
        """Bodies and headers sent, before TLS."""
        return self._client.sent_bytes

    @property
    def received_bytes(self) -> int:
        """Bodies and headers received, before TLS."""
        return self._client.received_bytes

    async def hello(self, hello: Hello) -> Welcome:
        """Open a session; reads the token file again, so a new token needs no restart.

        Raises:
            LinkDown: no answer came.
            LinkRefused: the answer is not a welcome.
        """
        try:
            self._token = read_token(self._token_file)
        except (StorageError, TokenUnusable) as error:
            raise LinkRefused(str(error), SLOW_S) from error
        return _decoded(await self._post(HELLO_PATH, msgspec.json.encode(hello), "application/json"), self._welcome)

    async def batch(self, body: bytes) -> BatchReply:
        """Offer a batch.

        Raises:
            LinkDown: no answer came; whether it was applied is unknown.
            LinkRefused: the answer is not a reply; nothing was applied.
        """
        return _decoded(await self._post(BATCH_PATH, body, ARROW), self._reply)

    async def fetch(self, wanted: Fetch) -> bytes | None:
        """Have own rows back; None when the parent hasn't all of them.

        Raises:
            LinkDown: no answer came.
            LinkRefused: the answer is a refusal.
        """
        answer = await self._post(FETCH_PATH, msgspec.json.encode(wanted), "application/json")
        return answer.body if answer.status == 200 else None

    async def questions(self, poll: Poll) -> bytes | None:
        """Wait for a question of the parent's; None when none came. Raises like `fetch`."""
        silence_s = poll.wait_s + self._silence_s
        answer = await self._post(QUESTIONS_PATH, msgspec.json.encode(poll), "application/json", silence_s)
        return answer.body if answer.status == 200 else None

    async def answer(self, number: str, body: bytes) -> bool:
        """Send an answer; False when nobody waits for it any more. Raises like `fetch`."""
        answer = await self._post(ANSWERS_PATH + quote(number, safe=""), body, ARROW)
        return answer.status == 204

    async def ask(self, ask: Ask) -> bytes:
        """Ask the parent for what this node has let go. Raises like `fetch`."""
        answer = await self._post(ASK_PATH, msgspec.json.encode(ask), "application/json", ask.within_s)
        return answer.body

    async def close(self) -> None:
        """Close the kept connections."""
        await self._client.close()

    async def _post(self, path: str, body: bytes, kind: str, silence_s: float | None = None) -> Response:
        return await call(self._client, self._token, path, body, kind, _SENTENCES, silence_s)


async def call(
    client: HttpsClient,
    token: Token,
    path: str,
    body: bytes,
    kind: str,
    sentences: Mapping[int, str],
    silence_s: float | None = None,
) -> Response:
    """POST to the parent. sentences: what a status means to an operator of this node; silence_s: None = as usual.

    Raises:
        LinkDown: no answer came.
        LinkRefused: the answer is a refusal.
    """
    headers = {"Authorization": f"Bearer {token.text}", "Content-Type": kind}
    try:
        answer = await client.post(path, body, headers, silence_s)
    except CallFailed as error:
        raise LinkDown(str(error)) from error
    except TransportError as error:
        raise LinkRefused(f"{error}; {error.hint}" if error.hint else str(error), SLOW_S) from error
    if answer.status == 413:
        raise BodyTooLarge(f"a body of {len(body):,} bytes is too large for it or a proxy before it", SLOW_S)
    if answer.status not in (200, 204):
        raise LinkRefused(_sentence(answer, sentences), _pause(answer))
    return answer


def _sentence(answer: Response, sentences: Mapping[int, str]) -> str:
    if answer.status in sentences:
        return sentences[answer.status]
    try:
        said = str(msgspec.json.decode(answer.body)["error"])[:200]
    except (msgspec.MsgspecError, KeyError, TypeError):
        said = "no reason given"
    return f"status {answer.status}: {said}"


def _pause(answer: Response) -> float:
    if answer.status in _SLOW:
        return max(SLOW_S, answer.retry_after_s or 0.0)
    return BUSY_S if answer.retry_after_s is None else answer.retry_after_s


def _decoded(answer: Response, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(answer.body)
    except msgspec.MsgspecError as error:
        raise LinkRefused(f"what answers there is no Holdfast node of a fitting version ({error})", SLOW_S) from error
