"""Bars of long work: on a terminal's standard error, and nowhere else."""

import io
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SCRIPT = """
import sys, time
from holdfast.cli.progress import counted, progress, waiting
how, json = sys.argv[1], sys.argv[2] == "json"
if how == "counted":
    for n in counted(range(16), "verifying", 16, "rows", json=json):
        time.sleep(0.1)
elif how == "quick":
    with progress("quick", 10, json=json) as tell:
        tell(10)
else:
    print(waiting(lambda: time.sleep(1.2) or 42, "asking <b>[red]\\x1b[2J", json=json))
print("done")
"""


def ran(how: str, json: str = "text", *, tty: bool) -> tuple[str, str]:
    """(standard output, standard error), with the error going to a terminal or to a pipe."""
    head, tail = pty.openpty()
    words = [sys.executable, "-c", SCRIPT, how, json]
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=tail if tty else subprocess.PIPE, env=env)
    os.close(tail)
    out, err = process.communicate(timeout=60) if not tty else (None, b"")
    if tty:
        seen = io.BytesIO()
        try:
            while data := os.read(head, 4096):
                seen.write(data)
        except OSError:
            pass  # the other end is closed
        assert process.stdout is not None
        out, err = process.stdout.read(), seen.getvalue()
        process.wait(20)
        process.stdout.close()
    os.close(head)
    assert process.returncode == 0
    return (out or b"").decode(), err.decode()


def test_on_a_terminal_it_says_how_far_it_is_how_fast_and_how_long_it_takes_yet() -> None:
    out, err = ran("counted", tty=True)
    assert out == "done\n"
    assert "verifying" in err
    assert "of 16 rows" in err
    assert "rows/s" in err
    assert "0:00:0" in err
    assert err.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))  # gone at the end, and the cursor is back


@pytest.mark.parametrize("how", ["counted", "quick", "waiting"])
def test_in_a_pipe_nothing_is_drawn(how: str) -> None:
    assert ran(how, tty=False)[1] == ""


def test_nothing_is_drawn_beside_json_and_nothing_for_quick_work() -> None:
    assert ran("counted", "json", tty=True)[1] == ""
    assert ran("quick", tty=True)[1] == ""


def test_work_of_unknown_length_shows_only_its_time_and_foreign_words_as_text() -> None:
    out, err = ran("waiting", tty=True)
    assert out == "42\ndone\n"
    assert "asking <b>[red]\\x1b[2J" in err


@contextmanager
def at_terminal(seen: bytearray) -> Iterator[int]:
    """A terminal's end to write to; what is written is read at once, for a terminal holds 4 kB and then blocks."""
    head, tail = pty.openpty()

    def read() -> None:
        with suppress(OSError):  # EIO: nobody has the other end any more
            while got := os.read(head, 1 << 16):
                seen.extend(got)

    reading = threading.Thread(target=read)
    reading.start()
    try:
        yield tail
    finally:
        os.close(tail)
        reading.join()
        os.close(head)


@pytest.mark.timeout(240)
def test_a_real_command_shows_a_bar_and_prints_the_same(tmp_path: Path) -> None:
    rules, readings = tmp_path / "rules.yaml", tmp_path / "past.csv"
    rules.write_text("rules:\n  hot: {select: t, when: t > 2, severity: warning}\n")
    readings.write_text("ts,t\n" + "".join(f"{1_700_000_000 + n},{n % 4}\n" for n in range(100_000)))
    words = [sys.executable, "-m", "holdfast", "rules", "backtest", str(rules), "--csv", str(readings)]
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    seen = bytearray()
    with at_terminal(seen) as tail:
        with_bar = subprocess.run(words, stdout=subprocess.PIPE, stderr=tail, env=env, check=True, timeout=100)
    without = subprocess.run(words, capture_output=True, env=env, check=True, timeout=100)
    assert b"backtest" in seen
    assert without.stderr == b""
    timed = [line for line in with_bar.stdout.decode().splitlines() if not line.startswith("in ")]
    assert timed == [line for line in without.stdout.decode().splitlines() if not line.startswith("in ")]
