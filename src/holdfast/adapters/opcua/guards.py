"""asyncua's client with bounds: what a server says is never larger, deeper or more than we asked for.

asyncua 2.1 joins chunks quadratically, takes the server's limits for its own, and makes arrays as long as they claim to
be (a null array of 2**31 elements from six bytes stops the loop for minutes). These classes put that right from
outside. Imported only when an adapter of this kind is on.
"""

import asyncio
import logging
from struct import Struct
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.common.connection import TransportLimits
from asyncua.ua import ua_binary

from holdfast.adapters.opcua.errors import ServerSaid
from holdfast.adapters.opcua.words import hint_of, sound, status_words

MOST_CHUNK = 256 * 1024
MOST_MESSAGE = 16 * 1024 * 1024
MOST_CHUNKS = MOST_MESSAGE // 8_192
_MOST_SENT, _LEAST_SENT = 65_535, 8_192
_HEAD = Struct("<4sI")
_LEAST_HEAD = 8
_LONGEST_REASON = 200
_NO_REASON = "Its log says more; `holdfast opcua trust URL` shows what security it offers"
_KINDS = frozenset((b"ACK", b"ERR", b"OPN", b"CLO", b"MSG"))


class Protocol(UASocketProtocol):  # type: ignore[misc]  # asyncua's types aren't followed
    """The socket: frames are cut here, within bounds, and the reason of an end is kept."""

    def __init__(self, timeout: float, security_policy: Any) -> None:
        super().__init__(timeout, security_policy, _limits())
        self._pile = bytearray()
        self.receive_buffer: bytes | None = None
        self.fault: Exception | None = None

    def data_received(self, data: bytes) -> None:
        """Bytes came: whole chunks go on to asyncua."""
        self._pile += data
        while len(self._pile) >= _LEAST_HEAD and self.fault is None and not self._is_cut():
            head, size = _HEAD.unpack_from(self._pile)
            if head[:3] not in _KINDS or not _LEAST_HEAD <= size <= MOST_CHUNK:
                self.fail(ConnectionError("what answers there doesn't speak OPC UA, or a chunk is too large"))
                return
            if len(self._pile) < size:
                return
            chunk = bytes(self._pile[:size])
            del self._pile[:size]
            self._process_received_data(chunk)

    def _process_received_message(self, msg: Any) -> None:
        if isinstance(msg, ua.ErrorMessage):
            code = msg.Error.value if msg.Error else 0
            said = f"the server ended the connection: {status_words(code) if code else 'it says no reason'}"
            why = f" ({sound(msg.Reason[:_LONGEST_REASON])})" if msg.Reason else ""
            self.fail(ServerSaid(said + why, hint_of(code) or _NO_REASON, code))
            return
        super()._process_received_message(msg)
        if isinstance(msg, ua.Acknowledge):  # asyncua takes the server's own limits for ours
            self._connection._limits = _limits(msg.ReceiveBufferSize)  # noqa: SLF001  # there is no other way in

    def _process_received_data(self, data: bytes) -> None:
        super()._process_received_data(data)
        if self.receive_buffer:  # a whole chunk, and yet not enough: asyncua would wait for more
            self.receive_buffer = None
            self.fail(ConnectionError("a chunk ends early"))
        elif self._is_cut() and self.fault is None:
            self.fault = ConnectionError("the server's bytes can't be read as OPC UA")

    def _is_cut(self) -> bool:
        return self.transport is None or self.transport.is_closing()

    async def send_hello(self, url: str, max_messagesize: int = 0, max_chunkcount: int = 0) -> ua.Acknowledge:
        """Say what we take: asyncua would say that chunks may have 2 GiB."""
        hello = ua.Hello()
        hello.ReceiveBufferSize, hello.SendBufferSize = MOST_CHUNK, _MOST_SENT
        hello.MaxMessageSize, hello.MaxChunkCount, hello.EndpointUrl = max_messagesize, max_chunkcount, url
        answer: asyncio.Future[ua.Acknowledge] = asyncio.get_running_loop().create_future()
        self._callbackmap[0] = answer
        if self.transport is not None:
            self.transport.write(ua_binary.uatcp_to_binary(ua.MessageType.Hello, hello))
        return await asyncio.wait_for(answer, self.timeout)

    def disconnect_socket(self) -> None:
        """Cut, without waiting for a peer that doesn't read."""
        if self.transport is not None:
            self.transport.abort()

    def fail(self, error: Exception) -> None:
        """Cut the connection, and let everybody who waits know why."""
        self.fault = self.fault or error
        self._fail_all_pending(error)
        self.disconnect_socket()


class BoundedUaClient(UaClient):  # type: ignore[misc]  # as above
    """Makes such protocols."""

    protocol: Protocol | None

    def _make_protocol(self) -> UASocketProtocol:
        made = Protocol(self._timeout, self.security_policy)
        made.pre_request_hook = self._pre_request_hook
        made.on_connection_lost = self._on_transport_lost
        made.is_session_closing = self._is_session_closing
        self.protocol = made
        return made


class BoundedClient(Client):  # type: ignore[misc]  # as above
    """asyncua's client, of which only the steps of connecting are used: none of its own tasks is started."""

    uaclient: BoundedUaClient

    def __init__(self, url: str, timeout: float) -> None:
        bound()
        super().__init__(url, timeout)
        self.uaclient = BoundedUaClient(timeout)
        self.uaclient.pre_request_hook = None
        self.max_messagesize, self.max_chunkcount = MOST_MESSAGE, MOST_CHUNKS

    def _start_renew_loop(self) -> None:
        """The owner renews the channel, where its failure is seen."""


_whole_array = ua_binary.unpack_uatype_array


def _bounded_array(vtype: Any, data: Any) -> list[Any] | None:
    peek = data.copy()
    size = ua_binary.Primitives.Int32.unpack(peek)
    if size > len(peek):
        msg = f"an array of {size} elements can't be in {len(peek)} bytes"
        raise ua.UaError(msg)
    found: list[Any] | None = _whole_array(vtype, data)
    return found


def bound() -> None:
    """Bound asyncua's arrays (see above), and silence its log: failures are told by us."""
    ua_binary.unpack_uatype_array = _bounded_array
    quiet()


def quiet() -> None:
    """Silence asyncua's log."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)


def _limits(sent: int = 65_535) -> TransportLimits:
    return TransportLimits(MOST_CHUNK, min(max(sent, _LEAST_SENT), _MOST_SENT), MOST_CHUNKS, MOST_MESSAGE)


async def wait_closed(client: BoundedClient) -> None:
    """Let the loop take the closed socket's last call, so that nothing is left behind."""
    client.disconnect_socket()
    await asyncio.sleep(0)
