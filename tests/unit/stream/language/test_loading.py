import math
from pathlib import Path

import pytest

from holdfast.kernel.documents import SettingsInvalid
from holdfast.model.lane import Lane
from holdfast.stream.language.loading import BUILTIN, load_rules
from holdfast.stream.rules import CompiledRule


def problems(folder: Path, *texts: str) -> list[str]:
    paths = []
    for i, text in enumerate(texts):
        paths.append(folder / f"{i}.yaml")
        paths[-1].write_text(text, encoding="utf-8")
    with pytest.raises(SettingsInvalid) as caught:
        load_rules(paths)
    return [f"{Path(p.file).name}:{p.line} {'.'.join(map(str, p.where))}: {p.message}" for p in caught.value.problems]


def one(folder: Path, rule: str) -> CompiledRule:
    path = folder / "one.yaml"
    path.write_text(f"rules:\n  r: {{{rule}}}\n", encoding="utf-8")
    return load_rules([path])[0]


def fault(folder: Path, rule: str) -> str:
    found = problems(folder, f"rules:\n  r: {{{rule}}}\n")
    assert len(found) == 1, found
    return found[0]


def test_the_built_in_rules_load() -> None:
    rules = {r.name: r for r in load_rules([BUILTIN / "rooms.yaml"])}
    assert list(rules) == ["overheat", "stuffy", "light-left-on"]
    assert rules["overheat"].lane is Lane.CRITICAL
    assert rules["stuffy"].lane is Lane.CRITICAL
    assert rules["light-left-on"].lane is Lane.NORMAL
    assert rules["light-left-on"].clear_text == "not (avg_light > 300 and anyone = 0)"


def test_all_problems_of_all_files_come_at_once_each_with_its_line(tmp_path: Path) -> None:
    first = """rules:
  overheat:
    select: avg(air.temperature) as avg_temp, foo(co2) as g
    from: readings where device lik 'room-%'
    window: slidng 10 samples
    when: avg_temp
    for: three
    severity: dire
"""
    second = """rules:
  Hot:
    select: avg(air.temperature) as t
    when: t > 1 and u < 2
    clear_when: t <
    for: 0 samples
    message: "{who} {t:.1q}"
    do: [{publish: "alerts/#"}]
"""
    third = """rules:
  good: {select: a.b, when: a.b > 1}
  bad: {select: avg(a.b), when: 1 > 2, window: sliding 0 samples, colour: red}
"""
    found = problems(tmp_path, first, second, third, "rules: {good: {select: a.b, when: a.b > 1}}")
    assert [f.split(":")[0:2] for f in found] == [f.split(":")[0:2] for f in sorted(found, key=_place)]
    starts = [f.split(": ", 1)[0] for f in found]
    assert starts == [
        "0.yaml:8 rules.overheat.severity",  # the file's shape is wrong, so its SQL isn't looked at
        "1.yaml:2 rules.Hot",
        "1.yaml:4 rules.Hot.when",
        "1.yaml:5 rules.Hot.clear_when",
        "1.yaml:6 rules.Hot.for",
        "1.yaml:7 rules.Hot.message",
        "1.yaml:7 rules.Hot.message",
        "1.yaml:8 rules.Hot.do.0.publish",
        "2.yaml:3 rules.bad.colour",
    ]
    sound = first.replace("dire", "info")
    assert [f.split(": ", 1)[0] for f in problems(tmp_path, sound)] == [
        "0.yaml:3 rules.overheat.select",
        "0.yaml:4 rules.overheat.from",
        "0.yaml:5 rules.overheat.window",
        "0.yaml:6 rules.overheat.when",
        "0.yaml:7 rules.overheat.for",
    ]


def _place(found: str) -> tuple[str, int]:
    file, rest = found.split(":", 1)
    return file, int(rest.split(" ", 1)[0])


def test_a_rule_name_stands_in_one_file_only(tmp_path: Path) -> None:
    text = "rules: {good: {select: a.b, when: a.b > 1}}"
    assert "stands in another file too" in problems(tmp_path, text, text)[0]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "select: 'avg(a.b) as x, foo(a.b) as y', when: x > 1",
            "`foo(a.b)` isn't available; did you mean `floor`?; allowed: metrics, count(",
        ),
        ("select: avg(a.b), when: 1 < 2", "`avg(a.b)` needs a name"),
        ("select: A.b, when: A.b > 1", "`A.b` is no metric name"),
        ("select: avg(A.b) as x, when: x > 1", "`A.b` is no metric name"),
        ("select: avg(max(a.b)) as x, when: x > 1", "`max(a.b)` isn't available"),
        ("select: 'var(a, b) as x', when: x > 1", "var takes one column, as in `var(air.temperature)`"),
        ("select: max(*) as n, when: n > 1", "max takes one column"),
        ("select: 'max(a, b) as n', when: n > 1", "max takes one column, as in `max(air.temperature)`"),
        ("select: avg(distinct a) as n, when: n > 1", "only count takes `distinct`"),
        ("select: avg(a.b) over (partition by c) as n, when: n > 1", "isn't available"),
        ("select: \"a.b, 'x' + 1 as y\", when: a.b > 1", "`'x'` is text; only numbers"),
        ("select: '*', when: 1 > 0", "needs a name"),
        ("select: 'a as device', when: device > 0", "stands for something else already"),
        ("select: 'a as x, b as x', when: x > 0", "stands for something else already"),
        ("select: 'a as Big', when: 1 > 0", "`Big` is no column name"),
        ("select: 1 as x, when: x > 0", "reads no metric"),
        ("select: device, when: 1 > 0", "is missing; write columns such as"),
        ("select: a from b, when: 1 > 0", "`from` has no place"),
        ("select: distinct a, when: a > 0", "`distinct` has no place"),
        ("select: a; drop table b, when: a > 0", "isn't one SQL expression"),
        ("select: ' ', when: 1 > 0", "is empty"),
        ("select: a +, when: 1 > 0", "isn't SQL"),
        ('select: "\'open", when: 1 > 0', "isn't SQL"),
        ("select: a, when: a + 1", "is no condition"),
        ("select: a, when: a", "is no condition"),
        ("select: a, when: 'a > 1, a < 0'", "expected one condition"),
        ("select: a, when: a > 1 as x", "expected one condition"),
        ("select: a, when: b > 1", "`b` is unknown; allowed: the selected columns (a)"),
        (
            "select: a, when: avg(a) > 1",
            "`avg(a)` isn't available; give it a name in `select`; allowed: the selected columns",
        ),
        ("select: a, when: a > 1 and a", "`a` is not a condition; write one such as `a > 0`"),
        ("select: a, when: (a > 1) = 2", "is a condition and can't be compared"),
        ("select: a, when: (a > 1) + 2 > 1", "is a condition where a number is wanted"),
        ("select: a, when: a > 'x'", "texts have no order here"),
        ("select: avg(a) as a, when: a like 'x'", "`a` is a number, and a text is wanted"),
        ("select: a, when: a in (select 1)", "is not a condition"),
        ("select: a, when: a > 1, from: things", "expected `readings`"),
        ("select: a, when: a > 1, from: readings limit 3", "expected `readings`"),
        ("select: a, when: a > 1, from: readings where value > 3", "can't choose devices"),
        ("select: a, when: a > 1, from: readings where device = 3", "must be compared with text"),
        ("select: a, when: a > 1, from: readings where device in (select 1)", "must be compared with text"),
        ("select: a, when: a > 1, from: ''", "is empty"),
        ("select: a, when: a > 1, window: tumbling 10", "expected a duration"),
        ("select: a, when: a > 1, window: tumbling 10s grace x", "expected a duration"),
        ("select: a, when: a > 1, window: tumbling 0s", "1ms to 31d"),
        ("select: a, when: a > 1, window: tumbling 1s grace 99d", "grace is at most"),
        ("select: a, when: a > 1, window: sliding 1001 samples", "1 to 1000 samples"),
        ("select: a, when: a > 1, window: often", "expected `none`, `sliding 10 samples`"),
        ("select: a, when: a > 1, for: 10x", "expected `3 samples`"),
        ("select: a, when: a > 1, message: '{b}'", "`{b}` is unknown; allowed: device, node, rule, severity, a"),
        ("select: a, when: a > 1, message: '{a!r}'", "conversions and nested braces"),
        ("select: a, when: a > 1, message: '{a'", "isn't a template"),
        ("select: a, when: a > 1, do: [{publish: 'x/{a}'}]", "can't stand in a topic"),
        ("select: a, when: a > 1, do: [{publish: '$SYS/x'}]", "a topic is"),
        ("select: a, where: avg(a) > 1", "`avg(a)` isn't available"),
        ("select: a, where: device = 'x'", "choose devices in `from: readings where device"),
        ("select: a, where: a", "`a` is not a condition"),
        ("select: 'percentile(a, 2) as m', window: tumbling 1s", "a number from 0 to 1"),
        ("select: 'top(a, 0) as m', window: tumbling 1s", "a whole number, 1 to 100"),
        ("select: \"completeness(a, 'often') as m\", window: tumbling 1s", "a duration in single quotes"),
        ("select: window_start as s, window: sliding 3 samples", "isn't known of `window: sliding 3 samples`"),
        ("select: good(a + 1) as g, window: tumbling 1s", "only a metric of `readings` has a quality"),
        ("select: avg(text(a)) as g, window: tumbling 1s", "avg of a text"),
        ("select: 'lag(a, b) as l'", "as written: it can't be computed"),
        ("select: 'lag(a, 2000) as l'", "a whole number, 1 to 1000"),
        ("select: 'deadband(a) as l'", "write `deadband(x, d)`"),
        ("select: \"latest('a') as l, b\"", "write `latest('device', 'metric')`, each in single quotes"),
        ("select: \"lookup('no.csv', 'x') as l, b\"", "no.csv can't be read: No such file"),
        ("select: \"lookup('no.txt', 'x') as l, b\"", "is neither a `.csv`"),
        ("select: \"inside(a, b, 'no.geojson') as l\"", "no.geojson can't be read"),
        ("select: \"hour(ts, 'Moon') as h, a\"", "expected a time zone"),
        ("select: \"date_diff('eon', a, b) as h\"", "the unit is one of second, minute"),
        ("select: \"json_value(a, 'x') as h\"", "`x` is no path"),
        ("select: \"regexp_like(a, '(x+)+') as h\"", "can't repeat what repeats"),
        ("select: \"regexp_like(a, '(') as h\"", "isn't a regular expression"),
        ('select: "a, b", when: "a = \'x\' and b > a"', "texts have no order here"),
        ('select: "a, b", when: "a = \'x\' and a = 3"', "compares a text with a number"),
        ("select: a, when: \"a > 3 'furlong'\"", "unknown unit `furlong`"),
        ("select: a, when: \"a > 3 'degC' and a < 5 'bar'\"", "it can't be turned into `Cel`"),
        ("select: \"a 'm' / b as r, a 'km' as k\"", "choose one"),
        ("select: sqrt(a) as r, where: \"sqrt(a) > 3 'm'\"", "whose unit that is isn't known here"),
        ("select: a, when: a > 1, then: a > 2", "within which time stands in `within`"),
        ("select: a, then: a > 2, within: 3s", "what it comes after stands in `when`"),
        ("select: a, when: a > 1, within: 3s", "`within` belongs to `then` or `unless`"),
        ("select: a, when: a > 1, then: a > 2, unless: a > 3, within: 3s", "exclude each other"),
        ("select: a, when: a > 1, absent: 5m", "stands instead of `when`"),
        ("select: a, absent: 5m, window: tumbling 1s", "silence is measured from message to message"),
        ("select: a, latch: true", "`latch` is about an alert"),
        ("select: a, clear_when: a > 1", "`clear_when` is about an alert"),
        ("select: a, when: a > 1, cooldown: soon", "expected a duration"),
        ("select: a, when: a > 1, window: [none, none]", "the same window stands twice"),
        ("select: a, when: a > 1, window: []", "1 to 10 windows"),
        ("select: a, do: [{store: {Bad: a}}]", "no metric name"),
        ("select: a, do: [{store: {x.y: b}}]", "`b` is unknown"),
        ("select: \"a 'degF' as f\", do: [{store: {x.y: f}}]", "select it in a unit such as `Cel`"),
        ("select: text(a) as f, do: [{store: {x.y: f}}]", "is text, and only numbers are stored"),
        (
            'select: "max(a) as f", window: [tumbling 1s, tumbling 2s], do: [{store: {x.y: f}}]',
            "give each window a rule",
        ),
        ("select: a, do: [{publish: x, on: result, payload: {m: message}}]", "`message` is unknown"),
        ("select: a, do: [{notify: x, escalate: y}]", "an action is one of"),
        ("select: a, when: a > 1, limits: {keys: 0}", "at least 1"),
        ("select: text(a) as m, when: \"m = 'x'\", message: '{m:.1f}'", "`m` is text; write `{m}`"),
        ("select: a, when: a > 1, message: '{a:999999999f}'", "at most 99 characters wide"),
        ("select: a, from: r", "rules read each other in a circle: r → r"),
        ("select: a, from: q", "there is no rule `q`"),
        ("select: a, sql: SELECT a FROM readings", "`select` is said in `sql`"),
        ("when: a > 1", "is empty"),
    ],
)
def test_what_is_refused_and_what_is_said(tmp_path: Path, rule: str, says: str) -> None:
    assert says in fault(tmp_path, rule)


def test_text_too_long_to_be_a_condition_is_refused(tmp_path: Path) -> None:
    assert "longer than" in fault(tmp_path, f"select: a, when: a > {'1' * 5000}")
    assert "isn't SQL" in fault(tmp_path, f"select: a, when: {'(' * 1900}a{')' * 1900} > 1")


def test_spacing_does_not_change_a_rules_version_but_a_number_does(tmp_path: Path) -> None:
    a = one(tmp_path, "select: a, when: a > 1").version
    assert one(tmp_path, "select: a, when: 'a   >  1'").version == a
    assert one(tmp_path, "when: a > 1, select: a").version == a
    assert one(tmp_path, "select: a, when: a > 2").version != a


def test_rules_come_after_those_that_they_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "rules: {c: {select: z, from: b}, b: {select: y as z, from: a}, a: {select: x as y}, d: {select: x}}",
        encoding="utf-8",
    )
    assert [rule.name for rule in load_rules([path])] == ["a", "b", "c", "d"]


def test_circles_and_unknown_rules_are_told_with_their_path(tmp_path: Path) -> None:
    text = """rules:
  a: {select: x, from: b}
  b: {select: x, from: c}
  c: {select: x, from: a}
  d: {select: x, from: a}
  e: {select: x, from: overhaet}
  overheat: {select: x}
"""
    found = problems(tmp_path, text)
    assert len(found) == 2, found
    assert "rules read each other in a circle: a → b → c → a" in found[0]
    assert "there is no rule `overhaet`; did you mean `overheat`?" in found[1]


def test_a_column_that_the_rule_read_does_not_select_is_told(tmp_path: Path) -> None:
    found = problems(tmp_path, "rules: {a: {select: avg(x) as mean}, b: {select: maen, from: a}}")
    assert "rule `a` selects no `maen`; did you mean `mean`?; it has mean" in found[0]


def test_a_metric_that_a_rule_stores_is_read_from_that_rule(tmp_path: Path) -> None:
    made = "a: {select: avg(x) as m, window: tumbling 1s, do: [{store: {x.mean: m}}]}"
    found = problems(tmp_path, f"rules: {{{made}, b: {{select: x.mean}}}}")
    assert "rule `a` makes `x.mean`; read it with `from: a`" in found[0]
    found = problems(tmp_path, f"rules: {{{made}, b: {{select: y, do: [{{store: {{x.mean: y}}}}]}}}}")
    assert "`x.mean` is stored by rule `a` already" in found[0]


def test_rules_that_differ_in_limits_share_a_stage_and_keep_their_alarms(tmp_path: Path) -> None:
    def made(limit: str, more: str = "") -> CompiledRule:
        return one(tmp_path, f"select: avg(a) as t, window: tumbling 10s, when: t > {limit}, for: 3 samples{more}")

    first, second = made("80"), made("81", ", severity: critical, message: hot, cooldown: 1h")
    assert first.stage.signature == second.stage.signature
    assert first.shape != second.shape, "a cooldown is more to remember"
    assert first.shape == made("3.5", ", severity: info").shape
    assert first.version != made("3.5").version
    other = one(tmp_path, "select: avg(b) as t, window: tumbling 10s, when: t > 80")
    assert other.stage.signature != first.stage.signature


def test_a_wording_of_a_window_does_not_change_its_stage(tmp_path: Path) -> None:
    assert (
        one(tmp_path, "select: max(a) as t, window: tumbling 60s").stage.signature
        == one(tmp_path, "select: max(a) as t, window: tumbling  1m").stage.signature
    )


def test_a_simple_condition_is_a_threshold(tmp_path: Path) -> None:
    def limit(rest: str) -> tuple[int, bool, float, float] | None:
        found = one(tmp_path, f"select: 'a, b', {rest}").threshold
        return None if found is None else (found.column, found.above, found.limit, found.clear)

    assert limit("when: b > 3") == (1, True, 3, math.nextafter(3, math.inf))
    assert limit("when: -2 >= b") == (1, False, math.nextafter(-2, math.inf), -2)
    assert limit("when: a > 3, clear_when: a <= 1") == (0, True, 3, math.nextafter(1, math.inf))
    assert limit("when: a > 3, clear_when: b <= 1") is None
    assert limit("when: a > 3 and b > 3") is None
    assert limit("when: a > b") is None


def test_several_windows_are_several_parts_of_one_rule(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("rules:\n  r: {select: max(a) as m, window: [tumbling 1s, tumbling 1m]}\n", encoding="utf-8")
    rules = load_rules([path])
    assert [(rule.name, rule.part) for rule in rules] == [("r", "tumbling 1s"), ("r", "tumbling 1m")]
    assert len({rule.stage.signature for rule in rules}) == 2


def test_devices_are_chosen_as_sql_would(tmp_path: Path) -> None:
    def chosen(where: str) -> str:
        matches = one(tmp_path, f'select: a, when: a > 1, from: "readings where {where}"').matches
        return "".join(d for d in ("a", "b", "ab", "a%") if matches("n", d)) if not matches("m", "a") else "m"

    assert chosen("device like 'a%' and node = 'n'") == "aaba%"
    assert chosen("device not like 'a%' and node = 'n'") == "b"
    assert chosen("not device like '_' and node = 'n'") == "aba%"
    assert chosen("device in ('a', 'b') and node <> 'm'") == "ab"
    assert chosen("node = 'm' or device = 'b'") == "m"
    assert chosen("(device <> 'a')") == "baba%"


def test_a_publish_may_choose_its_events_and_what_it_says(tmp_path: Path) -> None:
    actions = one(
        tmp_path,
        "select: avg(air.temperature) as mean, when: mean > 26, "
        "do: [{publish: a, on: raised, payload: {device_id: device, ts: ts_ms, mean: mean}}, {publish: b}]",
    ).actions
    assert [sorted(action.kinds) for action in actions] == [["alert.raised"], ["alert.cleared", "alert.raised"]]
    assert dict(actions[0].payload) == {"device_id": "device", "ts": "ts_ms", "mean": "mean"}
    assert not actions[1].payload


def test_a_published_member_that_is_no_fact_and_no_column_is_refused(tmp_path: Path) -> None:
    rule = "select: avg(air.temperature) as mean, when: mean > 26, do: [{publish: a, payload: {x: average}}]"
    assert "`average` is unknown" in fault(tmp_path, rule)


def test_a_publish_without_choices_leaves_a_rules_version_as_it_was(tmp_path: Path) -> None:
    """A changed version starts with empty state; rules written before there were choices keep theirs."""
    assert one(tmp_path, "select: avg(air.temperature) as mean, when: mean > 26").version == "a9e0c54bf1d78176"
