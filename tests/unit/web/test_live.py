"""What a frame of the live channel holds: shared rows, readings without loss, coalescing, backpressure, bounds."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.history.stored import Row, batch
from tests.unit.web.doors import NOW_NS, make_deps

from holdfast.history.errors import QueryInvalid
from holdfast.model.batch import Batch
from holdfast.model.series import Catalogue, Kind, Series
from holdfast.web.deps import WebDeps
from holdfast.web.device_answers import DeviceRow
from holdfast.web.gate import Gate
from holdfast.web.live.changes import Table
from holdfast.web.live.following import MOST_TURNS, Following
from holdfast.web.live.messages import Seen, Unwatch, Watch, asked
from holdfast.web.live.pacing import BEAT_S, PATIENCE_S, Pace
from holdfast.web.live.sources import Sources
from holdfast.web.live.viewer import MOST_FRAME, MOST_WATCHES, Viewer
from holdfast.web.live.watches import LastWatch, ReadingsWatch, StatusWatch, device_watch


def rows(series: int, values: Sequence[float], at: int = NOW_NS) -> Batch:
    return batch([Row(series, at + i, value) for i, value in enumerate(values)])


def catalogue(series: int = 3) -> Catalogue:
    known = Catalogue()
    for i in range(series):
        known.intern(Series("gw", f"press-{i}", "temp", "Cel", Kind.FLOAT))
    return known


def values(found: list[list[Batch]]) -> list[list[float]]:
    return [[value for one in batches for value in one.value.tolist()] for batches in found]


# Which readings are kept


def test_only_followed_series_are_kept_and_each_turn_tells_what_came_in_it() -> None:
    following = Following(catalogue())
    following.take(rows(1, [9.0]))
    following.follow([0, 2])
    following.take(rows(0, [1.0, 2.0]))
    following.take(rows(1, [5.0]))
    following.take(rows(2, [7.0]))
    following.turn()
    following.take(rows(0, [3.0]))
    following.turn()
    assert values(following.since(0, [0, 2])) == [[1.0, 2.0, 3.0], [7.0]]
    assert values(following.since(1, [0, 2])) == [[3.0], []]
    assert following.counts(np.array([0, 2], np.int32)).tolist() == [3, 1]


def test_a_series_is_followed_until_the_last_who_follows_it_goes() -> None:
    following = Following(catalogue())
    following.follow([0])
    following.follow([0])
    following.unfollow([0])
    following.take(rows(0, [1.0]))
    following.turn()
    assert values(following.since(0, [0])) == [[1.0]]
    following.unfollow([0])
    assert not following.is_followed
    following.take(rows(0, [2.0]))
    following.turn()
    assert values(following.since(0, [0])) == [[]]


def test_rows_are_kept_up_to_a_bound_and_turns_up_to_a_minute() -> None:
    following = Following(catalogue(), most=10)
    following.follow([0])
    for i in range(50):
        following.take(rows(0, [float(i)]))
    following.turn()
    assert values(following.since(0, [0])) == [[float(i) for i in range(40, 50)]]
    assert following.counts(np.array([0], np.int32)).tolist() == [50]
    for _ in range(MOST_TURNS):
        following.turn()
    assert values(following.since(0, [0])) == [[]]


def test_series_that_came_after_the_follower_do_not_confuse_it() -> None:
    known = catalogue(1)
    following = Following(known)
    following.follow([0])
    late = known.intern(Series("gw", "late", "temp", "Cel", Kind.FLOAT))
    following.take(batch([Row(late, NOW_NS, 1.0), Row(0, NOW_NS, 2.0)]))
    following.turn()
    assert values(following.since(0, [0])) == [[2.0]]


# Rows that change


def test_a_table_tells_what_changed_oldest_first_and_nothing_of_what_did_not() -> None:
    table = Table(10)
    for name in "abc":
        table.put(name, {"name": name, "n": 1})
    everything, version = table.since(0, 1_000)
    assert [msgspec.json.decode(row)["name"] for row in everything] == ["a", "b", "c"]
    table.put("b", {"name": "b", "n": 1})
    assert table.since(version, 1_000) == ([], version)
    table.put("a", {"name": "a", "n": 2})
    assert [msgspec.json.decode(row) for row in table.since(version, 1_000)[0]] == [{"name": "a", "n": 2}]


def test_what_has_no_room_comes_next_time_and_nothing_is_told_twice() -> None:
    table, told, version = Table(1_000), list[str](), 0
    for i in range(100):
        table.put(i, f"row {i}")
    while True:
        part, version = table.since(version, 50)
        if not part:
            break
        assert sum(map(len, part)) <= 50
        told += [msgspec.json.decode(row) for row in part]
    assert told == [f"row {i}" for i in range(100)]


def test_a_table_is_bounded_and_lets_go_of_what_changed_longest_ago() -> None:
    table = Table(3)
    for i in range(5):
        table.put(i, i)
    table.put(2, 22)
    table.put(9, 9)
    assert table.since(0, 1_000)[0] == [b"4", b"22", b"9"]


# Pace


def test_two_frames_may_be_unseen_and_no_more() -> None:
    pace = Pace(0.0)
    pace.sent(0.0)
    assert pace.may_send()
    pace.sent(0.1)
    assert not pace.may_send()
    pace.seen(1, 0.2)
    assert pace.may_send()
    pace.sent(0.3)
    pace.seen(99, 0.4)  # what was never sent can't have been seen
    assert pace.n == 3
    pace.sent(0.5)
    assert pace.may_send()


def test_a_viewer_that_sees_nothing_for_a_minute_is_gone_and_one_that_owes_nothing_is_not() -> None:
    pace = Pace(0.0)
    assert not pace.is_gone(1_000.0)
    pace.sent(1_000.0)
    assert not pace.is_gone(1_000.0 + PATIENCE_S)
    assert pace.is_gone(1_000.1 + PATIENCE_S)
    pace.seen(1, 1_070.0)
    assert not pace.is_gone(2_000.0)


# Frames


class Sitting:
    """A viewer on a node's sources, with time by hand."""

    def __init__(self, deps: WebDeps | None = None) -> None:
        self.deps = deps or make_deps()
        self.sources = Sources(self.deps, Gate(2, 16))
        self.viewer = Viewer(0.0)
        self.now = 0.0

    def heard(self, *batches: Batch) -> None:
        for one in batches:
            self.deps.past.known.update(one)
            self.sources.following.take(one)

    def turn(self) -> None:
        self.now += 0.25
        topics: Any = dict.fromkeys(self.viewer.topics, 1)
        self.sources.turn(self.now, topics)

    def frame(self, *, see: bool = True) -> Any:
        found = self.viewer.frame(self.now, NOW_NS)
        if found is None:
            return None
        assert len(found) <= MOST_FRAME + 10_000
        frame = msgspec.json.decode(found)
        if see:
            self.viewer.pace.seen(frame["n"], self.now)
        return frame

    def next(self, *, see: bool = True) -> Any:
        self.turn()
        return self.frame(see=see)

    def readings(self, *names: str, number: str = "r", every_ms: int = 0) -> None:
        wanted = Watch(id=number, topic="readings", series=names, every_ms=every_ms)
        self.viewer.watch(wanted, lambda: ReadingsWatch(self.sources, self.deps.catalogue, names), self.now)

    def last(self, *patterns: str, limit: int = 1_000) -> None:
        wanted = Watch(id="l", topic="last", series=patterns, limit=limit)
        self.viewer.watch(wanted, lambda: LastWatch(self.sources, self.deps.past.known, wanted), self.now)


TEMPERATURE = "gw/press-1/temperature"


def test_every_reading_between_two_frames_is_in_the_second() -> None:
    sitting = Sitting()
    sitting.readings(TEMPERATURE)
    sitting.heard(rows(0, [1.0, 2.0]), rows(0, [3.0], NOW_NS + 10))
    assert sitting.next()["data"]["r"] == {
        "series": {
            TEMPERATURE: {
                "ts": [NOW_NS, NOW_NS + 1, NOW_NS + 10],
                "value": [1.0, 2.0, 3.0],
                "quality": [0, 0, 0],
            }
        },
        "skipped": 0,
    }
    assert sitting.next() is None
    sitting.heard(rows(0, [4.0]))
    assert sitting.next()["data"]["r"]["series"][TEMPERATURE]["value"] == [4.0]


def test_a_viewer_that_sees_nothing_is_sent_two_frames_and_then_all_it_missed_in_one() -> None:
    sitting = Sitting()
    sitting.readings(TEMPERATURE)
    frames = []
    for i in range(20):
        sitting.heard(rows(0, [float(i)]))
        frames.append(sitting.next(see=False))
    assert [frame is not None for frame in frames] == [True, True] + [False] * 18
    sitting.viewer.pace.seen(2, sitting.now)
    late = sitting.frame()
    assert late["n"] == 3
    assert late["data"]["r"]["series"][TEMPERATURE]["value"] == [float(i) for i in range(2, 20)]
    assert late["data"]["r"]["skipped"] == 0


def test_who_follows_after_everybody_left_has_missed_nothing() -> None:
    sitting = Sitting()
    sitting.readings(TEMPERATURE)
    sitting.heard(rows(0, [1.0]))
    sitting.viewer.unwatch("r")
    sitting.readings(TEMPERATURE)
    sitting.heard(rows(0, [2.0]))
    told = sitting.next()["data"]["r"]
    assert (told["series"][TEMPERATURE]["value"], told["skipped"]) == ([2.0], 0)


def test_what_a_viewer_missed_for_too_long_is_counted_as_skipped() -> None:
    sitting = Sitting()
    sitting.sources.following = Following(sitting.deps.catalogue, most=100)
    sitting.readings(TEMPERATURE)
    for i in range(30):
        sitting.heard(rows(0, [float(i)] * 10))
        sitting.turn()
    told = sitting.frame()["data"]["r"]
    assert told["skipped"] == 200
    assert len(told["series"][TEMPERATURE]["value"]) == 100


def test_a_frame_is_bounded_and_says_how_many_readings_it_left_out() -> None:
    sitting = Sitting()
    sitting.readings(TEMPERATURE)
    sitting.heard(rows(0, [20.123456789012345] * 50_000))
    told = sitting.next()["data"]["r"]
    kept = len(told["series"][TEMPERATURE]["value"])
    assert kept + told["skipped"] == 50_000
    assert 5_000 < kept < 20_000
    assert told["series"][TEMPERATURE]["ts"][-1] == NOW_NS + 49_999


def test_texts_and_bad_values_are_told_as_queries_tell_them() -> None:
    sitting = Sitting()
    sitting.readings("gw/oven/state", TEMPERATURE)
    sitting.heard(batch([Row(1, NOW_NS, 1.0), Row(0, NOW_NS, float("nan"), 2)], texts=("idle", "hot")))
    told = sitting.next()["data"]["r"]["series"]
    assert told["gw/oven/state"]["value"] == ["hot"]
    assert told[TEMPERATURE]["value"] == [None]
    assert told[TEMPERATURE]["quality"] == [2]


def test_readings_of_a_series_that_is_not_there_yet_are_told_once_it_is() -> None:
    sitting = Sitting()
    sitting.readings("gw/new/temp")
    new = sitting.deps.catalogue.intern(Series("gw", "new", "temp", "Cel", Kind.FLOAT))
    for _ in range(10):
        assert sitting.next() is None
    sitting.heard(rows(new, [1.5]))
    assert sitting.next()["data"]["r"]["series"]["gw/new/temp"]["value"] == [1.5]


def test_readings_are_watched_by_whole_names_only() -> None:
    sitting = Sitting()
    for names in (("gw/*/temperature",), ()):
        with pytest.raises(QueryInvalid):
            ReadingsWatch(sitting.sources, sitting.deps.catalogue, names)


def test_newest_values_come_whole_at_first_and_then_those_that_changed() -> None:
    sitting = Sitting()
    sitting.last("gw/*/*")
    first = sitting.next()["data"]["l"]
    assert [(row["name"], row["value"]) for row in first["series"]] == [("gw/oven/state", None), (TEMPERATURE, 22.0)]
    assert first["total"] == 2
    assert (first["series"][1]["quality"], first["series"][1]["reason"]) == ("bad", "out_of_range")
    assert sitting.next() is None
    for value in (1.0, 2.0, 3.0):
        sitting.heard(rows(0, [value]))
    assert [row["value"] for row in sitting.next()["data"]["l"]["series"]] == [3.0]


def test_newest_values_of_more_series_than_asked_for_are_counted() -> None:
    sitting = Sitting()
    sitting.last(limit=1)
    told = sitting.next()["data"]["l"]
    assert ([row["name"] for row in told["series"]], told["total"]) == (["gw/oven/state"], 2)


def test_five_viewers_share_one_look_at_the_status() -> None:
    asked_for = list[int]()
    deps = make_deps()
    told = deps.status()

    def status() -> Any:
        asked_for.append(1)
        return told

    sitting = Sitting(make_deps(status=status))
    viewers = [Viewer(0.0) for _ in range(5)]
    for viewer in viewers:
        viewer.watch(Watch(id="s", topic="status"), lambda: StatusWatch(sitting.sources), 0.0)
    for _ in range(4):
        sitting.now += 0.25
        sitting.sources.turn(sitting.now, {"status": 5})
        frames = [viewer.frame(sitting.now, NOW_NS) for viewer in viewers]
        assert len(set(frames)) == 1
    assert len(asked_for) == 1


def test_with_nobody_to_look_nothing_is_looked_up() -> None:
    def never() -> Any:
        raise AssertionError

    sitting = Sitting(make_deps(status=never, events=never))
    sitting.heard(rows(0, [1.0]))
    for _ in range(10):
        sitting.turn()
    assert not sitting.sources.following.is_followed


def test_devices_are_filtered_by_name_and_told_again_only_when_they_changed() -> None:
    sitting = Sitting()
    wanted = Watch(id="d", topic="devices", match="press-*")
    sitting.viewer.watch(wanted, lambda: device_watch(sitting.sources, wanted), 0.0)
    assert [row["name"] for row in sitting.next()["data"]["d"]["changed"]] == ["press-1", "press-2"]
    sitting.now += 100
    assert "data" not in (sitting.next() or {})
    sitting.sources.devices.put(("gw", "press-2"), DeviceRow("press-2", "gw", "silent"))
    assert [row["state"] for row in sitting.next()["data"]["d"]["changed"]] == ["silent"]


def test_log_lines_are_told_once_with_their_facts() -> None:
    from holdfast.web.happenings import WebRequestFailed
    from holdfast.web.live.watches import LogsWatch

    sitting = Sitting()
    sitting.deps.telemetry.emit(WebRequestFailed("/x", "boom"))
    sitting.viewer.watch(Watch(id="g", topic="logs"), lambda: LogsWatch(sitting.sources), 0.0)
    line = sitting.next()["data"]["g"]["lines"][0]
    assert (line["level"], line["name"], line["fields"]) == (
        "ERROR",
        "WebRequestFailed",
        {"path": "/x", "error": "boom"},
    )
    assert sitting.next() is None
    sitting.deps.telemetry.emit(WebRequestFailed("/y", "boom"))
    assert [line["fields"]["path"] for line in sitting.next()["data"]["g"]["lines"]] == ["/y"]


def test_a_watch_may_ask_to_be_told_seldom() -> None:
    sitting = Sitting()
    sitting.readings(TEMPERATURE, every_ms=1_000)
    told = []
    for i in range(9):
        sitting.heard(rows(0, [float(i)]))
        told.append(sitting.next())
    assert [i for i, frame in enumerate(told) if frame] == [0, 4, 8]
    assert told[4]["data"]["r"]["series"][TEMPERATURE]["value"] == [1.0, 2.0, 3.0, 4.0]


def test_a_beat_comes_when_nothing_else_does() -> None:
    sitting = Sitting()
    assert sitting.next() is None
    sitting.now += BEAT_S
    assert sitting.frame() == {"n": 1, "now_ns": NOW_NS}


def test_a_viewer_has_so_many_watches_and_is_told_of_the_one_too_many() -> None:
    sitting = Sitting()
    for i in range(MOST_WATCHES + 1):
        sitting.readings(TEMPERATURE, number=f"w{i}")
    assert len(sitting.viewer.topics) == MOST_WATCHES
    assert list(sitting.next()["errors"]) == [f"w{MOST_WATCHES}"]
    sitting.viewer.close()
    assert not sitting.sources.following.is_followed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"do":"watch","topic":"status"}',
        '{"do":"watch","id":"a","topic":"secrets"}',
        '{"do":"watch","id":"a","topic":"last","limit":0}',
        '{"do":"watch","id":"a","topic":"readings","series":[' + ",".join(['"a/b"'] * 51) + "]}",
        '{"do":"seen"}',
        '{"do":"watch","id":"a","topic":"status","more":1}',
    ],
)
def test_a_frame_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        asked(text)


def test_frames_of_a_client_are_understood() -> None:
    assert asked('{"do":"watch","id":"a","topic":"last","series":["press-*/temp"]}') == Watch(
        id="a", topic="last", series=("press-*/temp",)
    )
    assert asked('{"do":"unwatch","id":"a"}') == Unwatch(id="a")
    assert asked('{"do":"seen","n":12}') == Seen(n=12)
