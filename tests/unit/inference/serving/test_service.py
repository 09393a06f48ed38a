import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.inference import making
from tests.unit.inference.serving.of_models import ModelScorer

from holdfast.inference.door import open_model
from holdfast.inference.feeding import Fed, Room
from holdfast.inference.serving.happenings import ModelStuck, ResultsUntold
from holdfast.inference.serving.ports import Assignment, ByRule, Deployment, Last, Scorer
from holdfast.inference.serving.service import Serving
from holdfast.inference.serving.settings import ServingSettings
from holdfast.kernel.clock import SystemClock
from holdfast.model.features import FeatureRows, no_flags
from holdfast.model.predictions import How, Predictions, Results
from holdfast.telemetry.happenings import Happening

Array = NDArray[Any]
CLOCK = SystemClock()
PLACES = [("gw", f"press-{n}") for n in range(200)]
PUMP = Deployment("pump", [("active", "m")], budget_s=5.0)
TO = (Assignment("pump", "active", "m"),)


def rows(values: Array, keys: Sequence[int] | None = None, turn: int = 0) -> FeatureRows:
    n = len(values)
    key = np.arange(n, dtype=np.int32) if keys is None else np.array(keys, np.int32)
    ts = np.full(n, turn, np.int64)
    return FeatureRows("press@1", "pump", PLACES, key, ts, values, no_flags(n), CLOCK.monotonic())


class Waiting:
    """A scorer that waits to be let go, as a deadlocked one does; it can't be interrupted."""

    name, version, labels, width = "waiting", "1.0.0", (), 4

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def predict(self, values: Array) -> Predictions:
        self.gate.wait()
        return Predictions.none(len(values)) if len(values) == 0 else by_rule(values)


def by_rule(values: Array) -> Predictions:
    return Predictions(np.zeros(len(values)), np.zeros(len(values), np.int32), np.full(len(values), np.nan))


class Site:
    """A serving and what it told."""

    def __init__(self, settings: ServingSettings | None = None) -> None:
        self.told: list[Results] = []
        self.happened: list[Happening] = []
        self.released: list[Scorer] = []
        self.serving = Serving(
            settings or ServingSettings(),
            CLOCK,
            tell=self.told.append,
            emit=self.happened.append,
            release=self.released.append,
        )

    @property
    def rows_told(self) -> int:
        return sum(len(one) for one in self.told)

    async def warm(self, *keys: str) -> None:
        await until(lambda: all(self.serving.is_warm(key) for key in keys))


async def until(is_so: Callable[[], bool], within_s: float = 10.0) -> None:
    end = CLOCK.monotonic() + within_s
    while not is_so():
        assert CLOCK.monotonic() < end, "it never came"
        await asyncio.sleep(0.002)


def run(story: Callable[[Site], Awaitable[None]], settings: ServingSettings | None = None) -> Site:
    async def told() -> Site:
        site = Site(settings)
        try:
            await story(site)
        finally:
            await site.serving.stop(2.0)
        return site

    return asyncio.run(told())


@pytest.fixture
def model(tmp_path: Path) -> ModelScorer:
    return ModelScorer(open_model(making.folder(tmp_path / "press", making.autoencoder())))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_whole_stream_is_scored_as_offline_whatever_the_batches(model: ModelScorer, seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(200, 30, 4))

    async def story(site: Site) -> None:
        site.serving.adopt([PUMP], {"m": model})
        for turn in range(30):
            keys = random.permutation(200)
            for part in np.array_split(keys, int(random.integers(1, 60))):
                site.serving.offer(rows(values[part, turn], list(part), turn), TO)
                if random.random() < 0.05:
                    await asyncio.sleep(0.001)
        await until(lambda: site.rows_told == 200 * 30)
        status = site.serving.status().posts[0]
        assert (status.scored, status.skipped, status.state, status.errors) == (6000, 0, "ok", 0)

    site = run(story, ServingSettings(batch_rows=97))
    offline = model.predict(values.reshape(-1, 4)).score.reshape(200, 30)
    seen = set()
    for one in site.told:
        np.testing.assert_allclose(one.predictions.score, offline[one.key, one.ts], rtol=0, atol=1e-6)
        seen |= set(zip(one.key.tolist(), one.ts.tolist(), strict=True))
    assert len(seen) == 6000
    for device in range(200):
        turns = np.concatenate([one.ts[one.key == device] for one in site.told])
        assert (np.diff(turns) > 0).all()


def test_a_model_is_warm_before_rows_come_and_tell_is_never_called_from_offer(model: ModelScorer) -> None:
    async def story(site: Site) -> None:
        site.serving.adopt([PUMP], {"m": model})
        await site.warm("m")
        assert site.serving.schedule.roster.lanes["m"].costs.is_known
        site.serving.offer(rows(np.ones((3, 4))), TO)
        assert site.told == []
        await until(lambda: site.rows_told == 3)
        assert threading.current_thread() is threading.main_thread()
        assert (site.told[0].latency > 0).all()

    run(story)


def test_an_onnx_loop_that_never_ends_is_given_up_while_others_are_served(model: ModelScorer, tmp_path: Path) -> None:
    outputs = "{score: {name: y, index: 0}}"
    folder = making.folder(tmp_path / "stuck", making.stuck(), model="stuck", task="regression", outputs=outputs)
    hanging = ModelScorer(open_model(folder))
    fan = Deployment("fan", [("active", "s")], budget_s=0.01, fallback=[ByRule(lambda given: by_rule(given.values))])
    to_fan = (Assignment("fan", "active", "s"),)

    async def story(site: Site) -> None:
        site.serving.adopt([PUMP, fan], {"m": model, "s": hanging})
        await site.warm("m", "s")
        site.serving.offer(rows(np.full((1, 4), 2.0**60)), to_fan)
        pauses = []
        while not any(isinstance(one, ModelStuck) for one in site.happened):
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            pauses.append(time.perf_counter() - began)
            assert sum(pauses) < 10
        assert np.median(pauses) < 0.05
        site.serving.offer(rows(np.ones((2, 4))), TO)
        site.serving.offer(rows(np.ones((2, 4))), to_fan)
        await until(lambda: site.rows_told == 5)
        by_name = {
            name: [how for one in site.told if one.deployment == name for how in one.how] for name in ("pump", "fan")
        }
        assert by_name == {"pump": [How.MODEL] * 2, "fan": [How.RULE] * 3}
        status = site.serving.status()
        assert [post.state for post in status.posts] == ["ok", "stuck"]
        await until(lambda: site.serving.status().threads_lost == 0)  # it was interrupted

    run(story, ServingSettings(watchdog_min_s=0.3))


def test_a_batch_is_told_although_the_one_laid_out_behind_it_never_returns() -> None:
    class Second(Waiting):
        def predict(self, values: Array) -> Predictions:
            if values[0, 0] == 2.0:
                self.gate.wait()
            return by_rule(values)

    second = Second()

    async def story(site: Site) -> None:
        site.serving.adopt([PUMP], {"m": second})
        await site.warm("m")
        second.gate.clear()
        for turn in (1, 2, 3):
            site.serving.offer(rows(np.full((8, 4), float(turn)), turn=turn), TO)
        await until(lambda: site.rows_told == 8)
        await asyncio.sleep(0.02)
        assert [set(one.ts.tolist()) for one in site.told] == [{1}]
        second.gate.set()
        await until(lambda: site.rows_told == 24)
        assert [ts for one in site.told for ts in one.ts.tolist()] == [1] * 8 + [2] * 8 + [3] * 8

    run(story, ServingSettings(batch_rows=8))


def test_rows_that_a_model_cannot_take_are_its_error_and_the_thread_goes_on(model: ModelScorer) -> None:
    class Wrong(ModelScorer):
        def prepare(self, parts: Sequence[Array], room: Room) -> Fed:
            return super().prepare([part[:, 1:] for part in parts] if parts[0].any() else parts, room)

    async def story(site: Site) -> None:
        fan = replace(
            PUMP, name="fan", serves=[("active", "w")], fallback=[ByRule(lambda given: by_rule(given.values))]
        )
        site.serving.adopt([PUMP, fan], {"m": model, "w": Wrong(model.model)})
        await site.warm("m", "w")
        site.serving.offer(rows(np.ones((3, 4))), (Assignment("fan", "active", "w"), *TO))
        await until(lambda: site.rows_told == 6)
        assert {one.deployment: set(one.how.tolist()) for one in site.told} == {"fan": {How.RULE}, "pump": {How.MODEL}}
        (post,) = (one for one in site.serving.status().posts if one.deployment == "fan")
        assert (post.errors, "InputInvalid" in post.last_error) == (1, True)

    run(story)


def test_a_scorer_that_deadlocks_costs_a_thread_until_it_returns() -> None:
    stuck = Waiting()

    async def story(site: Site) -> None:
        site.serving.adopt([replace(PUMP, budget_s=0.01, fallback=[Last()])], {"m": stuck})
        await site.warm("m")
        stuck.gate.clear()
        site.serving.offer(rows(np.ones((1, 4))), TO)
        await until(lambda: site.serving.status().threads_lost == 1)
        assert site.serving.status().threads == 1
        stuck.gate.set()
        site.serving.offer(rows(np.ones((1, 4))), TO)
        await until(lambda: site.serving.status().threads_lost == 0)
        assert site.serving.status().posts[0].unanswered == 2

    site = run(story, ServingSettings(watchdog_min_s=0.1))
    assert site.rows_told == 0


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="priorities are POSIX")
def test_a_run_that_drags_on_goes_behind_everything_else_and_the_next_does_not() -> None:
    class Dragging(Waiting):
        def __init__(self) -> None:
            super().__init__()
            self.nice: list[int] = []

        def predict(self, values: Array) -> Predictions:
            said = super().predict(values)
            self.nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return said

    dragging = Dragging()

    async def story(site: Site) -> None:
        site.serving.adopt([PUMP], {"m": dragging})
        await site.warm("m")
        usual = dragging.nice[-1]
        dragging.gate.clear()
        site.serving.offer(rows(np.ones((1, 4))), TO)
        await asyncio.sleep(0.3)
        dragging.gate.set()
        await until(lambda: site.rows_told == 1)
        site.serving.offer(rows(np.ones((1, 4))), TO)
        await until(lambda: site.rows_told == 2)
        assert dragging.nice[-2:] == [19, usual]

    run(story, ServingSettings(watchdog=0.0, watchdog_min_s=2.0))


def test_what_waits_is_scored_before_it_stops_and_what_hangs_does_not_hold_it_up(model: ModelScorer) -> None:
    stuck = Waiting()

    async def story() -> None:
        site = Site()
        site.serving.adopt([PUMP, replace(PUMP, name="fan", serves=[("active", "s")])], {"m": model, "s": stuck})
        await site.warm("m", "s")
        for turn in range(50):
            site.serving.offer(rows(np.ones((20, 4)), turn=turn), TO)
        await site.serving.stop(5.0)
        assert site.rows_told == 1000
        other = Site()
        other.serving.adopt([replace(PUMP, fallback=[ByRule(lambda given: by_rule(given.values))])], {"m": stuck})
        await other.warm("m")
        stuck.gate.clear()
        other.serving.offer(rows(np.ones((3, 4))), TO)
        await asyncio.sleep(0.02)
        other.serving.offer(rows(np.ones((2, 4))), TO)
        began = time.perf_counter()
        await other.serving.stop(0.1)
        assert time.perf_counter() - began < 2.0
        assert other.rows_told == 5
        stuck.gate.set()

    asyncio.run(story())


def test_a_model_that_was_replaced_is_released_when_its_rows_are_told(model: ModelScorer, tmp_path: Path) -> None:
    newer = ModelScorer(open_model(making.folder(tmp_path / "newer", making.autoencoder(), version="2.0.0")))

    async def story(site: Site) -> None:
        site.serving.adopt([PUMP], {"m": model})
        await site.warm("m")
        site.serving.offer(rows(np.ones((9, 4))), TO)
        site.serving.adopt([PUMP], {"m": newer})
        site.serving.offer(rows(np.ones((1, 4))), TO)
        await until(lambda: site.rows_told == 10)
        assert site.released == [model]
        assert sorted((one.version, len(one)) for one in site.told) == [("1.0.0", 9), ("2.0.0", 1)]

    run(story)


def test_a_listener_that_raises_is_told_of_and_misses_only_its_own(model: ModelScorer) -> None:
    async def story() -> None:
        heard: list[Results] = []
        happened: list[Happening] = []

        def tell(results: Results) -> None:
            if results.deployment == "pump":
                raise OSError("disk on fire")
            heard.append(results)

        serving = Serving(ServingSettings(), CLOCK, tell=tell, emit=happened.append)
        serving.adopt([PUMP, replace(PUMP, name="fan")], {"m": model})
        serving.offer(rows(np.ones((2, 4))), (*TO, Assignment("fan", "active", "m")))
        await until(lambda: len(heard) == 1)
        await serving.stop()
        assert happened == [ResultsUntold("pump", "OSError: disk on fire")]
        assert serving.status().untold == 2

    asyncio.run(story())
