"""Windows that need order in an engine that is stopped after every batch and goes on elsewhere."""

from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.stream.windows.plain import S
from tests.unit.stream.windows.test_ordered import SPECS
from tests.unit.stream.windows.test_sessions import feed, stage_of

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.language.templates import parse_topic
from holdfast.stream.plans import Call, Input, StagePlan, WindowSpec
from holdfast.stream.rules import Action, CompiledRule
from holdfast.stream.stages import Stage
from holdfast.stream.windows import pool, reorder, timed

CALLS = (Call("avg", 0), Call("median", 1), Call("bad", 0), Call("slope", 0), Call("stddev", 1), Call("messages"))
DEVICES = [f"d{i}" for i in range(5)]


def nth(inputs: Any, i: int) -> Any:
    return inputs[i]


def rule_of(spec: WindowSpec) -> CompiledRule:
    plan = StagePlan("s", tuple(Input(f"m{i}") for i in range(4)), CALLS, spec, wants_quality=True)
    names = tuple(f"c{i}" for i in range(len(CALLS)))
    action = Action(parse_topic("r", []), frozenset({"result"}), {})
    values = tuple(partial(nth, i=i) for i in range(len(CALLS)))
    return CompiledRule("r", "1", "info", lambda *_: True, plan, names, values, actions=(action,))


Row = tuple[str, str, int, float, int]


def batches(seed: int) -> list[list[Row]]:
    rng, out = np.random.default_rng(seed), []
    now = 0
    for _ in range(30):
        rows = list[Row]()
        for _ in range(int(rng.integers(1, 12))):
            now += int(rng.integers(0, 2 * S))
            device, ts = str(rng.choice(DEVICES)), now - int(rng.exponential(S))
            for m in rng.permutation(4)[: rng.integers(1, 5)].tolist():
                value = float(rng.integers(0, 2)) if m >= 2 else float(rng.normal(1000, 5))
                rows.append((device, f"m{m}", ts, value, int(rng.choice([0, 0, 1, 2]))))
        out.append(rows)
    return out


def batch_of(rows: list[Row], catalogue: Catalogue) -> Batch:
    ids = [catalogue.intern(Series("n", d, m, "", Kind.FLOAT)) for d, m, _, _, _ in rows]
    _, _, ts, value, quality = zip(*rows, strict=True)
    return Batch(np.array(ids, np.int32), np.array(ts), np.array(value), np.array(quality, np.uint8))


@pytest.mark.parametrize("name", SPECS)
def test_an_engine_that_goes_on_from_its_checkpoint_elsewhere_has_the_same_results(name: str) -> None:
    rule, rng = rule_of(SPECS[name]), np.random.default_rng(9)
    for seed in range(4):
        catalogue = Catalogue()
        steady, moving = Engine([rule], catalogue, "n"), Engine([rule], Catalogue(), "n")
        got = list[list[tuple[str, bytes]]]()
        for i, rows in enumerate(batches(seed)):
            now = (1000 + 10 * i) * S
            data, elsewhere = moving.snapshot(), Catalogue()
            for device in rng.permutation(DEVICES).tolist():
                elsewhere.intern(Series("n", device, "m1", "", Kind.FLOAT))
            moving = Engine([rule], elsewhere, "n")
            assert moving.restore(data)
            for engine, ids in ((steady, catalogue), (moving, elsewhere)):
                found = engine.evaluate(batch_of(rows, ids), now).published
                found += engine.tick(now + 9 * S).published
                got.append(sorted(found))
            assert got[-1] == got[-2]
        results = [msgspec.json.decode(payload) for found in got for _, payload in found]
        assert len({r["device"] for r in results}) == len(DEVICES)


def test_a_key_that_sends_more_than_the_limit_keeps_the_newest_samples_and_counts_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool.Pool.__init__, "__defaults__", (1, 50))
    calls = (Call("count", 0), Call("median", 0))
    monkeypatch.setattr(timed, "_OFTEN", 1)
    for spec in (WindowSpec("sliding", "", behind=1000 * S), WindowSpec("session", "", gap=300 * S)):
        stage = stage_of(2, spec, calls)
        found = None
        for second in range(200):
            found = feed(stage, 2, second * S, float(second), second * S)[0]
        found = stage.close(10_000 * S) if found is None else found
        assert found is not None
        assert [column.tolist() for column in found.inputs] == [[50.0, 50.0], [174.5, 174.5]]
        assert dropped(stage, ".dropped") == [150, 150]


def test_more_waiting_messages_than_the_limit_are_dropped_oldest_first_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reorder, "MAX_WAITING", 20)
    stage = stage_of(1, WindowSpec("sliding", "", behind=1000 * S, grace=500 * S), (Call("count", 0), Call("min", 0)))
    for second in range(100):
        assert feed(stage, 1, second * S, float(second), second * S)[0] is None
    found = stage.close(10_000 * S)
    assert found is not None
    assert [column.tolist()[-1] for column in found.inputs] == [20.0, 80.0]
    assert dropped(stage, "waiting.dropped") == [80]


def dropped(stage: Stage, name: str) -> list[int]:
    found: list[int] = next(
        a for n, a in stage.state.export(len(stage.route.keys)).items() if n.endswith(name)
    ).tolist()
    return found
