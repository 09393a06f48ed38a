"""`holdfast top` on a real pseudo-terminal: what is seen, what keys do, and how the terminal is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from tests.system.pty_screen import Screen
from tests.system.test_gateway import Gateway, reading

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
Open = Callable[..., Screen]


def begins(title: str, text: str) -> bool:
    return text.splitlines()[3].startswith((title, "Link"))


def has(words: str, text: str) -> bool:
    return words in text


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    one = Gateway(tmp_path_factory.mktemp("top"))
    one.start()
    for room in (1, 2):
        for number in range(3):
            assert one.publish(f"acme/room-{room}/telemetry", reading(10 * room + number, 30.0)) == 0
    assert one.publish("acme/room-3/telemetry", reading(99)) == 0
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


@pytest.fixture
def opened() -> Iterator[Open]:
    screens: list[Screen] = []

    def make(*words: object, env: Mapping[str, str] | None = None) -> Screen:
        screens.append(Screen("top", *words, env=env))
        return screens[-1]

    yield make
    for one in screens:
        one.close()


def test_the_overview_shows_rates_ledger_journal_alerts_rules_and_devices_on_80_by_24(
    gateway: Gateway, opened: Open
) -> None:
    screen = opened(gateway.settings)
    text = screen.until(lambda t: "balanced" in t and "room-3" in t and "overheat" in t and "/s" in t)
    assert "Holdfast gw" in screen.lines[0]
    assert next(line for line in screen.lines if line.startswith("journal")).endswith("green, ok")
    assert "Open alerts  2, " in text
    assert "3 online" in text or "3 late" in text or "silent" in text
    assert len(screen.lines) == 24
    assert screen.lines[23].startswith(" q quit")
    screen.press("q")
    assert screen.end() == 0
    assert screen.is_as_before()


def test_keys_go_through_the_views_filter_devices_and_sort_them(gateway: Gateway, opened: Open) -> None:
    screen = opened(gateway.settings)
    screen.until(lambda t: "balanced" in t)
    for key, title in (("2", "Devices  3"), ("3", "Open alerts"), ("4", "Rules"), ("5", "Rows by lane")):
        screen.press(key)
        screen.until(partial(begins, title))
    screen.press("\t")
    screen.until(lambda _: "readings" in screen.lines[3])
    screen.press("2/room-3")
    screen.until(lambda t: "filter: room-3" in t and "1 of 3 with" in t and "room-1" not in t)
    screen.press("\r")
    screen.until(lambda t: "filter:" not in t)
    screen.press("\x1b")
    screen.until(lambda t: "room-1" in t)
    screen.press("ss")
    screen.until(lambda t: "by name" in t)
    assert [line.split()[0] for line in screen.lines[5:8]] == ["room-1", "room-2", "room-3"]
    screen.press("j")
    screen.until(lambda t: "calls itself  room-2" in t)


def test_an_alert_is_acknowledged_after_a_question_and_not_without_a_yes(gateway: Gateway, opened: Open) -> None:
    screen = opened("--url", f"http://127.0.0.1:{gateway.api}", "--view", "alerts", "--by", "ann")
    screen.until(lambda t: "room-1" in t and "room-2" in t)
    screen.press("a")
    screen.until(lambda t: "Acknowledge alert" in t)
    screen.press("n")
    screen.until(lambda t: "Acknowledge alert" not in t)
    assert not [one for one in gateway.get("/api/v1/alerts") if one["acknowledged_ns"]]  # type: ignore[index]
    screen.press("a")
    asked = screen.until(lambda t: "Acknowledge alert" in t)
    number = int(asked.partition("Acknowledge alert ")[2].split()[0])
    screen.press("y")
    screen.until(lambda t: f"Alert {number} is acknowledged by ann." in t)
    found = gateway.get(f"/api/v1/alerts/{number}")
    assert found["acknowledged_by"] == "ann"


def test_it_follows_a_resize_and_draws_no_line_wider_than_the_terminal(gateway: Gateway, opened: Open) -> None:
    screen = opened(gateway.settings)
    screen.until(lambda t: "balanced" in t)
    for columns, lines in ((120, 40), (60, 16), (40, 10), (30, 8), (200, 50)):
        screen.resize(columns, lines)
        foot = "At least" if columns < 40 else " q quit"
        screen.until(partial(has, foot))
        assert len(screen.lines) == lines
        assert all(len(line) <= columns for line in screen.lines)
    assert "room-3" in screen.until(lambda t: "room-3" in t)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(
    gateway: Gateway, opened: Open, number: int, code: int
) -> None:
    screen = opened(gateway.settings)
    screen.until(lambda t: "balanced" in t)
    if number == signal.SIGINT:
        screen.press("\x03")  # as typed: the terminal makes the signal of it
    else:
        screen.process.send_signal(number)
    assert screen.end() == code
    assert screen.is_as_before()


def test_stopped_by_ctrl_z_it_gives_the_terminal_back_and_takes_it_again(gateway: Gateway, opened: Open) -> None:
    screen = opened(gateway.settings)
    screen.until(lambda t: "balanced" in t)
    screen.press("\x1a")
    deadline = time.monotonic() + 10
    while Path(f"/proc/{screen.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline
        screen.read()
    screen.read()
    assert screen.is_as_before()
    screen.display.reset()
    screen.process.send_signal(signal.SIGCONT)
    screen.until(lambda t: "balanced" in t and "q quit" in t)
    screen.press("q")
    assert screen.end() == 0
    assert screen.is_as_before()


def test_a_node_that_goes_away_is_said_to_be_gone_and_found_again(tmp_path: Path, opened: Open) -> None:
    one = Gateway(tmp_path)
    one.start()
    screen = opened(one.settings)
    screen.until(lambda t: "balanced" in t)
    assert one.stop() == 0
    screen.until(lambda t: "Not reachable since 20" in t and "balanced" in t)
    one.start()
    screen.until(lambda t: "Not reachable" not in t)
    screen.press("q")
    assert screen.end() == 0
    assert one.stop() == 0
    late = opened(one.settings)
    late.until(lambda t: "Not reachable since 20" in t and "nothing listens there" in t)


def test_no_color_is_heeded(gateway: Gateway, opened: Open) -> None:
    coloured, plain = opened(gateway.settings), opened(gateway.settings, env={"NO_COLOR": "1"})
    for one in (coloured, plain):
        one.until(lambda t: "balanced" in t and "critical" in t)
        one.press("q")
        assert one.end() == 0
    assert b"\x1b[32m" in coloured.sent or b"\x1b[1;31m" in coloured.sent
    colours = [f"\x1b[{code}m".encode() for code in range(30, 38)] + [b";31m", b";36m"]
    assert not [code for code in colours if code in plain.sent]


def test_one_frame_for_scripts_is_plain_text_and_tells_when_nobody_is_there(gateway: Gateway, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "holdfast", "top", "--once", "--view"]
    env = {**os.environ, "COLUMNS": "90", "LINES": "30"}
    done = subprocess.run(
        [*command, "devices", str(gateway.settings)], capture_output=True, text=True, env=env, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 30
    assert "\x1b" not in done.stdout
    assert lines[3].startswith("Devices  3")
    (tmp_path / "node.yaml").write_text("node: nobody\napi: {listen: '127.0.0.1:1'}\n")
    gone = subprocess.run(
        [*command, "alerts", str(tmp_path / "node.yaml")], capture_output=True, text=True, check=False, timeout=60
    )
    assert gone.returncode == 2
    assert "no node answers" in gone.stderr
    piped = subprocess.run(
        [*command[:4], str(gateway.settings)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (piped.returncode, "--once" in piped.stderr) == (2, True)
