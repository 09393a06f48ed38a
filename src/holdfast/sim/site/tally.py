"""What was played, in numbers: a hash over everything on the wire, and counts by protocol. Pure."""

from hashlib import sha256

import msgspec

from holdfast.sim.ends.port import SOUND
from holdfast.sim.site.play import Showing

_NS_PER_MS = 1_000_000


class Counted(msgspec.Struct):
    """Of one protocol. shown: times that a device's state went on the wire; silent: it couldn't, for a fault."""

    devices: int = 0
    shown: int = 0
    frames: int = 0
    bytes: int = 0
    silent: int = 0


class Tally:
    """Tell it everything that's played, in order.

    The hash is SHA-256 over, for each showing: time (u64 ns), device (length u16, UTF-8), faults (dropout 1, half-open
    2, garbage 4, u8; delay u64 ns), number of frames (u32), and each frame with its length (u32). Numbers are
    big-endian. While a device is gone it has no frames. A frame is what its protocol's end made of the state; garbage
    is made of it afterwards, so the flag stands for it.
    """

    def __init__(self, protocols: dict[str, tuple[str, int]]) -> None:
        """protocols: by group, its protocol and its devices."""
        self.by_protocol: dict[str, Counted] = {}
        self._protocol = {group: protocol for group, (protocol, _) in protocols.items()}
        for protocol, devices in protocols.values():
            self.by_protocol.setdefault(protocol, Counted()).devices += devices
        self._hash = sha256()
        self.until_ns = 0
        """Everything before this, ns after the start, was played."""

    def take(self, showing: Showing) -> None:
        """Count it."""
        _, group, device, at_ns, frames, faults = showing
        name = device.encode()
        parts = [at_ns.to_bytes(8, "big", signed=True), len(name).to_bytes(2, "big"), name]
        counted = self.by_protocol[self._protocol[group]]
        if faults is SOUND:
            parts.append(bytes(9))
        else:
            flags = faults.dropout | faults.half_open << 1 | faults.garbage << 2
            parts += [bytes((flags,)), round(faults.slow_s * 1e9).to_bytes(8, "big")]
        if faults.dropout or faults.half_open:
            counted.silent += 1
            parts.append(bytes(4))
        else:
            parts.append(len(frames).to_bytes(4, "big"))
            for frame in frames:
                parts += [len(frame).to_bytes(4, "big"), frame]
                counted.bytes += len(frame)
            counted.shown += 1
            counted.frames += len(frames)
        self._hash.update(b"".join(parts))
        self.until_ns = showing.offset_ns + _NS_PER_MS

    @property
    def digest(self) -> str:
        """The hash so far, in hex."""
        return self._hash.hexdigest()

    @property
    def total(self) -> Counted:
        """All protocols together."""
        whole = Counted()
        for each in self.by_protocol.values():
            for name in whole.__struct_fields__:
                setattr(whole, name, getattr(whole, name) + getattr(each, name))
        return whole
