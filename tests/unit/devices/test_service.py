"""The registry on a real journal: counting, discovering, changing, restarting."""

import asyncio
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.devices.bench import Bench, live

from holdfast.devices.errors import DeviceNameTaken, DeviceUnfit, DeviceUnknown
from holdfast.devices.health import State
from holdfast.journal.devices import gaps_of
from holdfast.kernel.clock import ManualClock

GOOD, BAD, REPEAT = "good", "bad", "repeat"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([GOOD, BAD, REPEAT])), max_size=6), max_size=12),
    st.sets(st.integers(0, 3)),
)
def test_counts_equal_those_of_an_oracle_however_messages_were_batched(
    batches: list[list[tuple[int, str]]], retired: set[int]
) -> None:
    counted: Counter[tuple[int, str]] = Counter()

    async def body(bench: Bench) -> None:
        if retired:
            await bench.devices.accept([f"p{d}" for d in retired])
            await bench.devices.retire([f"p{d}" for d in retired])
        number, last = 0, dict[int, int]()
        for batch in batches:
            sent = []
            for device, kind in batch:
                number += 1
                if kind == GOOD or (kind == REPEAT and device not in last):
                    last[device], kind = number, GOOD  # noqa: PLW2901  # nothing to repeat yet
                n = last.get(device, number) if kind == REPEAT else number
                payload = b'{"n":%d,"t":"hot"}' % n if kind == BAD else b'{"n":%d,"t":20}' % n
                sent.append((f"plant/p{device}/up", payload))
                fate = "held" if device in retired and kind != BAD else kind  # unreadable is unreadable
                counted[device, fate] += 1
                counted[device, "messages"] += 1
                counted[device, "bytes"] += len(payload)
            bench.send(*sent)
            bench.clock.advance(0.1)
        await bench.devices.store()
        for device in range(4):
            row = bench.devices.roster.number_of(f"p{device}")
            found = bench.devices.tally.counts(row) if row >= 0 else None
            told = (
                (found.messages, found.readings, found.refused, found.held, found.repeats, found.bytes)
                if found
                else (0,) * 6
            )
            kinds = [counted[device, k] for k in ("messages", GOOD, BAD, "held", REPEAT, "bytes")]
            assert told == tuple(kinds), device

    with TemporaryDirectory() as folder:
        live(Path(folder), ManualClock(), body)


def test_a_device_is_discovered_stored_and_still_known_after_a_restart(tmp_path: Path) -> None:
    clock = ManualClock()

    async def first(bench: Bench) -> None:
        bench.press("p1", 1)
        bench.send(("rooms/up", b'{"who":"r1","ts":1700000000,"t":20}'), ("rooms/up", b"{"))
        await bench.devices.store(everything=True)
        assert any("DevicesFound devices=2" in line for line in bench.log)

    async def second(bench: Bench) -> None:
        assert bench.names() == ["p1", "r1"]
        counts = bench.devices.tally.counts(bench.devices.roster.number_of("p1"))
        assert (counts.messages, counts.readings, counts.first_ns) == (1, 1, 1_700_000_000 * 10**9)

    live(tmp_path, clock, first)
    clock.advance(60)
    live(tmp_path, clock, second)


def test_a_device_whose_row_a_crash_took_is_known_by_its_series(tmp_path: Path) -> None:
    async def first(bench: Bench) -> None:
        bench.press("p1", 1)
        await bench.journal.submit(lambda tx: tx.store_series())

    async def second(bench: Bench) -> None:
        assert bench.names() == ["p1"]

    live(tmp_path, ManualClock(), first)
    live(tmp_path, ManualClock(), second)


def test_listed_holds_what_is_not_accepted_and_takes_it_from_then_on(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        refused = bench.press("p1", 1)
        assert [(r.reason, r.detail) for r in refused.quarantine] == [
            ("new_device", "the device p1 is not accepted here")
        ]
        (change,) = await bench.devices.accept(["p*"])
        assert change.released == ("the device p1 is not accepted here",)
        assert bench.stored_under(bench.press("p1", 2)) == ["p1"]
        bench.devices.work_up()
        assert bench.devices.tally.counts(0)[3:7] == (2, 1, 0, 1)

    live(tmp_path, ManualClock(), body, accept="listed")


def test_a_device_may_be_accepted_before_it_is_ever_seen(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        await bench.devices.accept(["p1", "p2"])
        assert bench.devices.state(bench.devices.roster.number_of("p2")) is State.NEVER
        assert bench.stored_under(bench.press("p2", 1)) == ["p2"]
        with pytest.raises(DeviceUnfit, match="one of"):
            await bench.devices.accept(["a/b"])

    live(tmp_path, ManualClock(), body, accept="listed")


def test_a_renamed_device_stores_under_its_new_name_and_its_repeats_are_still_known(tmp_path: Path) -> None:
    clock = ManualClock()

    async def body(bench: Bench) -> None:
        bench.press("p1", 1)
        await bench.devices.rename("p1", "press-north")
        assert bench.stored_under(bench.press("p1", 2)) == ["press-north"]
        assert bench.press("p1", 1).counts["messages_rejected.duplicate"] == 1
        stranger = bench.press("press-north", 3)
        assert [r.reason for r in stranger.quarantine] == ["new_device"]  # another device must not write there
        await bench.devices.rename("press-north", "press-north2")
        bench.press("p9", 1)
        with pytest.raises(DeviceNameTaken):
            await bench.devices.rename("p9", "p1")

    async def later(bench: Bench) -> None:
        assert bench.stored_under(bench.press("p1", 9)) == ["press-north2"]
        assert [one.name for one in bench.devices.roster.names(0)] == ["p1", "p1", "press-north"]

    live(tmp_path, clock, body)
    live(tmp_path, clock, later)


def test_a_spare_part_goes_on_in_the_series_of_what_it_replaces_and_repeats_nothing(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        bench.press("p1", 1)
        bench.press("spare", 7)
        await bench.devices.replace("p1", "spare")
        assert bench.names() == ["p1"]
        assert bench.stored_under(bench.press("spare", 1)) == ["p1"]  # it counts from 1 again, as p1 did
        old = bench.press("p1", 2)
        assert [(r.reason, r.detail) for r in old.quarantine] == [("retired", "p1 was replaced by spare as p1")]
        bench.devices.work_up()
        assert bench.devices.tally.counts(0).messages == 3  # its own, the spare's before and after
        await bench.devices.replace("p1", "p1")  # the repaired part is back
        assert bench.stored_under(bench.press("p1", 3)) == ["p1"]
        assert bench.press("spare", 9).quarantine[0].reason == "retired"

    live(tmp_path, ManualClock(), body)


def test_a_retired_device_is_held_until_it_is_accepted_again(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        bench.press("p1", 1)
        await bench.devices.retire(["p1"])
        assert bench.press("p1", 2).quarantine[0].reason == "retired"
        (change,) = await bench.devices.accept(["p1"])
        assert "the device p1 is retired" in change.released
        assert len(bench.press("p1", 3).batch) == 1

    live(tmp_path, ManualClock(), body)


def test_labels_and_a_note_are_kept_and_a_stranger_has_none(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        bench.press("p1", 1)
        await bench.devices.describe(["p1"], ["line-3", "spare"], "north hall")
        with pytest.raises(DeviceUnknown):
            await bench.devices.describe(["p1", "p2"], [], None)

    async def later(bench: Bench) -> None:
        row = bench.devices.roster.find("p1")
        assert (row.labels, row.note) == (("line-3", "spare"), "north hall")

    live(tmp_path, ManualClock(), body)
    live(tmp_path, ManualClock(), later)


def test_a_flood_of_names_is_bounded_and_said_once(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        for i in range(20):
            assert bench.stored_under(bench.press(f"p{i}", 1)) == [f"p{i}"]
        bench.devices.turn()
        bench.devices.turn()
        assert len(bench.names()) == 5
        assert [line.split()[2] for line in bench.log] == ["DevicesNotFollowed"]

    live(tmp_path, ManualClock(), body, limit=5)


def test_a_change_that_meets_a_discovery_of_the_same_name_ends_with_one_device(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        accepting = asyncio.create_task(bench.devices.accept(["p1", "p2"]))
        await asyncio.sleep(0)
        bench.press("p1", 1)
        await accepting
        bench.press("p1", 2)
        await bench.devices.store()
        assert bench.names() == ["p1", "p2"]
        assert bench.devices.tally.counts(bench.devices.roster.number_of("p1")).messages == 2

    live(tmp_path, ManualClock(), body)


def test_a_device_goes_late_and_silent_is_said_once_and_returns_with_a_gap(tmp_path: Path) -> None:
    clock = ManualClock()

    async def body(bench: Bench) -> None:
        for n in range(30):
            bench.press("p1", n)
            clock.advance(10)
            bench.devices.turn()
        states = []
        for _ in range(15):
            clock.advance(10)
            bench.devices.turn()
            states.append(bench.devices.state(0))
        assert states[0] is State.ONLINE
        assert State.LATE in states
        assert states[-1] is State.SILENT
        bench.press("p1", 99)
        bench.devices.turn()
        await bench.devices.store()
        (gap,) = gaps_of(bench.journal, 0)
        assert (gap.missing, (gap.to_ns - gap.from_ns) // 10**9, gap.down_ns) == (15, 160, 0)
        said = [line.split()[2] for line in bench.log if "Silent" in line or "Returned" in line]
        assert said == ["DevicesWentSilent", "DevicesReturned"]

    live(tmp_path, clock, body)


def test_a_gap_while_this_node_was_down_is_marked_and_late_messages_fill_it(tmp_path: Path) -> None:
    clock = ManualClock()

    def room(ts: float) -> tuple[str, bytes]:
        return "rooms/up", b'{"who":"r1","ts":%.1f,"t":20}' % ts

    async def first(bench: Bench) -> None:
        for _ in range(20):
            bench.send(room(clock.wall_ns() / 1e9))
            clock.advance(1)
        await bench.devices.store(everything=True)

    async def second(bench: Bench) -> None:
        now = clock.wall_ns() / 1e9
        bench.send(room(now))
        bench.devices.work_up()
        bench.send(*(room(now - 600 + 60 * i) for i in range(5)))
        await bench.devices.store()
        (gap,) = gaps_of(bench.journal, 0)
        assert (gap.missing, gap.filled) == (600, 5)
        assert 598 * 10**9 <= gap.down_ns <= 600 * 10**9

    live(tmp_path, clock, first)
    clock.advance(600)
    live(tmp_path, clock, second)


def test_refused_messages_over_the_budget_are_said_once(tmp_path: Path) -> None:
    clock = ManualClock()

    async def body(bench: Bench) -> None:
        for n in range(100):
            bench.press("p1", n)
        for n in range(3):
            bench.send(("plant/p1/up", b'{"n":%d,"t":"x"}' % (200 + n)))
            bench.devices.turn()
        assert bench.devices.tally.day(0) == (103, 3)
        assert bench.devices.is_over_budget(0)
        assert sum("DevicesOverBudget" in line for line in bench.log) == 1
        clock.advance(26 * 3600)
        bench.devices.turn()
        assert not bench.devices.is_over_budget(0)

    live(tmp_path, clock, body)


def test_setting_the_clock_makes_no_gap(tmp_path: Path) -> None:
    clock = ManualClock()

    async def body(bench: Bench) -> None:
        for n in range(20):
            bench.press("p1", n)
            clock.advance(1)
        clock.set_wall(clock.wall_ns() + 3600 * 10**9)
        bench.devices.clock_stepped()
        bench.press("p1", 50)
        bench.devices.turn()
        await bench.devices.store()
        assert gaps_of(bench.journal, 0) == []
        assert bench.devices.state(0) is State.ONLINE

    live(tmp_path, clock, body)


def test_the_rate_is_that_of_the_last_minute_from_the_first_seconds_on(tmp_path: Path) -> None:
    clock = ManualClock(monotonic=500_000)  # the machine is up for days

    async def body(bench: Bench) -> None:
        bench.devices.turn()
        for n in range(20):
            bench.press("p1", n)
            bench.press("p1", 100 + n)
            clock.advance(1)
            bench.devices.turn()
        rate = bench.devices.tally.rate(0, bench.devices.started_boot)
        assert rate == pytest.approx(120, rel=0.05)

    live(tmp_path, clock, body)


def test_devices_of_payloads_that_name_their_values_themselves_are_ruled_too(tmp_path: Path) -> None:
    async def body(bench: Bench) -> None:
        line = ("lines/a", b"weather,host=h1 temp=20.5")
        assert bench.stored_under(bench.send(line)) == ["h1"]
        await bench.devices.rename("h1", "roof")
        assert bench.stored_under(bench.send(line)) == ["roof"]
        await bench.devices.replace("roof", "h2")
        assert bench.send(line).quarantine[0].reason == "retired"
        assert bench.stored_under(bench.send(("lines/a", b"weather,host=h2 temp=1"))) == ["roof"]
        await bench.devices.retire(["roof"])
        (held,) = bench.send(("lines/a", b"weather,host=h2 temp=1")).quarantine
        assert held.detail == "the device roof is retired"
        bench.devices.work_up()
        assert bench.devices.tally.counts(0)[3:7] == (4, 3, 0, 1)

    live(tmp_path, ManualClock(), body)
