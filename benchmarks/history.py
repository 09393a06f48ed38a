"""The site's memory beside InfluxDB and DuckDB on CSV: the same rows, the same questions, in one run, under intake.

    python -m benchmarks.history [--days 7] [--series 200] [--period 10] [--repeat 9] [--json out/history.json]

The past goes into a gateway's journal, into InfluxDB and into CSV files. A real gateway (`holdfast.node`) makes files
of it; then, while it takes `--rate` readings a second over MQTT and InfluxDB takes as many over HTTP, the three are
asked by turns. Answers are compared: what differs by more than 1e-9 of a value ends the run.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import numpy as np
import pyarrow as pa

from benchmarks.askers import Asker, Duck, Flat, Holdfast, InfluxAsker, disagreement
from benchmarks.backlog import appending
from benchmarks.influx import Influx, influx, lines
from benchmarks.options import Figures, Options
from benchmarks.past import DAY_S, CsvFiles, Past
from benchmarks.processes import free_port, python, rss_mib, running, wait_for_port
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.reader import JournalReader
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import SystemClock
from holdfast.model.lane import Lane

GROUP = 1_000  # readings of a commit's group: a tenth of a second at the rate asked for
READINGS_PER_MESSAGE = 5
DEVICES = 200
SETTLED_S = 4 * 3_600  # a day that ended so long ago is merged for good
GOALS = {
    "fast.ms_p50": "<= 100",
    "site.ms_p50": "<= 2000",
    "last.ms_p50": "<= 50",
    "gateway_rss_mib": "<= 160",
    "compaction_m_per_s": ">= 1",
    "intake_share": ">= 0.99",
}
NAMES = (Holdfast.name, InfluxAsker.name, Duck.name)
_WARM_S = 5.0
_KEPT_S = 1_800.0


@dataclass(frozen=True)
class Sizes:
    """period: s between two readings of the many series; last: series whose last values are asked for.

    rate: readings/s that are taken meanwhile; repeat: how often each question is asked
    """

    days: int = 7
    series: int = 200
    period: int = 10
    last: int = 5_000
    rate: int = 10_000
    repeat: int = 9


@dataclass(frozen=True)
class Question:
    """One question to all. ask, flat: the names of an Asker's methods are in them."""

    key: str
    text: str
    ask: Callable[[Asker], Any]
    flat: Callable[[Asker, Any], Flat]


def questions(past: Past) -> list[Question]:
    fast, site, last = (past.groups[key] for key in ("fast", "site", "last"))
    days, many = past.days, len(site.names)

    def stepped(key: str, text: str, group: Any, step_s: int) -> Question:
        return Question(key, text, lambda one: one.steps(group, step_s), lambda one, found: one.flat_steps(found))

    return [
        stepped("fast", f"1 series at 1 Hz, {days} days, 5-minute steps", fast, 300),
        stepped("site", f"{many} series at 1 in {site.period_s} s, {days} days, 5-minute steps", site, 300),
        Question(
            "last",
            f"last values of {len(last.names)} series",
            lambda one: one.last(last),
            lambda one, found: one.flat_last(found),
        ),
        stepped("odd", f"1 series at 1 Hz, {days} days, 90-second steps (no roll-up fits)", fast, 90),
        Question(
            "readings",
            f"1 series at 1 Hz, {days} days, every reading",
            lambda one: one.readings(fast),
            lambda one, found: one.flat_readings(found),
        ),
    ]


class Watch(threading.Thread):
    """Peak memory of a gateway's children (they make its files), and how fast rows become files."""

    def __init__(self, pid: int, journal: Path) -> None:
        super().__init__(daemon=True)
        self.child_mib = 0.0
        self.moved: list[tuple[float, int]] = []
        self.has_child = False
        self._pid, self._reader, self._ending = pid, JournalReader(journal), threading.Event()

    def run(self) -> None:
        while not self._ending.wait(0.05):
            try:
                # A child is its thread's: the node starts it from a worker.
                tasks = Path(f"/proc/{self._pid}/task").glob("*/children")
                children = [child for task in tasks for child in task.read_text().split()]
                self.has_child = bool(children)
                self.child_mib = max([self.child_mib, *(rss_mib(int(child)) for child in children)])
            except OSError:  # it ended between the two looks
                continue
            at, done = time.monotonic(), self._reader.cursor("history", Lane.BULK)
            if not self.moved or done != self.moved[-1][1]:
                self.moved.append((at, done))

    def stop(self) -> None:
        self._ending.set()
        self.join()
        self._reader.close()

    def m_per_s(self) -> float:
        """Million readings a second, from the first step's commit to the last one's."""
        steps = [one for one in self.moved if one[1]]
        if len(steps) < 2:
            return float("nan")
        return (steps[-1][1] - steps[0][1]) / (steps[-1][0] - steps[0][0]) / 1e6


class Peak:
    """Peak memory of a process, phase by phase, in MiB."""

    def __init__(self, pid: int) -> None:
        self.most = 0.0
        self._pid = pid

    def phase(self) -> float:
        """Since the last call; the next phase begins (proc(5): clear_refs)."""
        peak = round(rss_mib(self._pid), 1)
        self.most = max(self.most, peak)
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")
        return peak


class Gateway:
    """A gateway with a past in its journal, to be started as a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mqtt, self.api = free_port(), free_port()
        self.settings = folder / "gw.yaml"
        folder.mkdir()
        (folder / "gw").mkdir()
        self.settings.write_text(
            f"node: gw\ndata: gw\nmqtt: {{listen: '127.0.0.1:{self.mqtt}', anonymous: true}}\n"
            f"api: {{listen: '127.0.0.1:{self.api}'}}\nprofiles: ['builtin:rooms']\n"
            "rules: ['builtin:rooms']\njournal: {quota: 60GB}\nhistory: true\n"
        )

    @property
    def journal(self) -> Path:
        return self.folder / "gw" / FILE_NAME

    def status(self) -> Figures:
        """Of its memory."""
        with urlopen(f"http://127.0.0.1:{self.api}/api/v1/history", timeout=30) as answer:
            return cast("Figures", json.load(answer))

    def wait_kept(self, watch: Watch, most_s: float) -> None:
        """Until all that waited is in files, and those are merged."""
        deadline, quiet = time.monotonic() + most_s, 0
        while quiet < 10:
            if time.monotonic() > deadline:
                raise SystemExit(f"the gateway still makes files: {self.status()}")
            time.sleep(0.5)
            quiet = 0 if watch.has_child or self.status()["waiting_rows"] else quiet + 1


async def fill(past: Past, gateway: Gateway, store: Influx, files: CsvFiles) -> int:
    """The same rows into all three; returns how many."""
    journal = Journal(gateway.journal, "gw", JournalSettings(quota=60_000_000_000), SystemClock())
    known = iter([journal.catalogue.intern(one) for one in past.series])
    ids = {key: np.array([next(known) for _ in group.names], np.int32) for key, group in past.groups.items()}
    rows = 0
    for parts in past.hours():
        batch = past.batch(parts, ids)
        pieces = [batch.take(np.arange(at, min(at + GROUP, len(batch)))) for at in range(0, len(batch), GROUP)]
        await journal.submit(appending(pieces))
        for part in parts:
            store.write(lines(part.group.key, part.names, pa.array(part.ts), pa.array(part.value)))
            files.write(part)
        rows += len(batch)
    journal.close()
    return rows


def ask(askers: list[Asker], question: Question, found: dict[str, Flat], times: dict[str, list[float]]) -> None:
    """One turn of all stores; the first answers are compared."""
    for asker in askers:
        began = time.perf_counter()
        answer = question.ask(asker)
        times.setdefault(asker.name, []).append((time.perf_counter() - began) * 1e3)
        if asker.name not in found:
            found[asker.name] = question.flat(asker, answer)
    mine, *others = (found[asker.name] for asker in askers)
    for asker, other in zip(askers[1:], others, strict=True):
        wrong = disagreement(mine, other)
        if wrong:
            raise SystemExit(f"{question.text}: {asker.name} answers otherwise: {wrong}")


def spoken(times: list[float]) -> Figures:
    """Median and 95th percentile (nearest rank above), and the first answer."""
    ordered = sorted(times)
    return {
        "ms_p50": round(float(np.median(ordered)), 1),
        "ms_p95": round(float(np.percentile(ordered, 95, method="higher")), 1),
        "ms_first": round(times[0], 1),
        "repeats": len(times),
    }


def measure(folder: Path, sizes: Sizes) -> Figures:
    """Fill, keep, ask."""
    end_s = int(time.time() - SETTLED_S) // DAY_S * DAY_S
    past = Past(end_s, sizes.days, sizes.series, sizes.period, sizes.last)
    files = CsvFiles(folder / "csv")
    figures: Figures = {"cores": os.cpu_count(), "load_before": _load()}
    with influx(folder / "influx") as (store, influxd):
        gateway, began = Gateway(folder / "gateway"), time.monotonic()
        rows = asyncio.run(fill(past, gateway, store, files))
        figures |= {"readings": rows, "filled_s": _since(began)}
        tell(f"{rows} readings in all three after {figures['filled_s']} s")
        stored = {"InfluxDB": store.settled(), "DuckDB on CSV": files.size()}
        with running(*python("holdfast.node", str(gateway.settings)), log=folder / "gw.log", cwd=folder) as process:
            wait_for_port(gateway.mqtt)
            watch = Watch(process.pid, gateway.journal)
            watch.start()
            peak = Peak(process.pid)
            began = time.monotonic()
            gateway.wait_kept(watch, _KEPT_S)
            status = gateway.status()
            stored["Holdfast"] = status["bytes"]
            if status["readings"] != rows:
                raise SystemExit(f"{status['readings']} readings in files instead of {rows}")
            figures |= {
                "kept_s": _since(began),
                "compaction_m_per_s": round(watch.m_per_s(), 2),
                "bytes_per_reading": {name: round(size / rows, 3) for name, size in stored.items()},
                "journal_bytes_per_reading": round(gateway.journal.stat().st_size / rows, 2),
                "rss_mib_keeping": peak.phase(),
            }
            tell(json.dumps(figures))
            askers: list[Asker] = [Holdfast(past, gateway.api), InfluxAsker(past, store), Duck(past, files.folder)]
            watch.moved.clear()
            figures |= under_intake(past, askers, gateway, store, peak, sizes)
            peak.phase()
            figures |= {
                "gateway_rss_mib": peak.most,
                "files_child_rss_mib": round(watch.child_mib, 1),
                "influxd_rss_mib": round(rss_mib(influxd.pid), 1),
                "kept_beside": watch.moved[-1][1] - watch.moved[0][1] if watch.moved else 0,
            }
            watch.stop()
    return figures


def under_intake(past: Past, askers: list[Asker], gateway: Gateway, store: Influx, peak: Peak, sizes: Sizes) -> Figures:
    """Ask by turns while both servers take readings."""
    messages = str(sizes.rate / READINGS_PER_MESSAGE)
    paced = python("benchmarks.pace", str(gateway.mqtt), str(DEVICES), messages, str(_KEPT_S))
    fed = python("benchmarks.influx", str(store.port), str(sizes.rate))
    with (
        running(*paced, stdout=subprocess.PIPE) as intake,
        running(*fed, stdout=subprocess.PIPE) as feed,
    ):
        began = time.monotonic()
        time.sleep(_WARM_S)
        answers: Figures = {}
        intake_mib = peak.phase()
        for question in questions(past):
            found: dict[str, Flat] = {}
            times: dict[str, list[float]] = {}
            load = _load()
            for _ in range(sizes.repeat):
                ask(askers, question, found, times)
            rows = len(next(iter(found.values()))["s"])
            stores = {name: spoken(of) for name, of in times.items()}
            about = {"question": question.text, "rows": rows, "load": load, "rss_mib": peak.phase()}
            answers[question.key] = {**about, "stores": stores}
            tell(f"{question.key}: {json.dumps(answers[question.key])}")
        if intake.poll() is not None or feed.poll() is not None:
            raise SystemExit("the intake ended before the questions")
        seconds = time.monotonic() - began
        for process in (intake, feed):
            process.send_signal(signal.SIGTERM)
        told, fed_rows = intake.communicate()[0], feed.communicate()[0]
    acked = json.loads(told)
    return {
        "answers": answers,
        "load_after": _load(),
        "rss_mib_intake": intake_mib,
        "intake": acked,
        "intake_share": round(acked["acked"] * READINGS_PER_MESSAGE / acked["seconds"] / sizes.rate, 3),
        "influx_readings_per_s": round(int(fed_rows) / seconds),
    }


def flat(figures: Figures) -> Figures:
    """As `benchmarks.__main__` prints and compares them."""
    found = {name: value for name, value in figures.items() if not isinstance(value, dict)}
    for key, answer in figures["answers"].items():
        for name, spoken_ in answer["stores"].items():
            prefix = key if name == Holdfast.name else f"{key}.{name}"
            found |= {f"{prefix}.{figure}": spoken_[figure] for figure in ("ms_p50", "ms_p95")}
    return found | {f"bytes_per_reading.{name}": size for name, size in figures["bytes_per_reading"].items()}


def table(figures: Figures) -> str:
    """For people, and for docs/performance.md."""
    found = flat(figures)
    rows = [f"| median (p95), ms | {' | '.join(NAMES)} | goal |", "|---|---|---|---|---|"]
    for key, answer in figures["answers"].items():
        cells = [f"{s['ms_p50']} ({s['ms_p95']})" for s in (answer["stores"][name] for name in NAMES)]
        about = f"{answer['question']}: {answer['rows']} rows"
        rows.append(f"| {about} | {' | '.join(cells)} | {judged(found, f'{key}.ms_p50')} |")
    sizes = " | ".join(str(figures["bytes_per_reading"][name]) for name in NAMES)
    rows.append(f"| bytes on disk per reading | {sizes} | |")
    also = {"gateway_rss_mib": "peak RSS, MiB", "compaction_m_per_s": "journal to files, M/s"}
    for figure, text in (also | {"intake_share": "share of the intake that was reached"}).items():
        theirs = figures["influxd_rss_mib"] if figure == "gateway_rss_mib" else ""
        rows.append(f"| {text} | {found[figure]} | {theirs} | | {judged(found, figure)} |")
    return "\n".join(rows)


def judged(found: Figures, figure: str) -> str:
    if figure not in GOALS:
        return ""
    sign, wanted = GOALS[figure].split()
    reached = found[figure] <= float(wanted) if sign == "<=" else found[figure] >= float(wanted)
    return f"{sign} {wanted}: {'reached' if reached else 'MISSED'}"


def tell(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}, load {_load()}] {text}", flush=True)


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 1)


def history(folder: Path, options: Options) -> Figures:
    """For `python -m benchmarks --only history`; quick: a day, which becomes files, and little else."""
    return flat(measure(folder, Sizes(1, 60, 10, 500, 2_000, 3) if options.quick else Sizes()))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Sizes):
        parser.add_argument(f"--{field.name}", type=int, default=field.default)
    parser.add_argument("--dir", type=Path, help="parent of the folder that is used and removed; some GB")
    parser.add_argument("--json", type=Path, default=Path("out/history.json"))
    return parser.parse_args()


def main() -> int:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends, too
    sizes = Sizes(**{field.name: getattr(args, field.name) for field in fields(Sizes)})
    with tempfile.TemporaryDirectory(prefix="bench-history-", dir=args.dir) as folder:
        figures = measure(Path(folder), sizes)
    print(f"\n{platform.machine()}, Python {platform.python_version()}\n{table(figures)}")
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
