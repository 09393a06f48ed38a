"""Bytes on the link with everything raw, against summaries, alerts and the raw readings around them.

python -m benchmarks.filtering [--json FILE] [--quick] [--only demo]

Each data set is stored as a gateway's backlog twice, in groups of 1,000 readings: once as it is, once through the real
filter with `parent.send`. Then gateway and hub run as processes with a proxy between them that counts every byte of
both ways, TLS and HTTP included, until the hub has it all. Alerts (`alert.raised` where `auto` first reaches the
threshold, at most one an hour and series) go up in both. Time is the data's own, run through as fast as it goes.

What must be kept: every reading, at the site; and of each window that people labelled, some raw readings at the hub.

A backlog is where raw readings cost least: a body has 20,000 of them, in columns. `live` is a minute of devices that
send as time goes by, so that bodies leave every half second.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import FOLDER, NODE, Rows, Site, occupancy
from benchmarks.drain import GROUP
from benchmarks.pair import Pair
from benchmarks.processes import free_port, wait_for_port
from holdfast.journal.blobs import decode_readings
from holdfast.journal.filtered import saving
from holdfast.journal.journal import FILE_NAME, Journal, load_catalogue
from holdfast.journal.ledger import balance
from holdfast.journal.parent import CONSUMER
from holdfast.journal.reader import JournalReader
from holdfast.journal.settings import JournalSettings
from holdfast.journal.transaction import Transaction
from holdfast.kernel.clock import ManualClock
from holdfast.model.batch import Batch
from holdfast.model.event import Event
from holdfast.model.lane import Lane, Stay
from holdfast.model.series import Kind, Series
from holdfast.residency.leaving import Leaving, store
from holdfast.residency.rules import Policy
from holdfast.stream.detectors.benches.corpus import File, read, run
from holdfast.stream.detectors.ports import THRESHOLD
from holdfast.stream.engine import Engine
from holdfast.telemetry.happenings import Telemetry
from holdfast.uplink.filtering.rules import SendPolicy
from holdfast.uplink.filtering.service import Filter
from holdfast.uplink.filtering.settings import AroundSettings, SendRule, Statistic

HOUR_NS = 3600 * 10**9
SENSITIVE = 0.3
"""A threshold for those who would rather look once too often."""
STATISTICS: tuple[Statistic, ...] = ("min", "max", "mean")
ROOMS, ROUNDS = 50, 3_600
DEVICE = Path(__file__).parents[1] / "tests" / "system" / "kill" / "device.py"
_LIMIT_S = 60.0
Window = tuple[int, int, int]
"""series, first and last ns UTC of what people labelled."""


@dataclass(frozen=True)
class Case:
    """One data set under one entry of `parent.send`; alerts: (series, ns UTC), windows: what people labelled."""

    rows: Rows
    alerts: Sequence[tuple[int, int]]
    windows: Sequence[Window] = ()
    rule: SendRule | None = None


def nab_cases(*, quick: bool) -> dict[str, Case]:
    """NAB's files side by side, each a series read every 5 min, with steps of two lengths and alerts at two thresholds.

    Half an hour around an alert is 12 or 13 readings.
    """
    files = read(FOLDER / "nab")
    if quick:
        files = dict(list(files.items())[:4])
    names = sorted(files)
    scores = run(files).scored
    series = tuple(
        Series(NODE, name.rpartition("/")[2].removesuffix(".csv"), "value", "1", Kind.FLOAT) for name in names
    )
    rows = Rows(series, _side_by_side([files[name] for name in names]))
    windows = [
        (i, int(files[name].ts[a : b + 1].min()), int(files[name].ts[a : b + 1].max()))
        for i, name in enumerate(names)
        for a, b in files[name].windows
    ]
    around = AroundSettings(1800.0, 1800.0, per_day=1 << 40)
    found = {}
    for what, least in (("nab", THRESHOLD), ("nab_sensitive", SENSITIVE)):
        alerts = _alerts([files[name] for name in names], [scores[name].scores for name in names], least)
        for hours in (6, 24):
            rule = SendRule("value", "summaries", every=hours * 3600.0, statistics=STATISTICS, around=around)
            found[f"{what}_{hours}h"] = Case(rows, alerts, windows, rule)
    return found


def demo_cases(*, quick: bool) -> dict[str, Case]:
    """The demo's data, a row a second, summaries every 5 min: its two rooms as they stand, three hours.

    And an hour of fifty rooms that replay it, each from a place of its own and from its end to its start again: jumps
    that are in no room, so that there are many alerts.
    """
    rounds = 300 if quick else ROUNDS
    rooms, site = occupancy(), Site(ROOMS, 1_700_000_100 * 10**9)
    return {"demo": _sixty_fold(rooms), "demo_jumps": _sixty_fold(Rows(site.series, site.rounds(0, rounds, rounds)))}


def _sixty_fold(rows: Rows) -> Case:
    """Readings of every minute as if they came every second; alerts are those of the minutes."""
    batch = rows.batch
    order = [np.flatnonzero(batch.series == i) for i in range(len(rows.series))]
    files = [File(batch.ts[at], batch.value[at], ()) for at in order]
    scored = run({str(i): one for i, one in enumerate(files)}).scored
    raised = _alerts(files, [scored[str(i)].scores for i in range(len(files))], THRESHOLD)
    start = int(batch.ts.min())
    faster = Batch(batch.series, start + (batch.ts - start) // 60_000_000 * 1_000_000, batch.value, batch.quality)
    alerts = [(series, start + (ts - start) // 60_000_000 * 1_000_000) for series, ts in raised]
    around = AroundSettings(30.0, 30.0, per_day=1 << 40)
    rule = SendRule("*/*", "summaries", every=300.0, statistics=STATISTICS, around=around)
    return Case(Rows(rows.series, faster), alerts, (), rule)


def _side_by_side(files: Sequence[File]) -> Batch:
    ids = np.concatenate([np.full(len(one.ts), i, np.int32) for i, one in enumerate(files)])
    turn = np.concatenate([np.arange(len(one.ts)) for one in files])
    order = np.argsort(turn, kind="stable")
    ts, value = np.concatenate([one.ts for one in files]), np.concatenate([one.values for one in files])
    return Batch(ids[order], ts[order].astype(np.int64), value[order], np.zeros(len(ids), np.uint8))


def _alerts(files: Sequence[File], scores: Sequence[NDArray[np.float64]], least: float) -> list[tuple[int, int]]:
    """Where a score gets to the threshold, unless there was one of the series within the hour before."""
    found = []
    for series, (one, score) in enumerate(zip(files, scores, strict=True)):
        last = -(2**62)
        high = score >= least
        for at in np.flatnonzero(high & ~np.concatenate([[False], high[:-1]])).tolist():
            if one.ts[at] - last >= HOUR_NS:
                last = int(one.ts[at])
                found.append((series, last))
    return found


async def backlog(path: Path, case: Case, *, filters: bool) -> dict[str, float]:
    """Store a case as the backlog of a stopped gateway, its filter having run along; what the filter counted."""
    rules = (case.rule,) if filters and case.rule is not None else ()
    clock = ManualClock(wall_ns=int(case.rows.batch.ts.max()) + 10 * 86_400 * 10**9)
    journal = Journal(path, NODE, JournalSettings(quota=60_000_000_000), clock)
    policy = SendPolicy(rules, NODE, lambda _: Stay.ANYWHERE)
    if rules:
        journal.catalogue.keep_by(policy.is_local)
    for one in case.rows.series:
        journal.catalogue.intern(one)
    leaving = Leaving(Policy((), NODE), journal.catalogue)
    service = Filter(policy, journal, clock, Telemetry(clock, lambda _: None))
    await service.once()
    alerts = sorted(case.alerts, key=lambda alert: alert[1])
    batch, cpu = case.rows.batch, 0.0
    left = dict.fromkeys(alerts)
    for start in range(0, len(batch), GROUP):
        part = batch.take(np.arange(start, min(start + GROUP, len(batch))))
        seen = set(zip(part.series.tolist(), part.ts.tolist(), strict=True))
        events = [_event(case.rows.series[s], ts) for s, ts in list(left) if (s, ts) in seen]
        for key in seen & left.keys():
            del left[key]
        await journal.submit(_storing(leaving, part, events))
        if rules and start // GROUP % 20 == 19:
            began = time.process_time()
            await service.once()
            cpu += time.process_time() - began
    for _ in range(2 if rules else 0):
        await service.once()
        clock.advance(60)
    await service.drain()
    counters = journal.counters()
    ledger = balance(journal.accounts(CONSUMER, count=True), has_parent=True)
    if not ledger.balanced or left:
        raise SystemExit(f"the books of {path} don't balance, or {len(left)} alerts were left: {ledger}")
    state = Engine((), journal.catalogue, NODE).snapshot()
    heads = {lane: journal.head(lane) for lane in (Lane.BULK, Lane.LOCAL)}
    await journal.submit(lambda tx: _at_end(tx, heads, state))
    journal.close()
    found = saving(counters)
    share = 0.0 if found is None else found.share
    return {"alerts": len(alerts), "journal_share_saved": share, "filter_us_per_reading": cpu / len(batch) * 1e6}


def _storing(leaving: Leaving, part: Batch, events: Sequence[Event]) -> Callable[[Transaction], None]:
    found = leaving.sort(part)

    def write(tx: Transaction) -> None:
        store(tx, found)
        tx.count("readings_accepted", len(part))
        if events:
            tx.append_events(Lane.CRITICAL, events)
            tx.count("events_accepted", len(events))

    return write


def _at_end(tx: Transaction, heads: dict[Lane, int], state: bytes) -> None:
    tx.checkpoint("rules", heads[Lane.BULK], state)
    tx.set_cursor("rules", Lane.LOCAL, heads[Lane.LOCAL])


def _event(series: Series, ts: int) -> Event:
    """As a rule says it."""
    why = {"inputs": {series.metric: 1.0}, "rule_version": "0123456789abcdef", "window": "20 samples", "score": 0.5}
    return Event(
        id=f"{abs(hash((series.device, ts))):032x}"[:32],
        ts=ts,
        kind="alert.raised",
        severity="warning",
        node=NODE,
        device=series.device,
        rule="unusual",
        message=f"{series.metric} of {series.device} is unusual",
        why=why,
    )


def carried(folder: Path, case: Case, *, filters: bool) -> dict[str, float]:
    """Bytes of both ways until the hub has it all, and what there is then."""
    folder.mkdir(parents=True)
    port, pair = free_port(), Pair(folder)
    send = "" if not filters or case.rule is None else _send(case.rule)
    settings = pair.write_settings(parent_port=port, parent=send)
    settings.write_text(settings.read_text().replace("rules: [alarm.yaml]\n", ""))
    figures = asyncio.run(backlog(folder / "gw" / FILE_NAME, case, filters=filters))
    command = [sys.executable, "-m", "benchmarks.proxy", str(port), str(pair.hub), "0", "0"]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        with pair.up("hub"):
            wait_for_port(port)
            with pair.up("gw"):
                until = time.monotonic() + _LIMIT_S
                while not _agree(pair) and time.monotonic() < until:
                    time.sleep(0.05)
                if not _agree(pair):
                    raise SystemExit("the hub hasn't got everything")
    finally:
        proxy.terminate()
        said, _ = proxy.communicate(timeout=10)
    found = json.loads(said)
    raw = _raw_at(folder / "hub" / FILE_NAME, case)
    kept = len(_raw_at(folder / "gw" / FILE_NAME, case, (Lane.BULK, Lane.LOCAL)))
    shown = sum(any(s == i and a <= ts <= b for s, ts in raw) for i, a, b in case.windows)
    all_kept = {(s, t) for s, t in zip(case.rows.batch.series.tolist(), case.rows.batch.ts.tolist(), strict=True)}
    figures |= {"link": found["up"] + found["down"], "link_up": found["up"], "raw_at_hub": len(raw)}
    return figures | {"windows": len(case.windows), "windows_shown": shown, "kept": kept, "readings": len(all_kept)}


def _agree(pair: Pair) -> bool:
    gateway, hub = (JournalReader(pair.folder / name / FILE_NAME) for name in ("gw", "hub"))
    try:
        branches, heads = hub.branches("gw"), gateway.heads()
        lanes = (Lane.CRITICAL, Lane.NORMAL, Lane.BULK)
        return bool(branches) and all(branches[-1].marks[lane].wm == heads[lane] for lane in lanes)
    finally:
        gateway.close()
        hub.close()


def _raw_at(path: Path, case: Case, lanes: Sequence[Lane] = (Lane.BULK,)) -> set[tuple[int, int]]:
    """(series, ns UTC) of the raw readings that a node has."""
    reader, catalogue = JournalReader(path), load_catalogue(path)
    number = {series: i for i, series in enumerate(case.rows.series)}
    found = set[tuple[int, int]]()
    for lane in lanes:
        for group in reader.between(0, 2**62, lane):
            batch = decode_readings(group.blob)
            ids = [number[catalogue[i]] for i in batch.series.tolist()]
            found |= set(zip(ids, batch.ts.tolist(), strict=True))
    reader.close()
    return found


def _send(rule: SendRule) -> str:
    around = rule.around
    words = "" if around is None else f", around: {{before: {around.before}s, after: {around.after}s, per_day: 1TB}}"
    what = f"series: '{rule.series}', as: summaries, every: {rule.every}s, statistics: [{', '.join(rule.statistics)}]"
    return f", send: [{{{what}{words}}}]"


def measure(folder: Path, *, quick: bool = False, only: str = "") -> dict[str, dict[str, float]]:
    """All data sets, raw and filtered."""
    cases = {**demo_cases(quick=quick), **nab_cases(quick=quick)}
    nothing = replace(cases["demo"], rows=_rows(cases["demo"].rows, 1), alerts=())
    idle = carried(folder / "idle", nothing, filters=False)["link"]
    figures: dict[str, dict[str, float]] = {"idle": {"link": idle}}
    if "live".startswith(only):
        figures["live"] = _live(folder / "live", 10.0 if quick else 60.0)
        print("live", json.dumps(figures["live"]), flush=True)
    for name, case in cases.items():
        if not name.startswith(only):
            continue
        raw = carried(folder / name / "raw", case, filters=False)
        sent = carried(folder / name / "filtered", case, filters=True)
        saved = 1 - sent["link"] / raw["link"]
        of_rows = 1 - (sent["link"] - idle) / (raw["link"] - idle)
        shares = {"share_saved": round(saved, 4), "share_saved_but_for_idle": round(of_rows, 4)}
        figures[name] = {**sent, "link_raw": raw["link"], **shares}
        print(name, json.dumps(figures[name]), flush=True)
    return figures


def live(folder: Path, seconds: float, *, filters: bool) -> dict[str, float]:
    """Bytes of both ways while four devices send ten messages of five readings a second each, and the hub listens."""
    folder.mkdir(parents=True)
    port, pair, record = free_port(), Pair(folder), folder / "record.txt"
    send = ", send: [{series: '*/*', as: summaries, every: 10s, grace: 1s, statistics: [min, max, mean]}]"
    settings = pair.write_settings(parent_port=port, parent=send if filters else "")
    settings.write_text(
        settings.read_text().replace("rules: [alarm.yaml]\n", "").replace("'builtin:rooms'", "rooms.yaml")
    )
    command = [sys.executable, "-m", "benchmarks.proxy", str(port), str(pair.hub), "0", "0"]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        with pair.up("hub", "gw"):
            words = [str(DEVICE), str(pair.mqtt), str(record), "4", "40", "1"]
            device = subprocess.Popen([sys.executable, *words])
            time.sleep(seconds)
            device.terminate()
            device.wait()
            time.sleep(15.0)  # the last steps
    finally:
        proxy.terminate()
        said, _ = proxy.communicate(timeout=10)
    found = json.loads(said)
    return {"link": found["up"] + found["down"], "readings": 5 * len(record.read_text().splitlines())}


def _live(folder: Path, seconds: float) -> dict[str, float]:
    raw, sent = (live(folder / name, seconds, filters=name == "filtered") for name in ("raw", "filtered"))
    share = 1 - sent["link"] / sent["readings"] * raw["readings"] / raw["link"]
    return {**sent, "link_raw": raw["link"], "readings_raw": raw["readings"], "share_saved": round(share, 4)}


def _rows(rows: Rows, count: int) -> Rows:
    return Rows(rows.series, rows.batch.take(np.arange(count)))


def main() -> None:
    """Measure, and say so."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="names of data sets that begin so")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), quick=options.quick, only=options.only)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
