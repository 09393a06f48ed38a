"""A node whose one deployment asks the node above, or that answers those below with a model that sums; as a process.

    python -m tests.system.hybrid_node NODE.YAML ask|answer [SECONDS]

SECONDS: how long an answer is of use. The asker reads `number confidence` lines and prints what is told of them, as
JSON, a line each.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.hybrid.answering import Verdict
from holdfast.inference.hybrid.settings import HybridSettings
from holdfast.kernel.clock import SystemClock
from holdfast.model.features import FeatureRows
from holdfast.model.predictions import How, Predictions, Results
from holdfast.node.hybrid import AnsweringBelow, AskingAbove, Unheld
from holdfast.node.node import Node
from holdfast.node.settings import read_plan
from holdfast.telemetry.happenings import Telemetry


class Summing:
    """Says of a row the sum of its numbers."""

    name, version, width = "big", "2.1", 3
    labels: Sequence[str] = ("small", "large")

    def predict(self, values: NDArray[Any]) -> Predictions:
        total: NDArray[Any] = values.sum(axis=1)
        return Predictions(total, (total > 10).astype(np.int32), np.full(len(total), 0.99))


class Answers:
    """Answers with it."""

    async def score(self, model: str, _features: str, values: NDArray[Any]) -> Verdict:
        if model != "big":
            raise Unheld(f"there is no model {model} here")
        one = Summing()
        return Verdict(one.name, one.version, one.labels, one.predict(values), 0.001)


def say(**facts: object) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def told(results: Results) -> None:
    said = results.predictions
    how, word = How(int(results.how[0])).name, results.labels[int(said.label[0])]
    say(ts=int(results.ts[0]), how=how, label=word, score=float(said.score[0]), device=results.places[0][1])


def ask(above: AskingAbove, node: str, line: str) -> None:
    """What a deployment's glue does with a batch."""
    number, confidence = line.split()
    n, places = int(number), [(node, "pump-1")]
    key, ts, flags = np.zeros(1, np.int32), np.array([n]), np.zeros(1, np.uint8)
    above.hybrid.saw(FeatureRows("pump@00", "pump", places, key, ts, np.array([[n, 1.0, 2.0]]), flags, 0.0))
    said = Predictions(np.array([0.5]), np.zeros(1, np.int32), np.array([float(confidence)]))
    results = Results(
        "pump", "little", "1", "active", ["small"], places, key, ts, said, flags, flags, 0.001, np.zeros(1)
    )
    told(results)
    asked = above.hybrid.said(results)
    say(asked=asked, alone=above.hybrid.asking.is_alone("pump"))


async def main(settings: Path, part: str, within_s: float) -> None:
    clock = SystemClock()
    node = Node(read_plan(settings), clock, Telemetry(clock))
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    if part == "ask":
        hybrid = HybridSettings(model="big", below=0.7, within=within_s, trip_after=2)
        asker = AskingAbove(node, {"pump": hybrid}, told)
        loop.add_reader(sys.stdin, lambda: ask(asker, node.journal.node, sys.stdin.readline()))
        tasks = list(asker.tasks())
    else:
        tasks = list(AnsweringBelow(node, Answers()).tasks())
    await node.start()
    running = [asyncio.ensure_future(body) for _, body in tasks]
    await node.run(stop)
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
