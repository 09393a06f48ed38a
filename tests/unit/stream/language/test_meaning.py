# ruff: noqa: E501  # texts of rules
"""What rules mean, run by the engine: texts, units, tables, other devices, places, times, qualities, other rules."""

import json
import os
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from holdfast.kernel.clock import SystemClock
from holdfast.model.batch import Batch
from holdfast.model.quality import Quality
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.stream.engine import Engine
from holdfast.stream.happenings import tell_refused
from holdfast.stream.language.loading import compile_documents, load_rules
from holdfast.stream.rules import CompiledRule
from holdfast.telemetry.happenings import Telemetry

S = 1_000_000_000
Row = tuple[str, str, float | str]  # device, metric, value
AREA = {
    "type": "Polygon",
    "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]], [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]],
}


class Site:
    """An engine with one file of rules."""

    def __init__(self, folder: Path, text: str) -> None:
        path = folder / "rules.yaml"
        path.write_text(text, encoding="utf-8")
        self.catalogue = Catalogue()
        self.rules = load_rules([path])
        self.engine = Engine(self.rules, self.catalogue, "site")
        self.derived: list[tuple[str, str, str, int, float]] = []

    def feed(
        self, ts: float, *rows: Row, unit: str = "", quality: Quality = Quality.GOOD, node: str = "site"
    ) -> list[dict[str, Any]]:
        """The results of one message of each device, as published."""
        texts = [value for _, _, value in rows if isinstance(value, str)]
        ids, values = [], []
        for device, metric, value in rows:
            kind = Kind.TEXT if isinstance(value, str) else Kind.FLOAT
            ids.append(self.catalogue.intern(Series(node, device, metric, unit, kind)))
            values.append(float(texts.index(value)) if isinstance(value, str) else value)
        stamps = np.full(len(rows), round(ts * S), np.int64)
        batch = Batch(
            np.array(ids, np.int32), stamps, np.array(values), np.full(len(rows), int(quality), np.uint8), tuple(texts)
        )
        found = self.engine.evaluate(batch)
        for made in found.derived:
            for i, at, value in zip(made.series.tolist(), made.ts.tolist(), made.value.tolist(), strict=True):
                series = self.catalogue[i]
                self.derived.append((series.device, series.metric, series.unit, at, value))
        said = [json.loads(payload)["values"] for _, payload in found.published]
        return said + [{"event": d.event.kind, "message": d.event.message} for d in found.decisions]


def results(select: str, **keys: str) -> str:
    more = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in keys.items())
    return f"rules:\n  r:\n    select: {json.dumps(select)}\n{more}    do: [{{publish: x, on: result}}]\n"


def test_texts_are_compared_matched_and_made(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        results(
            "upper(mode) as loud, length(mode) as n, mode = 'auto' as is_auto, mode like 'a%' as begins, "
            "mode || '-' || substr(mode, 2, 2) as both, case when mode = 'auto' then 'on' else 'off' end as state",
            where="mode <> 'test'",
        ),
    )
    assert site.feed(1, ("d", "mode", "auto")) == [
        {"loud": "AUTO", "n": 4, "is_auto": 1, "begins": 1, "both": "auto-ut", "state": "on"}
    ]
    assert site.feed(2, ("d", "mode", "test")) == []
    assert site.feed(3, ("d", "mode", "manual"))[0]["state"] == "off"


def test_a_function_of_texts_gives_the_same_in_every_engine_and_after_a_restart(tmp_path: Path) -> None:
    text = results("lag(mode) as before, upper(mode) as loud, x")
    one = Site(tmp_path, text)
    one.feed(1, ("d", "mode", "auto"))
    other = Site(tmp_path, text)
    assert other.engine.restore(one.engine.snapshot())
    for site in (one, other):
        assert site.feed(2, ("d", "mode", "hand")) == [{"before": "auto", "loud": "HAND", "x": None}] or site is one


def test_an_alert_says_texts_too(tmp_path: Path) -> None:
    site = Site(tmp_path, "rules: {r: {select: 'mode, x', when: \"mode = 'hand'\"}}")
    (told,) = site.feed(1, ("d", "mode", "hand"))
    assert told["message"] == "d: mode = 'hand' (mode = hand, x is unknown)"


def test_json_and_patterns_are_read_out_of_texts(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        results(
            "json_value(raw, '$.a.b[1]') as v, json_text(raw, '$.name') as name, "
            "regexp_extract(raw, 'n([0-9]+)') as n, regexp_like(raw, 'name') as has"
        ),
    )
    assert site.feed(1, ("d", "raw", '{"a": {"b": [1, 2.5]}, "name": "n17"}')) == [
        {"v": 2.5, "name": "n17", "n": "17", "has": 1}
    ]
    assert site.feed(2, ("d", "raw", "no json")) == [{"v": None, "name": None, "n": None, "has": 0}]


def test_a_metric_is_read_in_the_unit_it_is_compared_in(tmp_path: Path) -> None:
    site = Site(
        tmp_path, results("air.temperature as t, delta(air.temperature) as d", when="t > 100 'degF' and d > 1 'K'")
    )
    assert site.feed(1, ("d", "air.temperature", 20.0), unit="Cel")[0]["t"] == pytest.approx(68)
    made = site.feed(2, ("d", "air.temperature", 40.0), unit="Cel")
    assert made[0] == {"t": pytest.approx(104), "d": pytest.approx(36)}
    assert site.rules[0].threshold is None


def test_one_device_may_measure_in_kelvin_and_another_in_celsius(tmp_path: Path) -> None:
    site = Site(tmp_path, results("avg(air.temperature) as t 'Cel'", by="all"))
    assert site.feed(1, ("a", "air.temperature", 300.15), unit="K") == [{"t": pytest.approx(27)}]
    assert site.feed(2, ("b", "air.temperature", 20.0), unit="Cel") == [{"t": pytest.approx(20)}]
    assert site.feed(3, ("c", "air.temperature", 21.0)) == [{"t": 21}], "a series without a unit is taken as it comes"


def test_a_series_of_another_quantity_is_left_out_and_told_once(tmp_path: Path) -> None:
    site = Site(tmp_path, results("level as l 'm'"))
    told: list[str] = []
    telemetry = Telemetry(SystemClock(), told.append)
    site.engine.on_refused = lambda refused: tell_refused(refused, telemetry)
    assert site.feed(1, ("d", "level", 3.0), unit="Pa") == []
    assert site.feed(2, ("d", "level", 3.0), unit="Pa") == []
    assert len(told) == 1
    assert "site/d/level" in told[0]
    assert telemetry.registry.get_sample_value("holdfast_stream_series_refused_total") == 1


def test_the_limit_of_a_literal_is_converted_exactly(tmp_path: Path) -> None:
    rule = Site(tmp_path, results("max(p) as p 'kPa'", when="p > 2.5 'bar'")).rules[0]
    assert rule.threshold is not None
    assert rule.threshold.limit == 250.0
    assert rule.units == ("kPa",)


def test_tables_are_looked_up_by_device_and_by_key_and_read_again_on_reload(tmp_path: Path) -> None:
    table = tmp_path / "limits.csv"
    table.write_text("device,high,model\na,80,X1\nb,70,\n", encoding="utf-8")
    (tmp_path / "codes.csv").write_text("code,meaning\n1,stopped\n2,running\n", encoding="utf-8")
    text = results(
        "x, lookup('limits.csv', 'high') as high, lookup('limits.csv', 'model') as m, lookup('codes.csv', 'meaning', x) as s"
    )
    site = Site(tmp_path, text)
    assert site.feed(1, ("a", "x", 1.0)) == [{"x": 1, "high": 80, "m": "X1", "s": "stopped"}]
    assert site.feed(2, ("b", "x", 2.0)) == [{"x": 2, "high": 70, "m": None, "s": "running"}]
    assert site.feed(3, ("c", "x", 3.0)) == [{"x": 3, "high": None, "m": None, "s": None}]
    table.write_text("device,high,model\na,99,X1\n", encoding="utf-8")
    os.utime(table, ns=(1, 1))
    load_rules([tmp_path / "rules.yaml"])
    assert site.feed(4, ("a", "x", 1.0))[0]["high"] == 99


def test_a_table_may_be_one_of_sqlite(tmp_path: Path) -> None:
    database = apsw.Connection(str(tmp_path / "plant.db"))
    database.execute("CREATE TABLE machines (device, power REAL); INSERT INTO machines VALUES ('a', 7.5), ('b', NULL)")
    database.close()
    site = Site(tmp_path, results("x, lookup('plant.db:machines', 'power') as p"))
    assert site.feed(1, ("a", "x", 1.0)) == [{"x": 1, "p": 7.5}]
    assert site.feed(1, ("b", "x", 1.0)) == [{"x": 1, "p": None}]


def test_another_devices_series_is_read_as_last_known(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        results(
            "air.temperature - latest('weather', 'air.temperature') as above",
            **{"from": "readings where device <> 'weather'"},
        ),
    )
    assert site.feed(1, ("a", "air.temperature", 30.0)) == [{"above": None}]
    assert site.feed(2, ("weather", "air.temperature", 20.0), ("a", "air.temperature", 31.0)) == [{"above": 11}]
    assert site.feed(3, ("a", "air.temperature", 32.0)) == [{"above": 12}]
    assert site.feed(4, ("a", "air.temperature", 33.0), ("weather", "air.temperature", 0.0)) == [{"above": 13}]


def test_entering_and_leaving_an_area_are_changes_of_being_inside(tmp_path: Path) -> None:
    (tmp_path / "yard.geojson").write_text(json.dumps(AREA), encoding="utf-8")
    site = Site(
        tmp_path,
        results("inside(lat, lon, 'yard.geojson') as here, changed(inside(lat, lon, 'yard.geojson')) as crossed, distance(lat, lon, 0, 0) as m"),
    )  # fmt: skip
    seen = [site.feed(t, ("a", "lat", lat), ("a", "lon", 5.0))[0] for t, lat in enumerate((-1.0, 1.0, 2.0, 5.0, 12.0))]
    assert [(s["here"], s["crossed"]) for s in seen] == [(0, None), (1, 1), (1, 0), (0, 1), (0, 0)]
    assert seen[1]["m"] == pytest.approx(566_900, rel=0.01)


def test_times_are_those_of_the_zone_also_when_the_clock_changes(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        results(
            "hour(ts, 'Europe/Berlin') as h, dow(ts) as d, day(ts) as day, month(ts) as m, year(ts) as y, date_diff('minute', ts, ts + 90) as diff, x"
        ),
    )
    before, after = 1_743_296_400 - 1, 1_743_296_400  # 2025-03-30 01:00 UTC, a Sunday
    assert site.feed(before, ("a", "x", 1.0)) == [{"h": 1, "d": 7, "day": 30, "m": 3, "y": 2025, "diff": 1.5, "x": 1}]
    assert site.feed(after, ("a", "x", 1.0))[0]["h"] == 3


def test_a_message_of_bad_quality_does_not_count_and_its_quality_is_known(tmp_path: Path) -> None:
    site = Site(tmp_path, results("x, quality(x) as q", where="quality(x) = 'good'"))
    assert site.feed(1, ("a", "x", 1.0)) == [{"x": 1, "q": "good"}]
    assert site.feed(2, ("a", "x", 2.0), quality=Quality.UNCERTAIN) == []
    assert site.feed(3, ("a", "x", 2.0), quality=Quality.BAD) == []


def test_a_rule_reads_what_another_selects_and_knows_its_kinds_and_units(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        """
rules:
  second:
    select: upper(mode) as loud, t, delta(t) as d
    from: first-one where device <> 'b'
    when: t > 100 'degF' and loud = 'AUTO'
    message: "{device} {t:.0f} {loud}"
  first-one:
    select: air.temperature as t 'Cel', mode
    where: mode like 'a%'
    do: []
""",
    )
    assert [rule.name for rule in site.rules] == ["first-one", "second"]
    site.feed(1, ("a", "air.temperature", 300.0), ("b", "air.temperature", 400.0), unit="K")
    made = site.feed(2, ("a", "mode", "auto"), ("b", "mode", "auto"))
    assert made == []
    made = site.feed(3, ("a", "air.temperature", 320.0), ("b", "air.temperature", 320.0), unit="K")
    assert made == [{"event": "alert.raised", "message": "a 47 AUTO"}]


def test_points_of_a_swinging_door_are_stored_with_their_own_time(tmp_path: Path) -> None:
    site = Site(
        tmp_path,
        """
rules:
  thin:
    select: swinging_door(x, 0.1) as v, swinging_door_time(x, 0.1) as at
    where: fresh(swinging_door(x, 0.1))
    do: [{store: {x.thin: {column: v, at: at, unit: m}}}]
""",
    )
    for t, value in enumerate((0.0, 1.0, 2.0, 3.0, 2.0, 1.0)):
        site.feed(t + 0.001, ("a", "x", value))
    assert site.derived == [("a", "x.thin", "m", 1_000_000, 0.0), ("a", "x.thin", "m", 3_001_000_000, 3.0)]


def _same(a: CompiledRule, b: CompiledRule) -> bool:
    return (a.stage.signature, a.shape, a.version) == (b.stage.signature, b.shape, b.version)


def test_a_rule_compiled_from_its_own_document_is_the_same_rule(tmp_path: Path) -> None:
    (tmp_path / "limits.csv").write_text("device,high\na,80\n", encoding="utf-8")
    site = Site(
        tmp_path, results("x, lookup('limits.csv', 'high') as high, lag(mode) as m", when="x > 3 'm' and m = 'a'")
    )
    again = compile_documents([rule.document for rule in site.rules])
    assert len(again) == 1
    assert _same(again[0], site.rules[0])
