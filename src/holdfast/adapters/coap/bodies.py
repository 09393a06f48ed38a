"""Block-wise uploads (RFC 7959 §2.5, Block1), put together within bounds. Pure; time is an argument, in seconds.

A body is bounded in size, a peer in how many it has half sent, and all of them together in number and bytes; one whose
next block doesn't come is forgotten. Blocks come in order: what isn't the next one (or the last once more, as when our
answer was lost and the device gave the block a new message id) ends the body with 4.08, after which the device starts
again at block 0.

    body:  blocks [0, len) are here, contiguous;  started <= touched;  last = where the newest block began
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Literal, NamedTuple

SMALLEST, LARGEST = 16, 1_024
"""Bytes of a block: SZX 0 to 6; 7 is reserved on UDP (§2.2)."""

Verdict = Literal["more", "whole", "bad", "gap", "too_large", "busy"]


class Block(NamedTuple):
    """One block as it came. size: what the option says, not what is there."""

    number: int
    more: bool
    size: int
    payload: bytes
    total: int | None
    """Size1 (§4), where the device tells it."""


class Step(NamedTuple):
    """What a block leads to.

    verdict: more = acknowledge and wait for the next (2.31) · whole = `body` is complete · bad = 4.00 · gap = 4.08 ·
             too_large = 4.13 · busy = 5.03
    """

    verdict: Verdict
    body: bytes = b""
    why: str = ""


class _Body:
    __slots__ = ("data", "last", "started", "touched")

    def __init__(self, now: float) -> None:
        self.data = bytearray()
        self.last = 0
        self.started = self.touched = now


class Bodies:
    """The half-sent bodies of all peers; the one that was touched longest ago is first."""

    def __init__(self, largest: int, most: int, most_of_peer: int, most_bytes: int, patience_s: float) -> None:
        """largest: bytes of a body; most, most_of_peer, most_bytes: half-sent at once; patience_s: between blocks."""
        self._largest, self._most, self._most_of_peer = largest, most, most_of_peer
        self._most_bytes, self._patience_s = most_bytes, patience_s
        self._open: OrderedDict[tuple[str, Hashable], _Body] = OrderedDict()
        self._of_peer: dict[str, int] = {}
        self.bytes = 0
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._open)

    def feed(self, peer: str, key: Hashable, block: Block, now: float) -> Step:
        """Take a block. key: equal for all blocks of one body of `peer` (§2.5: endpoint, options, resource)."""
        self.prune(now)
        fault = _fault(block)
        if fault:
            self._drop((peer, key))
            return Step("bad", why=fault)
        if block.number * block.size + len(block.payload) > self._largest or (block.total or 0) > self._largest:
            self._drop((peer, key))
            return Step("too_large", why=f"a body has at most {self._largest} bytes here")
        if block.number == 0:
            return self._first(peer, key, block, now)
        body = self._open.get((peer, key))
        if body is None:
            return Step("gap", why="no block before this one is here: start again at block 0")
        return self._next((peer, key), body, block, now)

    def prune(self, now: float) -> None:
        """Forget bodies whose next block is overdue."""
        while self._open:
            name, body = next(iter(self._open.items()))
            if now - body.touched <= self._patience_s:
                return
            self.given_up += 1
            self._drop(name)

    def _first(self, peer: str, key: Hashable, block: Block, now: float) -> Step:
        self._drop((peer, key))  # §2.5: an earlier one of the same name ends silently
        if not block.more:
            return Step("whole", block.payload)
        if self._of_peer.get(peer, 0) >= self._most_of_peer:
            return Step("busy", why=f"finish one of the {self._most_of_peer} bodies that you began first")
        if len(self._open) >= self._most or self.bytes + block.size > self._most_bytes:
            return Step("busy", why="too many bodies are half sent: try again")
        body = self._open[(peer, key)] = _Body(now)
        self._of_peer[peer] = self._of_peer.get(peer, 0) + 1
        self._append(body, block)
        return Step("more")

    def _next(self, name: tuple[str, Hashable], body: _Body, block: Block, now: float) -> Step:
        at = block.number * block.size
        is_repeat = at == body.last and bytes(body.data[at:]) == block.payload and at < len(body.data)
        if at != len(body.data) and not is_repeat:
            self._drop(name)
            return Step("gap", why=f"byte {len(body.data)} should be next, not {at}: start again at block 0")
        if not is_repeat:
            if self.bytes + len(block.payload) > self._most_bytes:
                self._drop(name)
                return Step("busy", why="too many bytes are half sent: try again")
            body.last = at
            self._append(body, block)
        if block.more:
            body.touched = now
            self._open.move_to_end(name)
            return Step("more")
        whole = bytes(body.data)
        self._drop(name)
        return Step("whole", whole)

    def _append(self, body: _Body, block: Block) -> None:
        body.data += block.payload
        self.bytes += len(block.payload)

    def _drop(self, name: tuple[str, Hashable]) -> None:
        body = self._open.pop(name, None)
        if body is None:
            return
        self.bytes -= len(body.data)
        left = self._of_peer[name[0]] - 1
        if left:
            self._of_peer[name[0]] = left
        else:
            del self._of_peer[name[0]]


def _fault(block: Block) -> str:
    if not SMALLEST <= block.size <= LARGEST:
        return "a block has 16 to 1024 bytes (RFC 7959 §2.2)"
    if block.more and len(block.payload) != block.size:
        return f"block {block.number} has {len(block.payload)} bytes and its option says {block.size}"
    if len(block.payload) > block.size:
        return f"block {block.number} has more than the {block.size} bytes that its option says"
    return ""
