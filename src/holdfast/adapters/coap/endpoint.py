"""aiocoap, bounded. The only module that knows its insides; aiocoap 0.4.17 is what it was read against.

    socket ──▶ Door: gate, vetting ──▶ Messages: repeats ──▶ aiocoap's tokens ──▶ `take` (requests) or the one who asked

What is ours instead of aiocoap's: datagrams are let in by `gate` and vetted by `datagram`; messages that come twice
are known from a bounded `memory`; a request is handed on at once instead of to a task of its own, so that it's answered
when its receipt is settled. What stays aiocoap's: the socket with the right source address (RFC 3542), message ids,
tokens, retransmission, separate responses.
"""

import logging
import socket
from collections.abc import Callable
from typing import Any, Protocol

import aiocoap.error
from aiocoap import Context, Message
from aiocoap.messagemanager import MessageManager
from aiocoap.numbers.codes import INTERNAL_SERVER_ERROR
from aiocoap.numbers.types import ACK, CON, RST
from aiocoap.pipe import Pipe
from aiocoap.tokenmanager import TokenManager
from aiocoap.transports.udp6 import MessageInterfaceUDP6

from holdfast.adapters.coap.datagram import LARGEST, is_request, refusal, vet
from holdfast.adapters.coap.errors import CoapUnreachable
from holdfast.adapters.coap.gate import Gate
from holdfast.adapters.coap.memory import Memory
from holdfast.kernel.clock import Clock
from holdfast.transport.addresses import Address

LOG = "holdfast.coap"
_RECEIVE = 1024 * 1024
"""Bytes that the kernel keeps for us while the loop is busy; what it may give is the system's to say."""
_ERRORS = ((socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25))
"""IP_RECVERR, IPV6_RECVERR (ip(7), ipv6(7)), which aiocoap turns on and we off: uvloop stops reading for ever a socket
that has once had such an error, as when any peer closes its port. A device that's gone is known by its silence."""
Take = Callable[[Pipe], None]


class _Sent(Protocol):
    """What the message layer sends: whither, and the bytes."""

    remote: Any

    def encode(self) -> bytes: ...


class _Kept:
    """An answer as it went out."""

    __slots__ = ("_data", "remote")

    def __init__(self, sent: _Sent) -> None:
        self.remote, self._data = sent.remote, sent.encode()

    def encode(self) -> bytes:
        return self._data


class Door(MessageInterfaceUDP6):  # type: ignore[misc]  # aiocoap has no types
    """A socket whose datagrams are looked at before they are anything's."""

    _ctx: "_Messages"

    def datagram_msg_received(self, data: bytes, ancdata: Any, flags: int, address: Any) -> None:
        """A datagram came."""
        owner = self._ctx
        if not owner.gate.lets(address[0], owner.clock.monotonic()):
            return
        vetted = vet(b"" if flags & socket.MSG_TRUNC else data)
        if vetted.verdict == "malformed" or (not owner.is_server and is_request(data)):
            owner.gate.turned.malformed += 1
            return
        if vetted.verdict == "bad_option":
            owner.gate.turned.malformed += 1
            answer = refusal(data, vetted.option)
            if answer:
                self.transport.sendmsg(answer, ancdata, 0, address)
            return
        try:
            super().datagram_msg_received(vetted.data, ancdata, flags, address)
        except Exception:  # noqa: BLE001  # whatever a peer's bytes do to the library, they don't do to the node (G12)
            owner.gate.turned.malformed += 1


class _Messages(MessageManager):  # type: ignore[misc]  # aiocoap has no types
    """aiocoap's message layer with a memory of its own for messages that come twice."""

    def __init__(self, token_manager: TokenManager, gate: Gate, clock: Clock, remember: int) -> None:
        """remember: messages; 0 = requests are nothing for us."""
        super().__init__(token_manager)
        self.gate, self.clock, self.is_server = gate, clock, remember > 0
        self.memory: Memory[_Kept] = Memory(remember)

    def _deduplicate_message(self, message: Any) -> bool:
        key = (message.remote.sockaddr, message.mid)
        if not self.memory.is_repeat(key, self.clock.monotonic()):
            return False
        kept = self.memory.answer(key)
        if kept is not None and message.mtype is CON:
            self.message_interface.send(kept)
        return True

    def _store_response_for_duplicates(self, message: Any) -> None:
        if message.mtype in (ACK, RST):  # a separate response has a message id of ours, which is nobody's request
            self.memory.answered((message.remote.sockaddr, message.mid), _Kept(message))

    def waiting_of(self, remote: Any) -> int:
        """Answers to `remote` that wait for it to acknowledge another (NSTART, §4.7)."""
        return len(self._backlogs.get(remote, ()))


class _Site(Context):  # type: ignore[misc]  # aiocoap has no types
    """aiocoap's context; requests go to `take`."""

    take: Take | None = None

    def render_to_pipe(self, pipe: Pipe) -> None:
        if self.take is None:
            return
        try:
            self.take(pipe)
        except Exception:  # noqa: BLE001  # one request's fault is never the node's
            pipe.add_response(Message(code=INTERNAL_SERVER_ERROR), is_last=True)


class Endpoint:
    """A socket that speaks CoAP. `context` is for requests of ours."""

    def __init__(self, context: Context, door: Door, messages: _Messages) -> None:
        self.context, self._door, self._messages = context, door, messages
        self.gate = messages.gate

    @property
    def memory(self) -> Memory[_Kept]:
        """Messages that came."""
        return self._messages.memory

    @property
    def port(self) -> int:
        """The port that it has."""
        found: int = self._door.transport.get_extra_info("socket").getsockname()[1]
        return found

    def waiting_of(self, remote: Any) -> int:
        """Answers that a peer keeps waiting by not acknowledging others."""
        return self._messages.waiting_of(remote)

    def send_raw(self, data: bytes, remote: Any) -> None:
        """Send bytes as they are, for pretend devices that speak nonsense."""
        self._door.transport.sendmsg(data, [], 0, remote.sockaddr)

    async def close(self) -> None:
        """Close the socket; what is still being answered isn't."""
        await self.context.shutdown()


async def open_server(address: Address, gate: Gate, clock: Clock, remember: int, take: Take) -> Endpoint:
    """Listen.

    Raises:
        CoapUnreachable: when the address can't be had.
    """
    context, messages = _layers(gate, clock, remember)
    context.take = take
    try:
        claim(address)
        door = await Door.create_server_transport_endpoint(
            messages, log=context.log, loop=context.loop, bind=tuple(address), multicast=[]
        )
    except (OSError, aiocoap.error.Error) as error:
        said = getattr(error, "strerror", None) or error
        hint = "Is another server there? `ss -lunp` tells; port 0 takes a free one"
        raise CoapUnreachable(f"{address} can't be listened on: {said}", hint) from error
    return _joined(context, door, messages)


async def open_client(clock: Clock) -> Endpoint:
    """A socket for requests of ours; requests that come to it are dropped.

    Raises:
        CoapUnreachable: when there is no socket to be had.
    """
    context, messages = _layers(Gate((), 0.0), clock, 0)
    try:
        door = await Door.create_client_transport_endpoint(messages, log=context.log, loop=context.loop)
    except OSError as error:
        hint = "aiocoap's sockets are IPv6 ones that speak IPv4, too: is IPv6 switched off in the kernel?"
        raise CoapUnreachable(f"there is no socket to be had: {error.strerror or error}", hint) from error
    return _joined(context, door, messages)


def _layers(gate: Gate, clock: Clock, remember: int) -> tuple[_Site, _Messages]:
    log = logging.getLogger(LOG)
    log.propagate = False  # a line a bad datagram would let a peer fill the disk; they are counted instead
    log.setLevel(logging.CRITICAL + 1)
    context = _Site(loggername=LOG)
    return context, _Messages(TokenManager(context), gate, clock, remember)


def _joined(context: _Site, door: Door, messages: _Messages) -> Endpoint:
    """As `Context` joins its own, which can't be told of another message layer."""
    sock = door.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE)
    for level, option in _ERRORS:
        sock.setsockopt(level, option, 0)
    door.transport.max_size = LARGEST + 1  # aiocoap reads 4,096 and takes a longer one's beginning for all of it
    tokens = messages.token_manager
    messages.message_interface, tokens.token_interface = door, messages
    context.request_interfaces.append(tokens)
    return Endpoint(context, door, messages)


def claim(address: Address) -> None:
    """See that nobody has the address: aiocoap's sockets share theirs (SO_REUSEPORT), and two nodes would halve it."""
    if not address.port:
        return
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.bind((address.host, address.port))
