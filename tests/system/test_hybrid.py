"""A gateway's uncertain rows are answered by the hub's model, by real processes that are killed in between."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.system.kill.site import ROOT, Site

pytestmark = pytest.mark.system
PARTS = {"hub": "answer", "gw": "ask"}


@dataclass
class Pair(Site):
    """Both run `tests.system.hybrid_node`. within: seconds that an answer is of use."""

    within: str = "30"
    lines: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def start(self, name: str) -> None:
        env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        argv = [sys.executable, "-m", "tests.system.hybrid_node", str(self.folder / f"{name}.yaml")]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*argv, PARTS[name], self.within],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self.folder,
            )
        self.processes[name] = process
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.lines.put(json.loads(line))

    def kill(self, name: str) -> None:
        super().kill(name)
        self._close(name)

    def stop(self) -> None:
        super().stop()
        for name in self.processes:
            self._close(name)

    def _close(self, name: str) -> None:
        pipe = self.processes[name].stdin
        if pipe is not None:
            pipe.close()

    def ask(self, number: int, confidence: float) -> dict[str, Any]:
        """Have a local result; it's told at once, whatever is asked."""
        pipe = self.processes["gw"].stdin
        assert pipe is not None
        pipe.write(f"{number} {confidence}\n".encode())
        pipe.flush()
        assert self.next()["how"] == "MODEL"
        return self.next()

    def next(self, within_s: float = 30) -> dict[str, Any]:
        try:
            return self.lines.get(timeout=within_s)
        except queue.Empty:
            raise AssertionError([self.log("hub"), self.log("gw")]) from None


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    made.prepare()
    yield made
    made.stop()


@pytest.mark.timeout(150)
def test_an_uncertain_row_is_answered_from_above_whoever_is_killed_in_between(pair: Pair) -> None:
    pair.bring_up(["hub", "gw"])
    time.sleep(1.0)  # until the uplink has been welcomed: before that nothing may be asked
    assert pair.ask(1, 0.9) == {"asked": 0, "alone": False}  # sure of it
    while pair.ask(20, 0.3)["asked"] == 0:
        time.sleep(0.2)
    answer = {"ts": 20, "how": "PARENT", "label": "large", "score": 23.0, "device": "pump-1"}
    assert pair.next() == answer
    assert pair.ask(20, 0.3) == answer  # from memory, without a question
    assert pair.next() == {"asked": 0, "alone": False}

    pair.kill("hub")
    assert pair.ask(3, 0.5)["asked"] == 1
    pair.bring_up(["hub"])
    assert pair.next() == {"ts": 3, "how": "PARENT", "label": "small", "score": 6.0, "device": "pump-1"}

    pair.kill("hub")
    assert pair.ask(40, 0.5)["asked"] == 1
    time.sleep(0.5)  # it's on the gateway's disk
    pair.kill("gw")
    pair.bring_up(["hub", "gw"])
    assert pair.next() == {"ts": 40, "how": "PARENT", "label": "large", "score": 43.0, "device": "pump-1"}


@pytest.mark.timeout(150)
def test_where_nobody_is_above_local_results_stand_and_nothing_waits(pair: Pair) -> None:
    pair.within = "4"
    pair.bring_up(["hub", "gw"])
    time.sleep(1.0)
    while pair.ask(20, 0.3)["asked"] == 0:
        time.sleep(0.2)
    assert pair.next()["how"] == "PARENT"
    pair.kill("hub")
    began = time.monotonic()
    said = [pair.ask(100 + n, 0.3) for n in range(30)]
    assert time.monotonic() - began < 5
    assert sum(one["asked"] for one in said) == 30
    until = time.monotonic() + 40
    while not pair.ask(500, 0.9)["alone"]:
        assert time.monotonic() < until
        time.sleep(0.5)
    assert pair.ask(501, 0.3) == {"asked": 0, "alone": True}
    assert "HybridAlone" in pair.log("gw")
