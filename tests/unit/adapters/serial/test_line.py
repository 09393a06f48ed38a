"""An instrument on a pseudo-terminal: heard, asked, cut off and back, held, commanded."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from tests.unit.adapters.mqtt.doubles import HoldingInbox, RefusingInbox

from holdfast.adapters.serial.errors import LineSilent, NotOpen, PortUnusable
from holdfast.adapters.serial.line import SerialLine
from holdfast.adapters.serial.settings import FramingSettings, SendSettings, SerialSettings
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry


class Instrument:
    """The other end of a pseudo-terminal, which a symbolic link names as udev would."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "usb-instrument"
        self.end = -1

    def plug(self) -> None:
        self.end, port = os.openpty()
        tty.setraw(self.end)
        tty.setraw(port)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(port))
        os.close(port)
        os.set_blocking(self.end, False)

    def unplug(self) -> None:
        os.close(self.end)
        self.path.unlink()
        self.end = -1

    def say(self, data: bytes) -> None:
        assert os.write(self.end, data) == len(data)

    def heard(self) -> bytes:
        try:
            return os.read(self.end, 4096)
        except BlockingIOError:
            return b""


class Site:
    """A line at work."""

    def __init__(self, instrument: Instrument, inbox: HoldingInbox, lines: list[str], line: SerialLine) -> None:
        self.instrument, self.inbox, self.log, self.line = instrument, inbox, lines, line

    @property
    def payloads(self) -> list[bytes]:
        return [payload for arrival in self.inbox.arrivals for payload in arrival.payloads]

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not true():  # noqa: ASYNC110  # of what the operating system does, too
                await asyncio.sleep(0.005)

    async def gets(self, *payloads: bytes) -> None:
        await self.until(lambda: self.payloads == list(payloads))


@asynccontextmanager
async def working(folder: Path, settings: SerialSettings, inbox: HoldingInbox | None = None) -> AsyncIterator[Site]:
    instrument, found, log = Instrument(folder), inbox or HoldingInbox(), list[str]()
    instrument.plug()
    settings = msgspec.structs.replace(settings, port=str(instrument.path), backoff_min=0.02, backoff_max=0.05)
    telemetry = Telemetry(SystemClock(), log.append)
    line = SerialLine("scale", settings, found, SystemClock(), telemetry, Random(1))
    running = asyncio.create_task(line.run())
    site = Site(instrument, found, log, line)
    try:
        await site.until(lambda: line.health.state == "working")
        yield site
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if instrument.end >= 0:
            os.close(instrument.end)


QUIET = Telemetry(SystemClock(), lambda _: None)
PLAIN = SerialSettings(port="", joined=0.0)


def test_lines_of_an_instrument_are_offered_under_its_name(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, PLAIN) as site:
            site.instrument.say(b"21.5\r\n22.0\r\n23")
            await site.gets(b"21.5", b"22.0")
            site.instrument.say(b".5\r\n")
            await site.gets(b"21.5", b"22.0", b"23.5")
            arrival = site.inbox.arrivals[0]
            assert (arrival.source, arrival.topic) == ("serial:scale", "serial/scale")
            arrival.receipt.settle()
            assert site.line.detail == "3 frames"

    asyncio.run(body())


def test_an_instrument_that_is_unplugged_and_back_is_heard_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, PLAIN) as site:
            site.instrument.say(b"1\n2")
            await site.gets(b"1")
            site.instrument.unplug()
            await site.until(lambda: site.line.health.state == "failing")
            await site.until(lambda: "No such file" in site.line.health.status().error)
            assert "by-id" in site.line.health.status().hint
            site.instrument.plug()
            await site.until(lambda: site.line.health.state == "working")
            site.instrument.say(b"3\n")
            await site.gets(b"1", b"3")
            assert site.line.frames.refused == {"partial": 1}  # the 2 that was cut

    asyncio.run(body())


def test_a_line_opened_in_the_middle_of_a_frame_drops_its_rest(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, msgspec.structs.replace(PLAIN, joined=5.0)) as site:
            site.instrument.say(b"3.5\n24.5\n")
            await site.gets(b"24.5")

    asyncio.run(body())


def test_a_full_inbox_stops_the_reading_and_room_starts_it_again(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, PLAIN, HoldingInbox(room=1)) as site:
            site.instrument.say(b"1\n")
            await site.gets(b"1")
            assert "not read" in site.line.detail
            site.instrument.say(b"2\n")
            await asyncio.sleep(0.05)
            assert site.payloads == [b"1"]
            site.inbox.drain()
            await site.gets(b"1", b"2")

    asyncio.run(body())


def test_what_the_disk_refuses_is_counted(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, PLAIN, RefusingInbox()) as site:
            site.instrument.say(b"1\n")
            await site.gets(b"1")
            assert (site.line.settled, site.line.lost) == (1, 1)

    asyncio.run(body())


def test_a_wrong_baud_rate_is_told_with_what_came(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, PLAIN) as site:
            site.instrument.say(b"\xff\xfe\x80\n" * 40 + b"ok\n")
            await site.gets(b"ok")
            assert site.line.frames.refused["encoding"] == 40
            [said] = [line for line in site.log if "SerialFramesRefused" in line]
            assert "ff fe 80" in said
            assert "baud" in said

    asyncio.run(body())


def test_an_instrument_that_must_be_asked_is_asked(tmp_path: Path) -> None:
    async def body() -> None:
        asks = msgspec.structs.replace(PLAIN, ask="READ?\\r\\n", every=0.1, timeout=0.05, offline_after=0.3, joined=0.1)
        async with working(tmp_path, asks) as site:
            for value in (b"1", b"2"):
                await site.until(lambda: site.instrument.heard() == b"READ?\r\n")
                site.instrument.say(value + b"\r\n")
            await site.gets(b"1", b"2")
            await site.until(lambda: site.line.is_gone)  # it answers no more
            assert site.line.unanswered
            site.instrument.say(b"3\r\n")
            await site.until(lambda: not site.line.is_gone)
            assert any("SerialSilent" in line for line in site.log)
            assert any("SerialHeard" in line for line in site.log)

    asyncio.run(body())


def test_an_answer_that_comes_late_is_a_reading_and_no_fault_of_the_next_question(tmp_path: Path) -> None:
    async def body() -> None:
        asks = msgspec.structs.replace(PLAIN, ask="READ?\\r\\n", every=0.2, timeout=0.03, offline_after=5.0)
        async with working(tmp_path, asks) as site:
            await site.until(lambda: site.instrument.heard() == b"READ?\r\n")
            await site.until(lambda: site.line.unanswered == 1)
            site.instrument.say(b"1\r\n")
            await site.gets(b"1")
            await site.until(lambda: site.instrument.heard() == b"READ?\r\n")
            site.instrument.say(b"2\r\n")
            await site.gets(b"1", b"2")
            assert not site.line.is_gone

    asyncio.run(body())


COMMANDS = msgspec.structs.replace(
    PLAIN,
    commands={
        "setpoint": SendSettings(text="SP {value}\\r\\n", expect="SP=([0-9.]+)", timeout=0.3),
        "stop": SendSettings(text="STOP\\r\\n"),
    },
)


def test_a_command_waits_for_its_answer_and_readings_pass_it_by(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, COMMANDS) as site:
            doing = asyncio.create_task(site.line.command("setpoint", 21.4))
            await site.until(lambda: site.instrument.heard() == b"SP 21.4\r\n")
            site.instrument.say(b"19.8\r\nSP=21.5\r\n")
            assert await doing == 21.5
            await site.gets(b"19.8")
            with pytest.raises(LineSilent, match="expected answer"):
                await site.line.command("setpoint", 1)
            assert await site.line.command("stop", True) is True
            await site.until(lambda: b"STOP\r\n" in site.instrument.heard())

    asyncio.run(body())


def test_a_command_to_a_line_that_is_not_there_was_never_sent(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, COMMANDS) as site:
            doing = asyncio.create_task(site.line.command("setpoint", 2))
            await site.until(site.instrument.heard)
            site.instrument.unplug()
            with pytest.raises(Exception, match="closed before the answer"):
                await doing
            with pytest.raises(NotOpen):
                await site.line.command("stop", True)

    asyncio.run(body())


def test_a_frame_that_only_silence_ends_comes_after_it(tmp_path: Path) -> None:
    async def body() -> None:
        settings = msgspec.structs.replace(PLAIN, framing=FramingSettings(gap=0.02), encoding="binary")
        async with working(tmp_path, settings) as site:
            site.instrument.say(b"\x01\xff")
            await site.gets(b"\x01\xff")

    asyncio.run(body())


def test_a_second_program_on_the_port_is_told(tmp_path: Path) -> None:
    async def body() -> None:
        async with working(tmp_path, PLAIN) as site:
            again = SerialLine(
                "b",
                msgspec.structs.replace(PLAIN, port=str(site.instrument.path)),
                HoldingInbox(),
                SystemClock(),
                Telemetry(SystemClock(), site.log.append),
                Random(1),
            )
            await until_failing(again, site.until)
            assert "busy" in again.health.status().error
            assert "Another program" in again.health.status().hint

    asyncio.run(body())


@pytest.mark.parametrize(
    ("port", "said", "hint"),
    [
        ("/dev/null", "Inappropriate ioctl", "a serial port at all"),
        ("/dev", "Is a directory", "Name the port in it"),
        ("/dev/nowhere", "No such file", "plugged in"),
        ("tcp://127.0.0.1:1", "Connect", "Does the serial server listen"),
    ],
)
def test_a_port_that_cannot_be_opened_is_told_with_what_to_do(port: str, said: str, hint: str) -> None:
    async def body() -> None:
        line = SerialLine("x", SerialSettings(port=port), HoldingInbox(), SystemClock(), QUIET, Random(1))
        with pytest.raises(PortUnusable, match=said) as error:
            await line.try_once()
        assert hint in error.value.hint

    asyncio.run(body())


async def until_failing(line: SerialLine, until: Callable[[Callable[[], Any]], Awaitable[None]]) -> None:
    running = asyncio.create_task(line.run())
    await until(lambda: line.health.state == "failing")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
