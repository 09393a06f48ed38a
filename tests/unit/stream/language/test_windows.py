# ruff: noqa: S608  # SQL of rules, for no database
"""The words of windows and spans, and pure SQL's windows, as `WindowSpec`s."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.stream.language.loading import load_rules
from holdfast.stream.language.windowtext import parse_hold, parse_window
from holdfast.stream.plans import WindowSpec
from holdfast.stream.rules import CompiledRule

S = 1_000_000_000


def told(text: str) -> dict[str, Any]:
    """What of a window isn't the default."""
    faults: list[str] = []
    spec = parse_window(text, faults).spec
    assert not faults
    plain = asdict(WindowSpec("each", ""))
    return {k: v for k, v in asdict(spec).items() if v != plain[k] and k != "text"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", {}),
        ("sliding 10 samples", {"kind": "last", "samples": 10}),
        ("sliding   1 sample", {"kind": "last"}),
        ("sliding 5m", {"kind": "sliding", "behind": 300 * S}),
        ("sliding 10s ahead 5s grace 1s", {"kind": "sliding", "behind": 10 * S, "ahead": 5 * S, "grace": S}),
        ("tumbling 10s", {"kind": "tumbling", "width": 10 * S, "hop": 10 * S}),
        (
            "tumbling 10s grace 2s late 1h",
            {"kind": "tumbling", "width": 10 * S, "hop": 10 * S, "grace": 2 * S, "late": 3600 * S},
        ),
        (
            "tumbling 10s late 1h grace 2s",
            {"kind": "tumbling", "width": 10 * S, "hop": 10 * S, "grace": 2 * S, "late": 3600 * S},
        ),
        ("hopping 10m every 1m", {"kind": "hopping", "width": 600 * S, "hop": 60 * S}),
        ("session 5m", {"kind": "session", "gap": 300 * S}),
        ("session 5m max 1h", {"kind": "session", "gap": 300 * S, "most": 3600 * S}),
        ("count 100", {"kind": "count", "samples": 100, "step": 100}),
        ("count 100 every 10", {"kind": "count", "samples": 100, "step": 10}),
        ("state while a = 1 grace 1s", {"kind": "state", "grace": S}),
        ("calendar day", {"kind": "calendar", "unit": "day"}),
        (
            "calendar day in Europe/Berlin at 06:00, 14:00, 22:00 late 1h",
            {
                "kind": "calendar",
                "unit": "day",
                "zone": "Europe/Berlin",
                "starts": (21600, 50400, 79200),
                "late": 3600 * S,
            },
        ),
        (
            "calendar week in +02:00 at 06:30",
            {"kind": "calendar", "unit": "week", "zone": "+02:00", "starts": (23400,)},
        ),
    ],
)
def test_windows_are_read(text: str, expected: dict[str, Any]) -> None:
    assert told(text) == expected


def test_a_state_window_tells_its_conditions() -> None:
    faults: list[str] = []
    found = parse_window("state from running = 1 and x > 2 to running = 0 grace 2s", faults)
    assert (found.begin, found.end, faults) == ("running = 1 and x > 2", "running = 0", [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sliding", "expected `none`"),
        ("tumbling 10s late x", "expected a duration"),
        ("sliding 5m late 1h", "`late` belongs to tumbling, hopping and calendar windows"),
        ("sliding 10 samples grace 1s", "expected"),
        ("count 100 grace 1s", "no `grace` and no `late`"),
        ("count 0", "1 to 100000"),
        ("tumbling 10s grace 1s grace 2s", "stands twice"),
        ("tumbling 10s grace 99d", "at most 31d"),
        ("hopping 10m", "expected `none`"),
        ("hopping 31d every 1ms", "more than 10000 windows"),
        ("session 5m max 1m", "can't be shorter than its gap"),
        ("calendar fortnight", "one of hour, day, week, month, year"),
        ("calendar day in Nowhere/Land", "time zone"),
        ("calendar day at 25:00", "no time of the day"),
        ("calendar day at six", "expected times of the day"),
        ("calendar week at 06:00, 14:00", "only a day has several"),
        ("calendar hour at 00:30", "an hour has no `at`"),
        ("calendar day at 06:00, 06:00", "stands twice"),
    ],
)
def test_windows_that_are_refused_and_why(text: str, says: str) -> None:
    faults: list[str] = []
    parse_window(text, faults)
    assert says in " ".join(faults)


def test_holds_are_samples_or_time() -> None:
    faults: list[str] = []
    assert (parse_hold("3 samples", faults).samples, parse_hold("5m", faults).ns, faults) == (3, 300 * S, [])
    for wrong in ("0 samples", "three", "5", "0s", "9999d"):
        parse_hold(wrong, faults := [])
        assert len(faults) == 1, wrong


def sql(folder: Path, text: str, more: str = "") -> CompiledRule:
    path = folder / "sql.yaml"
    path.write_text(f"rules:\n  r:\n    sql: >\n      {text}\n{more}", encoding="utf-8")
    return load_rules([path])[0]


@pytest.mark.parametrize(
    ("window", "same"),
    [
        ("TUMBLINGWINDOW(ss, 10)", "tumbling 10s"),
        ("TumblingWindow(second, 10)", "tumbling 10s"),
        ("HOPPINGWINDOW(mi, 10, 1)", "hopping 10m every 1m"),
        ("HoppingWindow(minute, 10, 1)", "hopping 10m every 1m"),
        ("SLIDINGWINDOW(ss, 10)", "sliding 10s"),
        ("SLIDINGWINDOW(ss, 10, 5)", "sliding 10s ahead 5s"),
        ("SlidingWindow(hour, 2)", "sliding 2h"),
        ("SESSIONWINDOW(mi, 60, 5)", "session 5m max 60m"),
        ("SessionWindow(minute, 5, 60)", "session 5m max 60m"),
        ("COUNTWINDOW(100)", "count 100"),
        ("COUNTWINDOW(100, 10)", "count 100 every 10"),
        ("TUMBLINGWINDOW(dd, 1)", "tumbling 1d"),
        ("TUMBLINGWINDOW(ms, 1500)", "tumbling 1.5s"),
    ],
)
def test_the_windows_of_ekuiper_and_stream_analytics_are_ours(tmp_path: Path, window: str, same: str) -> None:
    rule = sql(tmp_path, f"SELECT device, avg(t) AS t FROM readings GROUP BY device, {window}")
    ours = parse_window(same, []).spec
    assert {**asdict(rule.stage.window), "text": ""} == {**asdict(ours), "text": ""}
    assert rule.stage.by == "device"


def test_a_state_window_of_sql_has_its_conditions_as_columns(tmp_path: Path) -> None:
    rule = sql(
        tmp_path, "SELECT device, count(*) AS n FROM readings GROUP BY device, STATEWINDOW(t > 30 'degC', t < 20)"
    )
    assert (rule.stage.window.begin, rule.stage.window.end, len(rule.stage.steps)) == (1, 2, 2)
    rule = sql(tmp_path, "SELECT count(*) AS n FROM readings GROUP BY node, STATEWINDOW(running = 1)")
    assert (rule.stage.window.begin, rule.stage.window.end, rule.stage.by) == (1, -1, "node")


def test_sql_says_what_the_keys_say(tmp_path: Path) -> None:
    pure = sql(
        tmp_path,
        "SELECT device, avg(temperature) AS t FROM readings WHERE device LIKE 'press-%' AND running = 1 "
        "GROUP BY device, TUMBLINGWINDOW(ss, 10) HAVING t > 80",
    )
    path = tmp_path / "keys.yaml"
    path.write_text(
        "rules: {r: {select: avg(temperature) as t, from: \"readings where device like 'press-%'\", "
        "where: running = 1, window: tumbling 10s, when: t > 80}}",
        encoding="utf-8",
    )
    keys = load_rules([path])[0]
    assert pure.stage.signature == keys.stage.signature
    assert (pure.names, pure.when_text, pure.threshold) == (keys.names, keys.when_text, keys.threshold)
    assert [pure.matches("n", d) for d in ("press-1", "pump-1")] == [True, False]


def test_having_may_use_what_is_not_selected_by_name(tmp_path: Path) -> None:
    rule = sql(
        tmp_path,
        "SELECT AVG(temperature), device FROM readings GROUP BY device, TumblingWindow(second, 10) "
        "HAVING AVG(temperature) > 80 AND COUNT(*) > 3",
    )
    assert rule.names == ("avg_temperature", "having_1")
    assert rule.when is not None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT t FROM a JOIN b ON a.x = b.x", "no joins"),
        ("SELECT t FROM readings ORDER BY t", "`order` has no place"),
        ("SELECT t INTO out FROM readings", "what becomes of results stands in `do`"),
        ("SELECT avg(t) AS t FROM readings GROUP BY t, TUMBLINGWINDOW(ss, 10)", "keeps devices or nodes apart"),
        ("SELECT avg(t) AS t FROM readings GROUP BY TUMBLINGWINDOW(ss)", "write `TUMBLINGWINDOW(ss, 10)"),
        ("SELECT avg(t) AS t FROM readings GROUP BY TUMBLINGWINDOW(weeks, 1)", "write `TUMBLINGWINDOW(ss, 10)"),
        ("SELECT avg(t) AS t FROM readings GROUP BY TUMBLINGWINDOW(ss, 1), COUNTWINDOW(3)", "one window in `group by`"),
        ("SELECT avg(t) AS t FROM readings WHERE device = 'a' OR t > 3", "can't be computed with"),
        ("UPDATE readings SET t = 3", "isn't one SQL expression"),
        ("SELECT t FROM somewhere", "there is no rule `somewhere`"),
    ],
)
def test_sql_that_is_refused_and_why(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        sql(tmp_path, text)
    assert says in str(refused.value)


def test_what_sql_says_is_not_said_again(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        sql(
            tmp_path,
            "SELECT t FROM readings",
            "    select: t\n    where: t > 3\n    by: all\n    window: tumbling 10s\n",
        )
    assert [p.message.split("`")[1] for p in refused.value.problems] == ["select", "where", "by"]
