"""Golden traces: what their words mean, what a run of one finds, and that the ways of running agree."""

from datetime import UTC
from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.stream.language.loading import load_rules
from holdfast.stream.rules import CompiledRule
from holdfast.stream.traces.judging import Verdict, _against, judge
from holdfast.stream.traces.reading import parse
from holdfast.stream.traces.running import manners, moments, run
from holdfast.stream.traces.script import Message, Silence, Trace
from holdfast.stream.traces.times import read_iso, read_length
from holdfast.stream.traces.values import allows, read_number

S = 1_000_000_000
RULES = """
rules:
  hot:
    select: avg(temperature) as t
    window: sliding 3 samples
    when: t > 80
    for: 2 samples
    clear_when: t < 75
"""
HEAD = "rules: hot.yaml\nstart: 2026-05-01T08:00Z\n"
TRACE = f"""{HEAD}
08:00 every 10s  press-1  temperature=70,79,85,90,95 Cel
  => raised hot press-1 at 08:00:40 t=90
restart
08:02  press-1  temperature=60 Cel
08:03  press-1  temperature=40 Cel
  => cleared hot press-1 t=65
"""


def read(body: str) -> Trace:
    return parse(body, Path("hot.trace"))


def faults(body: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        read(body)
    return [str(problem) for problem in caught.value.problems]


@pytest.fixture
def rules(tmp_path: Path) -> list[CompiledRule]:
    (tmp_path / "hot.yaml").write_text(RULES)
    return load_rules([tmp_path / "hot.yaml"])


def verdict(text: str, rules: list[CompiledRule]) -> Verdict:
    return judge(read(text), rules, 4, restarts=True)


def messages(text: str) -> list[Message]:
    return [a for step in read(HEAD + text).steps for a in step.actions if isinstance(a, Message)]


def test_a_trace_whose_events_come_as_expected_is_good_in_every_way_of_running_it(rules: list[CompiledRule]) -> None:
    found = verdict(TRACE, rules)
    assert found.is_good
    assert (found.events, found.ways) == (2, 7)
    assert found.updated.splitlines()[-2:] == [
        "08:03  press-1  temperature=40 Cel",
        "  => cleared hot press-1 at 08:03 t=65",
    ]


def test_what_came_instead_is_told_in_the_traces_own_words(rules: list[CompiledRule]) -> None:
    found = verdict(TRACE.replace("t=90", "t=91").replace("  => cleared hot press-1 t=65\n", ""), rules)
    assert found.differences == [
        "hot.trace:4: 08:00 every 10s  press-1  temperature=70,79,85,90,95 Cel",
        "  - => raised hot press-1 at 08:00:40 t=91",
        "  + => raised hot press-1 at 08:00:40 t=90",
        "hot.trace:8: 08:03  press-1  temperature=40 Cel",
        "  + => cleared hot press-1 at 08:03 t=65",
    ]


def test_an_updated_trace_is_good(rules: list[CompiledRule]) -> None:
    wrong = TRACE.replace("t=90", "t=91").replace("cleared", "raised")
    assert verdict(verdict(wrong, rules).updated, rules).is_good


def test_an_event_under_the_wrong_line_is_a_difference(rules: list[CompiledRule]) -> None:
    moved = TRACE.replace("  => cleared hot press-1 t=65\n", "").replace(
        "temperature=60 Cel\n", "temperature=60 Cel\n  => cleared hot press-1 t=65\n"
    )
    assert [line[:4] for line in verdict(moved, rules).differences] == ["hot.", "  - ", "hot.", "  + "]


def test_bad_values_and_other_devices_change_nothing(rules: list[CompiledRule]) -> None:
    more = TRACE.replace(
        "restart\n", "08:01  press-1 temperature=0 Cel bad\n08:01:10 every 1s x5 press-2 temperature=10 Cel\n"
    )
    assert verdict(more, rules).is_good


def test_times_are_of_the_day_since_the_start_or_with_a_date() -> None:
    start = read_iso("2026-05-01T08:00:00Z", UTC)
    assert start is not None
    assert [m.ts - start for m in messages("08:00:00.5 d m=1\n+90s d m=1\n2026-05-02\n00:00 d m=1\n")] == [
        S // 2,
        90 * S,
        16 * 3600 * S,
    ]
    berlin = read(f"{HEAD}zone: Europe/Berlin\n10:30 d m=1\n").steps[0].actions[0]
    assert isinstance(berlin, Message)
    assert berlin.ts == start + 1800 * S
    assert read_length("1h30m") == 5400 * S
    assert read_length("1x") is None


def test_a_line_may_be_many_messages_with_one_value_a_list_or_a_slope() -> None:
    assert [m.readings[0].value for m in messages("08:00 every 10s x3 d m=7\n")] == [7, 7, 7]
    assert [m.readings[0].value for m in messages("08:00 every 10s d m=1,2,9\n")] == [1, 2, 9]
    assert [m.readings[0].value for m in messages("08:00 every 10s until 08:00:40 d m=0..8\n")] == [0, 2, 4, 6, 8]
    assert [m.readings[0].value for m in messages("08:00 d mode='on #1' ok=true\n")] == ["on #1"]


def test_a_late_message_comes_now_and_bears_its_own_time() -> None:
    early, late = messages("08:05 d m=1\nlate 08:01 d m=2\n")
    assert late.at == early.at
    assert late.at - late.ts == 240 * S
    (wrong,) = messages("08:05 d m=1 stamped 07:05\n")
    assert wrong.at - wrong.ts == 3600 * S


def test_every_problem_is_told_with_its_line_and_what_to_write() -> None:
    told = faults(
        f"{HEAD}08:00 d m=x\n07:00 d m=1\n"
        "09:00\n10:00 d m=1 Cel\n11:00 d m=1 bar\n"
        "=> lifted hot d\n12:00 every 1s x3 d m=1,2\n25:00 d m=1\nstart: 2026-01-01"
    )
    assert [t.split(": ", 1)[0] for t in told] == [f"hot.trace:{n}" for n in (3, 4, 5, 7, 8, 9, 10, 11)]
    assert "a value is" in told[0]
    assert "one unit" in told[3]
    assert "write `=> raised RULE DEVICE" in told[4]
    assert "late 07:00" in faults(f"{HEAD}08:00 d m=1\n07:00 d m=1\n")[0]
    assert "names no rules" in faults("08:00 d m=1\n")[0]


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [("81.5", 81.46, 81.56), ("90", 90.4, 90.6), ("5±2", 6.9, 7.1), ("5+-0.1", 5.05, 5.2), ("1e3", 1400, 1600)],
)
def test_an_expected_value_stands_for_all_that_rounds_to_it(wanted: str, good: float, bad: float) -> None:
    number = read_number(wanted)
    assert number is not None
    assert allows(number[0], good)
    assert not allows(number[0], bad)


def test_unknown_and_texts_are_compared_as_they_are() -> None:
    unknown, text = read_number("unknown"), read_number("'on'")
    assert unknown is not None
    assert text is not None
    assert allows(unknown[0], None)
    assert not allows(unknown[0], 0.0)
    assert allows(text[0], "on")
    assert read_number("soon") is None


def test_silence_passes_in_ticks_that_double_and_end_just_before_the_next_message() -> None:
    assert list(moments(0, 8 * S)) == [S, 2 * S, 4 * S, 8 * S - 1]
    assert list(moments(None, S)) == []
    assert list(moments(S, S)) == []
    assert read(f"{HEAD}08:00 d m=1\n08:10 silence\n").steps[1].actions == (Silence(1777623000 * S),)


def test_a_run_in_any_manner_gives_the_same_events(rules: list[CompiledRule]) -> None:
    trace = read(TRACE)
    runs = [[g.facts for g in run(trace, rules, manner)] for manner in manners(20, restarts=True)]
    assert all(one == runs[0] for one in runs)


def test_what_differs_between_two_ways_of_running_is_told_as_events(rules: list[CompiledRule]) -> None:
    trace = read(TRACE)
    seen = run(trace, rules, manners(0, restarts=False)[0])
    assert _against(trace, seen, seen[:1]) == ["  - => cleared hot press-1 at 08:03 t=65"]
    assert _against(trace, seen[1:], seen) == ["  + => raised hot press-1 at 08:00:40 t=90"]
