"""Models at work, as a node would tell of them: real books of versions, and plain values for what runs.

Three deployments: `pump` is well and has a shadow and a candidate, `bearing` is late, `occupancy` has drifted and has a
canary. Nothing is scored here; acts go through `inference.lifecycle.states`, labels through its checks.
"""

from msgspec.structs import replace
from tests.unit.web.modelled_parts import (
    DAY,
    HOUR,
    MINUTE,
    active_at,
    card,
    columns,
    features,
    results,
    run,
    shapes,
    trend,
    watched,
)

from holdfast.inference.lifecycle.comparing import ComparisonStatus, DeviceLine
from holdfast.inference.lifecycle.drift.findings import Finding
from holdfast.inference.lifecycle.errors import DeploymentUnknown
from holdfast.inference.lifecycle.judging import ArmStatus
from holdfast.inference.lifecycle.labels import Label, require
from holdfast.inference.lifecycle.significance import Difference
from holdfast.inference.lifecycle.states import Book, Command, State, apply
from holdfast.inference.lifecycle.status import ActDone, LabelList, VersionStatus
from holdfast.web.model_answers import LabelCounts, LoadedModel, ModelCache, ModelDetail, ModelList, ModelRow

HOSTILE = "<img src=x onerror=window.hacked=1>"


class ModelDesk:
    """Implements `web.model_port.ModelsPort`. asked: what came through to it."""

    def __init__(self, now_ns: int, *, hostile: bool = False) -> None:
        self.now_ns, self.asked = now_ns, list[tuple[str, object]]()
        self.books = {one.deployment: one for one in (_pump_book(now_ns), _bearing_book(now_ns), _rooms_book(now_ns))}
        told = _pump(now_ns), _bearing(now_ns), _rooms(now_ns)
        self._told = {one.name: _hostile(one) if hostile else one for one in told}
        self._labels = [
            Label(
                deployment="pump", device="pump-3", start_ns=now_ns - HOUR, end_ns=now_ns - HOUR // 2,
                label="anomalous",
                node="gw", by="ann", source="alert", comment="it stank", made_ns=now_ns, id=1, alert=7,
            )
        ]  # fmt: skip

    async def listed(self) -> ModelList:
        rows = [self._of(name).row for name in sorted(self._told)]
        loaded = [
            LoadedModel("pump-anomaly@1.0.0", 3_400_000, True, self.now_ns),
            LoadedModel("bearing-fault@1.0.0", 11_200_000, True, self.now_ns),
            LoadedModel("occupancy@1.0.0", 900_000, True, self.now_ns - 2 * 10**9),
            LoadedModel("pump-anomaly@2.0.0", 6_100_000, True, self.now_ns),
            LoadedModel("pump-small@1.0.0", 400_000, False, self.now_ns - HOUR),
        ]
        return ModelList(rows, ModelCache(sum(one.bytes for one in loaded), 100_000_000, 128_403, 5, 1, loaded))

    async def detail(self, deployment: str) -> ModelDetail:
        return self._of(deployment)

    def _of(self, name: str) -> ModelDetail:
        if name not in self._told:
            raise DeploymentUnknown(name)
        told, book = self._told[name], self.books[name]
        canaries = {one.ref: one.percent for one in book.of(State.CANARY)}
        shadows = [one.ref for one in book.of(State.SHADOW)]
        row = replace(told.row, active=book.active, shadows=shadows, canaries=canaries)
        history = [replace(one, why=HOSTILE) if HOSTILE in told.row.words else one for one in book.history[::-1]]
        return replace(
            told, row=row, active=book.active, versions=_versions(book), history=history,
            former=book.former[-1] if book.former else "",
        )  # fmt: skip

    def wait(self, deployment: str, why: str) -> None:
        """Let its model be one that isn't on the node."""
        told = self._told[deployment]
        row = replace(
            told.row, health="waiting", words=why, drift="unknown", drift_words="", p99_ms=None, rows_per_s=0.0
        )
        self._told[deployment] = replace(told, row=row)

    async def act(self, deployment: str, wish: Command) -> ActDone:
        book = self.books.get(deployment)
        if book is None:
            raise DeploymentUnknown(deployment)
        after = apply(book, wish, self.now_ns)
        self.books[deployment] = after
        self.asked.append((deployment, wish))
        return ActDone(deployment, after.active, list(after.history[len(book.history) :]), _versions(after))

    async def relearn(self, deployment: str) -> object:
        self._of(deployment)
        self.asked.append((deployment, "relearn"))
        return None

    async def label(self, label: Label) -> Label:
        told = self._of(label.deployment)
        label = replace(require(label, told.classes), id=len(self._labels) + 1, made_ns=self.now_ns)
        self._labels.insert(0, label)
        return label

    async def labels(self, deployment: str, limit: int, below: int, device: str) -> LabelList:
        self._of(deployment)
        found = [
            one
            for one in self._labels
            if one.deployment == deployment and (not below or one.id < below) and device in ("", one.device)
        ]
        return LabelList(found[:limit], found[limit - 1].id if len(found) > limit else 0)


def _versions(book: Book) -> list[VersionStatus]:
    taken = sum(one.percent for one in book.of(State.CANARY))
    share = {State.ACTIVE: 100 - taken}
    return [
        VersionStatus(
            one.ref, one.state, one.since_ns, share.get(one.state, one.percent), one.shadowed, one.mark, "", ""
        )
        for one in book.versions
    ]


def _pump_book(now_ns: int) -> Book:
    book = active_at("pump", "pump-anomaly@0.9.0", now_ns - 30 * DAY)
    for age, wish in (
        (12 * DAY, Command("add", "pump-anomaly@1.0.0", by="ann")),
        (12 * DAY, Command("promote", "pump-anomaly@1.0.0", by="ann", why="the 0.9.0 missed a dry run", force=True)),
        (2 * DAY, Command("add", "pump-anomaly@2.0.0", by="ann")),
        (2 * DAY, Command("shadow", "pump-anomaly@2.0.0", by="ann", why="better F1")),
        (HOUR, Command("add", "pump-anomaly@2.1.0", by="ben", why="trained with March")),
    ):
        book = apply(book, wish, now_ns - age)
    return book


def _bearing_book(now_ns: int) -> Book:
    return active_at("bearing", "bearing-fault@1.0.0", now_ns - 3 * DAY)


def _rooms_book(now_ns: int) -> Book:
    book = active_at("occupancy", "occupancy@1.0.0", now_ns - 30 * DAY)
    for age, wish in (
        (DAY, Command("add", "occupancy@1.1.0", by="ann")),
        (DAY, Command("shadow", "occupancy@1.1.0", by="ann")),
        (3 * HOUR, Command("canary", "occupancy@1.1.0", 10.0, by="ann", why="better at noon")),
        (2 * HOUR, Command("add", "occupancy@1.2.0", by="ann")),
        (2 * HOUR, Command("canary", "occupancy@1.2.0", 5.0, by="ann", force=True)),
        (HOUR, Command("retire", "occupancy@1.2.0", by="holdfast", why="worse: errors higher by 0.02 to 0.11")),
    ):
        book = apply(book, wish, now_ns - age)
    return book


def _pump(now_ns: int) -> ModelDetail:
    labels = ["normal", "anomalous"]
    devices = [("gw", f"pump-{i}") for i in range(1, 129)]
    row = ModelRow(
        "pump", "", False, [], {}, 0, 412, task="anomaly", health="ok", budget_ms=50.0, p50_ms=14.2, p99_ms=31.6,
        rows_per_s=1284.0, devices=128, fallback_share=0.0021, drift="ok", drift_words="no feature has moved",
        rule="ml-pump", open_alerts=1,
    )  # fmt: skip
    names = {
        "accelerometer1": "vibration.x",
        "accelerometer2": "vibration.y",
        "current": "motor.current",
        "pressure": "water.pressure",
        "temperature": "motor.temperature",
        "thermocouple": "water.temperature",
        "voltage": "motor.voltage",
        "flow": "water.flow",
    }
    moved = {
        name: ((0.0, 1.0), (0.04 * (i % 3), 1 + 0.02 * i), [-2.0, -1, 0, 1, 2]) for i, name in enumerate(names)
    } | {"prediction": ((0.3, 0.25), (0.32, 0.27), [0.1, 0.2, 0.4, 0.8, 1.6])}
    better = Difference(
        "better", -0.013, -0.022, -0.004, 206, 0.0004, "signed rank", "the error rate is lower by 0.013"
    )
    same = Difference("no difference shown", 0.0, -1e-4, 1e-4, 4_100, 0.8, "sign", "rows without an answer are as rare")
    comparison = ComparisonStatus(
        "pump-anomaly@2.0.0", "pump-anomaly@1.0.0", 221_021_787, 0.9931, [*labels, "none"],
        [[218_201_044, 1_104_220, 0], [401_332, 1_315_191, 0], [0, 0, 0]],
        [(0.01, -0.21), (0.05, -0.11), (0.25, -0.04), (0.5, -0.012), (0.75, 0.01), (0.95, 0.09), (0.99, 0.34)],
        412, 0.021, 0.034, better, same, [18.9, 44.1, 14.2, 31.6],
        [DeviceLine("gw", "pump-17", 1_720_551, 0.912), DeviceLine("gw", "pump-3", 1_719_884, 0.934)],
        "better", "the error rate is lower by 0.013 (0.004 to 0.022), of 206 blocks of labelled rows", 80_551,
    )  # fmt: skip
    return ModelDetail(
        "pump", "", False, 0, [], [], [], watched(columns(moved), 412, 0.034), [comparison], [], labels, row=row,
        card=card("pump-anomaly@1.0.0", "anomaly", labels, 1.0),
        features=features("skab-pump", "readings where device like 'pump-%'", names),
        running={
            "pump-anomaly@1.0.0": run(14.2, 31.6, 1284.0, 1_331_804_112, skipped=40_112, errors=2, batch=96, queue=12,
                                      fallbacks={"last": 2_611, "smaller": 310}, last_error_ns=now_ns - 12 * DAY,
                                      last_error="the run was stopped after 2 s"),
            "pump-anomaly@2.0.0": run(18.9, 44.1, 1284.0, 221_102_338, skipped=80_551, batch=96, queue=30),
        },
        shapes=shapes(moved), labels=LabelCounts(37, 4), devices=devices,
        trend=trend(now_ns, 14, 30, 1284, late=(22, 23)),
        results=results(now_ns, [device for _, device in devices[:20]], "1.0.0", labels, 1.0),
    )  # fmt: skip


def _bearing(now_ns: int) -> ModelDetail:
    labels = ["normal", "ball", "inner race", "outer race"]
    row = ModelRow(
        "bearing", "", False, [], {}, 0, 0, task="classification", health="pressed", budget_ms=100.0, p50_ms=71.0,
        p99_ms=118.4, rows_per_s=42.0, devices=14, fallback_share=0.064, drift_words="it still learns what is usual",
        words="p99 is over the budget: batches are cut to 8 rows, and the oldest of each device are skipped",
        rule="ml-bearing",
    )  # fmt: skip
    return ModelDetail(
        "bearing", "", False, 0, [], [], [], watched([], 0, None), [], [], labels, row=row,
        card=card("bearing-fault@1.0.0", "classification", labels, None),
        features=features("bearing-window", "readings where device like 'motor-%'", {"window": "samples(x, 1024)"}),
        running={
            "bearing-fault@1.0.0": run(71.0, 118.4, 42.0, 10_801_220, health="pressed", skipped=90_211, batch=8,
                                       queue=120, fallbacks={"last": 74_120}),
        },
        shapes={}, devices=[("gw", f"motor-{i}") for i in range(1, 15)],
        trend=trend(now_ns, 68, 92, 42, late=range(40, 60)),
        results=results(now_ns, ["motor-1", "motor-2"], "1.0.0", labels, 0.9),
    )  # fmt: skip


def _rooms(now_ns: int) -> ModelDetail:
    labels = ["empty", "occupied"]
    said = "co2 has moved: PSI over 24 h is 1.99, above 0.2"
    row = ModelRow(
        "occupancy", "", False, [], {}, 1, 0, task="classification", health="ok", budget_ms=50.0, p50_ms=2.1,
        p99_ms=6.4, rows_per_s=3.2, devices=24, drift="drifting", drift_words=said,
    )  # fmt: skip
    names = {"temperature": "air.temperature", "humidity": "air.humidity", "co2": "air.co2", "light": "light.level"}
    moved = {
        "temperature": ((21.5, 1.6), (21.9, 1.7), [18.0, 20, 22, 24, 26]),
        "humidity": ((37.0, 8.0), (38.0, 8.0), [20.0, 30, 40, 50, 60]),
        "co2": ((620.0, 160.0), (880.0, 190.0), [450.0, 600, 800, 1000, 1200]),
        "light": ((210.0, 160.0), (205.0, 165.0), [50.0, 150, 300, 450, 600]),
        "prediction": ((0.35, 0.3), (0.42, 0.3), [0.1, 0.3, 0.5, 0.7, 0.9]),
    }
    few = Difference("too few rows", 0.0, -1.0, 1.0, 18, 1.0, "sign", "18 of the 20 blocks of rows that it takes")
    comparison = ComparisonStatus(
        "occupancy@1.1.0", "occupancy@1.0.0", 3_480, 0.981, [*labels, "none"],
        [[2_402, 41, 0], [25, 1_012, 0], [0, 0, 0]],
        [(0.01, -0.3), (0.25, -0.02), (0.5, 0.0), (0.75, 0.03), (0.99, 0.41)], 0, None, None, None, few,
        [2.0, 5.9, 2.1, 6.4], [], "too few rows", "18 of the 20 blocks of rows that a verdict takes",
    )  # fmt: skip
    alarm = Finding(
        kind="drift", deployment="occupancy", feature="co2", statistic="PSI over 24 h", value=1.99, limit=0.2,
        since_ns=now_ns - 17 * HOUR, at_ns=now_ns - 16 * HOUR, message=said,
    )  # fmt: skip
    late = Finding(
        kind="drift", deployment="occupancy", node="gw", device="room-07", feature="light", statistic="PSI over 24 h",
        value=0.61, limit=0.3, since_ns=now_ns - 40 * MINUTE, at_ns=now_ns, message="light of room-07 has moved",
    )  # fmt: skip
    split = [
        ArmStatus("occupancy@1.0.0", 31_320, 22, 0.0, 0, None, [2.1, 6.4]),
        ArmStatus("occupancy@1.1.0", 3_480, 2, 0.0, 0, None, [2.0, 5.9], None, few),
    ]
    return ModelDetail(
        "occupancy", "", False, 0, [], [alarm, late], [], watched(columns(moved), 0, None), [comparison], split, labels,
        row=row, card=card("occupancy@1.0.0", "classification", labels, 0.5),
        features=features("occupancy-room", "readings where device like 'room-%'", names),
        running={
            "occupancy@1.0.0": run(2.1, 6.4, 2.9, 8_120_300), "occupancy@1.1.0": run(2.0, 5.9, 0.3, 3_480),
        },
        shapes=shapes(moved), labels=LabelCounts(2, 0), devices=[("gw", f"room-{i:02}") for i in range(24)],
        trend=trend(now_ns, 2, 6, 3.2), results=results(now_ns, ["room-01", "room-02"], "1.0.0", labels, 0.5),
    )  # fmt: skip


def _hostile(one: ModelDetail) -> ModelDetail:
    """The same with markup wherever people or models choose the words."""
    assert one.card is not None
    assert one.features is not None
    told = [replace(column, name=HOSTILE + column.name, worst=HOSTILE) for column in one.drift.columns]
    return replace(
        one,
        row=replace(one.row, words=HOSTILE, drift_words=HOSTILE, rule=HOSTILE),
        card=replace(one.card, description=HOSTILE, labels=[HOSTILE], licence=HOSTILE, metrics={HOSTILE: HOSTILE}),
        features=replace(
            one.features, features=[replace(f, name=HOSTILE, text=HOSTILE) for f in one.features.features[:1]]
        ),
        running={ref: replace(how, last_error=HOSTILE) for ref, how in one.running.items()},
        alarms=[replace(alarm, message=HOSTILE) for alarm in one.alarms],
        drift=replace(one.drift, columns=told),
        comparisons=[replace(c, words=HOSTILE, labels=[HOSTILE + x for x in c.labels]) for c in one.comparisons],
        results=[replace(r, label=HOSTILE) for r in one.results],
    )
