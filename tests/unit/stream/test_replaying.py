"""Rules over the past: the account, and that it is what the live engine does; describing, advising, limits, bins."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream import replaying
from holdfast.stream.advising import warnings
from holdfast.stream.bins import Bins
from holdfast.stream.describing import alarm_words, cost, lasting, reads, window_words
from holdfast.stream.engine import Engine
from holdfast.stream.language.loading import load_rules
from holdfast.stream.limits import Limit, limits
from holdfast.stream.replaying import Account, Alert, Replay
from holdfast.stream.rules import CompiledRule

S = 1_000_000_000
HOT = """
rules:
  hot:
    select: avg(temperature) as t
    from: readings where device <> 'd9'
    window: sliding 3 samples
    when: t > 5
    for: 2 samples
    clear_when: t < 4
"""
NONE: frozenset[str] = frozenset()


def compiled(text: str, folder: Path) -> list[CompiledRule]:
    (folder / "r.yaml").write_text(text)
    return load_rules([folder / "r.yaml"])


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> list[CompiledRule]:
    return compiled(HOT, tmp_path_factory.mktemp("rules"))


def readings(rows: list[tuple[int, int, float]], catalogue: Catalogue) -> Batch:
    """Rows (second, device, value) in order of time."""
    ids = [catalogue.intern(Series("n", f"d{d}", "temperature", "Cel", Kind.FLOAT)) for _, d, _ in rows]
    ts = np.array([s for s, _, _ in rows], np.int64) * S
    return Batch(np.array(ids, np.int32), ts, np.array([v for _, _, v in rows]), np.zeros(len(rows), np.uint8))


def test_the_account_lists_alerts_with_begin_and_end_and_counts_them_by_device(rules: list[CompiledRule]) -> None:
    rows = [(s, d, 9.0 if 10 <= s < 20 or (s > 40 and d) else 1.0) for s in range(50) for d in (0, 1)]
    catalogue = Catalogue()
    replay = Replay(rules, catalogue, "n", 0, 50 * S)
    replay.feed(readings(rows, catalogue))
    account = replay.finish(0)
    assert account.counts == {("hot", "n", "d0"): 1, ("hot", "n", "d1"): 2}
    assert [(a.device, a.raised // S, None if a.cleared is None else a.cleared // S) for a in account.alerts] == [
        ("d0", 12, 21),
        ("d1", 12, 21),
        ("d1", 43, None),
    ]
    assert (account.readings, account.first, account.last) == (100, 0, 49 * S)
    assert replay.unread() == []


def test_a_rule_without_series_is_named(rules: list[CompiledRule]) -> None:
    catalogue = Catalogue()
    replay = Replay(rules, catalogue, "n", 0, 50 * S)
    replay.feed(readings([(0, 9, 1.0)], catalogue))
    assert replay.unread() == ["hot"]
    assert replay.finish(0).counts == {}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3), st.sampled_from([1.0, 4.5, 6.0])), max_size=80),
    st.integers(1, 7),
)
def test_a_replay_in_any_slices_gives_the_events_of_the_live_engine(
    rules: list[CompiledRule], rows: list[tuple[int, int, float]], most: int
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    live = Catalogue()
    engine, expected = Engine(rules, live, "n"), Account()
    for second in sorted({row[0] for row in rows}):  # rows of one time are one message
        batch = readings([row for row in rows if row[0] == second], live)
        for decision in engine.evaluate(batch).decisions:
            expected.take(decision.event, open_end=False)
    catalogue = Catalogue()
    replay = Replay(rules, catalogue, "n", 0, 400 * S)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replaying, "MOST_ROWS", most)
        replay.feed(readings(rows, catalogue))
    got = replay.finish(0)
    assert sorted(map(facts, got.alerts)) == sorted(map(facts, expected.alerts))


def facts(alert: Alert) -> tuple[str, int, int, str]:
    return alert.device, alert.raised, alert.cleared or -1, alert.id


def test_a_batch_is_never_cut_between_rows_of_one_time(rules: list[CompiledRule]) -> None:
    replay = Replay(rules, Catalogue(), "n", 0, 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replaying, "MOST_ROWS", 3)
        ts = np.repeat([0, 1, 2], [2, 6, 3]).astype(np.int64)
        parts = list(replay._slices(ts))
    assert parts[0][0] == 0
    assert parts[-1][1] == len(ts)
    assert all(ts[low - 1] != ts[low] for low, _ in parts[1:])


def test_bins_keep_lowest_highest_and_last_of_each_key() -> None:
    bins = Bins(0, 100, 10)
    bins.add(np.array([0, 0, 2, 0]), np.array([1, 2, 55, 99]), np.array([3.0, 1.0, 7.0, 9.0]))
    bins.add(np.array([0, 2]), np.array([5, 500]), np.array([2.0, np.nan]))
    assert (bins.low[0, 0], bins.high[0, 0], bins.last[0, 0]) == (1.0, 3.0, 2.0)
    assert bins.last[2, 5] == 7.0
    assert bins.last[0, 9] == 9.0
    assert np.isnan(bins.low[1]).all()


def test_limits_are_the_numbers_of_when_and_clear_when(rules: list[CompiledRule]) -> None:
    assert limits(rules[0]) == [Limit(0, 5.0, False), Limit(0, 4.0, True)]


def test_a_rule_is_told_in_plain_words(rules: list[CompiledRule]) -> None:
    (rule,) = rules
    assert reads(rule) == ["temperature"]
    assert window_words(rule.stage.window) == "the last 3 samples of each metric"
    assert alarm_words(rule) == ["raised when t > 5, 2 times in a row", "ends when t < 4"]
    assert cost(rule).key > 3 * 16
    assert lasting(5_400 * S) == "1 h 30 min"
    assert lasting(250_000_000) == "0.25 s"


def test_conditions_that_hold_at_once_are_warned_of(tmp_path: Path, rules: list[CompiledRule]) -> None:
    assert warnings(rules[0], NONE) == []
    (wrong,) = compiled(HOT.replace("t < 4", "t < 8"), tmp_path)
    assert "raised and cleared by turns" in warnings(wrong, NONE)[0]
