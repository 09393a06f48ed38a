"""One instrument on its line: kept open, asked, heard, and offered to the inbox frame by frame.

    bytes ──▶ Frames ──▶ payloads ──offer──▶ inbox        an answer that a command waits for is nobody's reading

Nothing can be sent again by an instrument, so a refused arrival is counted and gone. Backpressure: while the inbox is
full the port isn't read; the operating system holds a few kB, and with `flow` the instrument itself waits.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Literal

from msgspec.structs import replace

from holdfast.adapters.errors import DeviceUnreachable, WriteFailed, WriteRefused
from holdfast.adapters.port import Arrival, DeviceState, Inbox
from holdfast.adapters.serial.errors import LineLost, LineSilent, NotOpen
from holdfast.adapters.serial.exchange import Expected, ValueUnfit, expected_of, message_of, read_back
from holdfast.adapters.serial.happenings import WHYS, SerialFramesRefused, SerialHeard, SerialSilent
from holdfast.adapters.serial.intake import Frames
from holdfast.adapters.serial.settings import SerialSettings, bytes_of
from holdfast.adapters.serial.trying import HINTS, try_line
from holdfast.adapters.serial.wire import Wire
from holdfast.adapters.supervised import AdapterStatus, Supervised, Worked
from holdfast.kernel.clock import Clock
from holdfast.model.gone import MARK, gone_topic
from holdfast.model.points import PointMap, Scalar
from holdfast.telemetry.happenings import Telemetry
from holdfast.transport.backoff import Backoff

_TOLD_EVERY_S = 60.0
_CLOSED_S = 5.0
"""A line that stays closed for so long is gone, whatever `offline_after` says."""


@dataclass(slots=True)
class _Awaited:
    """What a question or command waits for. expected: None = any frame, which is a reading all the same."""

    expected: Expected | None
    answer: asyncio.Future[bytes]


class _Receipt:
    """Of some frames. An instrument can't send them again: what is refused is counted, and gone."""

    __slots__ = ("_line", "_size")

    def __init__(self, line: "SerialLine", size: int) -> None:
        self._line, self._size = line, size

    def settle(self) -> None:
        """They're on disk."""
        self._line.settled += self._size

    def refuse(self) -> None:
        """They aren't, and won't be."""
        self._line.settled += self._size
        self._line.lost += self._size


class SerialLine:
    """One instrument. `run` is its only task's body; everything happens on the loop's thread."""

    def __init__(
        self, name: str, settings: SerialSettings, inbox: Inbox, clock: Clock, telemetry: Telemetry, rng: Random
    ) -> None:
        self.name, self.device = f"serial:{name}", name
        self.topic = f"serial/{name}"
        self._settings, self._inbox, self._clock, self._telemetry = settings, inbox, clock, telemetry
        self.frames = Frames(settings)
        backoff = Backoff(settings.backoff_min, max(settings.backoff_min, settings.backoff_max), rng)
        self.health = Supervised((self.name, "serial", settings.port), clock, telemetry, backoff)
        self._wire: Wire | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._talk = asyncio.Lock()  # one question or command at a time: answers carry no name
        self._awaited: _Awaited | None = None
        self._is_stopping = self._is_held = False
        self._opened = self._heard = clock.monotonic()
        self._is_fresh = True  # nothing has come since the line was opened
        self.last_ns = 0
        self.is_gone = False
        self.asked = self.unanswered = self.skipped = 0
        self.received = self.settled = self.lost = 0
        self._told: Counter[str] = Counter()
        self._told_at = -_TOLD_EVERY_S
        self._measure(telemetry)

    def _measure(self, telemetry: Telemetry) -> None:
        said = "Frames of instruments that became messages."
        telemetry.counter("serial_frames", said, lambda: self.frames.taken, line=self.device)
        said = "Frames of instruments that didn't, by why."
        for why in WHYS:
            read = partial(self.frames.refused_for, why)
            telemetry.counter("serial_frames_refused", said, read, line=self.device, why=why)

    async def run(self) -> None:
        """Open, ask, hear, and open again, for ever."""
        watching = asyncio.create_task(self._watch())
        try:
            await self.health.run(self._once)
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def stop(self, deadline_s: float) -> None:
        """Read no more; what was read is with the inbox. Cancel `run` afterwards."""
        del deadline_s
        self._is_stopping = True
        if self._wire is not None:
            self._wire.hold(on=True)

    async def _once(self, worked: Worked) -> None:
        wire = Wire(self._bytes)
        await wire.open(self._settings)
        self._opened, self._is_fresh, self._wire = self._clock.monotonic(), True, wire
        asking: asyncio.Task[None] | None = None
        try:
            wire.hold(on=self._is_held)
            worked()
            if self._settings.hello:
                await wire.send(bytes_of(self._settings.hello))
            asking = asyncio.create_task(self._ask())
            await asyncio.wait((wire.lost, asking), return_when=asyncio.FIRST_COMPLETED)
            raise wire.lost.result() if wire.lost.done() else asking.exception() or LineLost("the line was closed")
        finally:
            await self._closed(wire, asking)

    async def _closed(self, wire: Wire, asking: asyncio.Task[None] | None) -> None:
        self._wire, self._opened = None, self._clock.monotonic()
        wire.close()
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        self._stop_timer()
        self.frames.cut()
        if self._awaited is not None and not self._awaited.answer.done():
            self._awaited.answer.set_exception(LineLost("the line was closed before the answer came"))

    # Hearing

    def _bytes(self, data: bytes) -> None:
        now = self._clock.monotonic()
        if self._is_fresh:
            self._is_fresh = False
            if not self._settings.ask and now - self._opened < self._settings.joined:
                self.frames.joined()
        self._take(self.frames.feed(data, now), now)
        self._set_timer(now)

    def _quiet(self) -> None:
        now = self._clock.monotonic()
        self._timer = None
        self._take(self.frames.quiet(now), now)
        self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        self._stop_timer()
        if (due := self.frames.due) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.001, due - now), self._quiet)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _take(self, payloads: list[bytes], now: float) -> None:
        self._tell_refused(now)
        if not payloads:
            return
        if self.is_gone:
            self._back(now)
        self._heard, self.last_ns = now, self._clock.wall_ns()
        readings = payloads if self._awaited is None else [p for p in payloads if not self._is_answer(p)]
        if readings and not self._is_stopping:
            self.received += len(readings)
            self._offer(Arrival(self.name, self.topic, readings, self.last_ns, _Receipt(self, len(readings))))

    def _offer(self, arrival: Arrival) -> None:
        if not self._inbox.offer(arrival) and not self._is_held:
            self._is_held = True
            if self._wire is not None:
                self._wire.hold(on=True)
            self._inbox.when_drained(self._read_on)

    def _is_answer(self, payload: bytes) -> bool:
        """Is this what a command waits for? What a question does is a reading as well."""
        awaited = self._awaited
        if awaited is None or awaited.answer.done():
            return False
        if awaited.expected is None:
            awaited.answer.set_result(payload)
            return False
        if awaited.expected.match(payload) is None:
            return False
        awaited.answer.set_result(payload)
        return True

    def _read_on(self) -> None:
        self._is_held = False
        self._heard = max(self._heard, self._clock.monotonic())  # it wasn't silent: nobody listened
        if self._wire is not None and not self._is_stopping:
            self._wire.hold(on=False)

    def _tell_refused(self, now: float) -> None:
        refused = self.frames.refused
        fresh = refused - self._told
        if now - self._told_at < _TOLD_EVERY_S or not fresh:
            return
        self._told_at, self._told = now, refused
        why = max(fresh, key=lambda one: fresh[one])
        if why == "partial":  # the ends of a line's life have some
            return
        said = SerialFramesRefused(
            line=self.device, frames=fresh.total(), begins=self.frames.begins, hint=HINTS.get(why, "")
        )
        self._telemetry.emit(said)

    # Asking and commanding

    async def _ask(self) -> None:
        settings = self._settings
        if not settings.ask:
            await asyncio.Event().wait()
        question, due = bytes_of(settings.ask), self._clock.monotonic()
        while True:
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
            due = max(due + settings.every, self._clock.monotonic())
            if self._is_held:
                self.skipped += 1
                continue
            self.asked += 1
            try:
                await self._exchange(question, None, settings.timeout)
            except LineSilent:
                self.unanswered += 1

    async def command(self, name: str, value: Scalar) -> Scalar:
        """Send a command of the settings, and wait for its answer; what the instrument says it took.

        Raises:
            KeyError: when there's no such command.
            ValueUnfit: when the value can't be put into its text; nothing was sent.
            LineLost, LineSilent: when it isn't there, or doesn't answer as expected. Then nobody knows what it did,
                but for a line that wasn't open.
        """
        settings = self._settings.commands[name]
        text, expected = message_of(settings, value, self._settings.encoding), expected_of(settings)
        if expected is None:
            async with self._talk:
                await self._open_wire().send(text)
            return value
        answer = await self._exchange(text, expected, settings.timeout)
        return read_back(value, expected.match(answer))

    async def _exchange(self, text: bytes, expected: Expected | None, timeout_s: float) -> bytes:
        async with self._talk:
            wire = self._open_wire()
            self._awaited = _Awaited(expected, asyncio.get_running_loop().create_future())
            try:
                async with asyncio.timeout(timeout_s):
                    await wire.send(text)
                    return await self._awaited.answer
            except TimeoutError as error:
                what = "the expected answer" if expected is not None else "a whole frame"
                raise LineSilent(f"{what} didn't come within {timeout_s:g} s") from error
            finally:
                self._awaited = None

    def _open_wire(self) -> Wire:
        if self._wire is None:
            raise NotOpen("the port isn't open")
        return self._wire

    # Silence

    async def _watch(self) -> None:
        silence_s = self._settings.silence_s
        while True:
            await asyncio.sleep(min(1.0, max(0.05, silence_s / 10)) if silence_s else 1.0)
            now = self._clock.monotonic()
            silent = bool(silence_s) and not self._is_held and now - self._heard > silence_s
            closed = self._wire is None and now - self._opened > _CLOSED_S
            if (silent or closed) and not self.is_gone:
                self._leave(now)
            is_server = self._wire is not None and self._settings.address is not None
            if silent and is_server and now - self._opened > silence_s:
                # a frozen serial server keeps its connection: ask for another
                self._reopen(LineSilent(f"nothing came for {now - self._heard:.0f} s"))

    def _leave(self, now: float) -> None:
        """What it told isn't known any more: its readings are marked offline, once."""
        self.is_gone = True
        self._telemetry.emit(SerialSilent(line=self.device, silent_s=round(now - self._heard, 1)))
        if not self._is_stopping:
            at_ns = self._clock.wall_ns()
            self._offer(Arrival(self.name, gone_topic(self.topic), (MARK,), at_ns, _Receipt(self, 0)))

    def _reopen(self, why: LineSilent) -> None:
        if self._wire is not None:
            self._wire.gone(why)

    def _back(self, now: float) -> None:
        self.is_gone = False
        self._telemetry.emit(SerialHeard(line=self.device, gone_s=round(now - self._heard, 1)))

    # As the node's edge sees it

    def status(self) -> AdapterStatus:
        """How it is; one that is open and silent fails."""
        found = self.health.status(self.detail, self.received, self.received - self.settled)
        if not self.is_gone or found.state != "working":
            return found
        silent = f"nothing has come for {self._clock.monotonic() - self._heard:.0f} s"
        return replace(found, state="failing", error=silent, hint="Is the instrument on, and its `baud` the line's?")

    def devices(self) -> list[DeviceState]:
        """The instrument."""
        status = self.status()
        works: Literal["waiting", "working"] = "working" if self.last_ns else "waiting"
        return [
            DeviceState(
                self.device,
                self._settings.port,
                "failing" if status.state == "failing" else works,
                self._settings.every if self._settings.ask else 0.0,
                self.last_ns,
                self.asked,
                self.unanswered,
                self.skipped,
                error=status.error if status.state == "failing" else "",
            )
        ]

    async def try_once(self) -> str:
        """Open the port, ask where it must be asked, and wait for a frame. See `EdgeAdapter`."""
        return await try_line(self._settings, self._clock)

    def writes(self, device: str) -> bool:
        """Has it commands?"""
        return device == self.device and bool(self._settings.commands)

    def map_of(self, device: str) -> PointMap | None:
        """None: values go as commands give them."""
        del device
        return None  # mypy wants it said

    async def write(self, device: str, values: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Send the command of each name with its value. See `EdgeAdapter`."""
        del device
        unknown = values.keys() - self._settings.commands.keys()
        if unknown:
            known = ", ".join(self._settings.commands)
            raise WriteRefused(f"`{min(unknown)}` is no command of this instrument", f"there are {known}")
        done: dict[str, Scalar] = {}
        for name, value in values.items():
            try:
                done[name] = await self.command(name, value)
            except ValueUnfit as error:
                raise WriteRefused(f"`{name}`: {error}") from error
            except (LineLost, LineSilent) as error:
                raise WriteFailed(f"`{name}` was sent, and {error}") from error
            except DeviceUnreachable:
                if done:
                    raise WriteFailed(f"{', '.join(done)} was sent, and then the line was closed") from None
                raise
        return done

    @property
    def detail(self) -> str:
        """What it does, in words."""
        said = [f"{self.frames.taken} frames"]
        if self._settings.ask:
            said.append(f"{self.unanswered} of {self.asked} questions unanswered")
        said += [f"{count} {why}" for why, count in sorted(self.frames.refused.items())]
        if self.frames.noise:
            said.append(f"{self.frames.noise} bytes of noise")
        if self.is_gone:
            said.append(f"silent for {self._clock.monotonic() - self._heard:.0f} s")
        if self._is_held:
            said.append("not read: the journal doesn't keep up")
        return ", ".join(said)
