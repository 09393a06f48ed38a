"""Models at work, as a node would tell of them: a book of plain values that does what it's asked.

Three deployments: `pump` is well and has a shadow and a candidate, `bearing` is late, `occupancy` has drifted. Nothing
is scored here; a change moves a version as `holdfast.inference.lifecycle` would, and what it says are the wire's structs.
"""

import math
from itertools import pairwise
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from holdfast.web.model_answers import (
    Comparison,
    Deed,
    DeviceAgreement,
    DifferenceTold,
    Drift,
    DriftState,
    FeatureSetTold,
    FeatureTold,
    LabelCounts,
    LoadedModel,
    ModelCache,
    ModelCard,
    ModelChanged,
    ModelDetail,
    ModelList,
    ModelRow,
    ModelVersion,
    ModelWish,
    Pace,
    ResultTold,
    RoleTold,
    Transition,
    Truth,
    TruthRow,
)
from holdfast.web.model_port import ModelAbsent, ModelInvalid, ModelRefused

S, MINUTE, HOUR, DAY = 10**9, 60 * 10**9, 3600 * 10**9, 86_400 * 10**9
AFTER: dict[Deed, RoleTold] = {"shadow": "shadow", "canary": "canary", "promote": "active", "retire": "retired"}
CAN: dict[RoleTold, list[Deed]] = {
    "candidate": ["shadow", "canary", "promote", "retire"],
    "shadow": ["canary", "promote", "retire"],
    "canary": ["shadow", "canary", "promote", "retire"],
    "active": [],
    "retired": ["shadow", "canary", "promote"],
}
HOSTILE = "<img src=x onerror=window.hacked=1>"


class ModelDesk:
    """Implements `web.model_port.ModelsPort`; asked: every change that came through."""

    def __init__(self, now_ns: int, *, hostile: bool = False) -> None:
        self.now_ns, self.asked = now_ns, list[tuple[str, str, ModelWish | Truth, str]]()
        self._details = {one.row.deployment: one for one in (_bearing(now_ns), _occupancy(now_ns), _pump(now_ns))}
        self._truths: dict[str, list[TruthRow]] = {
            "pump": [
                TruthRow(1, "gw", "pump-3", now_ns - HOUR, now_ns - HOUR // 2, "anomalous", "ann", "it stank", 9, 7)
            ]
        }
        if hostile:
            self._details = {name: _hostile(one) for name, one in self._details.items()}

    async def listed(self) -> ModelList:
        rows = [one.row for _, one in sorted(self._details.items())]
        loaded = [
            LoadedModel("pump-anomaly@1.0.0", 3_400_000, True, self.now_ns),
            LoadedModel("bearing-fault@1.0.0", 11_200_000, True, self.now_ns),
            LoadedModel("occupancy@1.0.0", 900_000, True, self.now_ns - 2 * S),
            LoadedModel("pump-anomaly@2.0.0", 6_100_000, True, self.now_ns),
            LoadedModel("pump-small@1.0.0", 400_000, False, self.now_ns - HOUR),
        ]
        return ModelList(rows, ModelCache(sum(one.bytes for one in loaded), 100_000_000, 128_403, 5, 1, loaded))

    async def detail(self, deployment: str) -> ModelDetail:
        found = self._details.get(deployment)
        if found is None:
            raise ModelAbsent(f"there is no deployment {deployment!r}", "GET /api/v1/models lists them")
        return found

    async def act(self, deployment: str, deed: Deed, wish: ModelWish, by: str) -> ModelChanged:
        one = await self.detail(deployment)
        self.asked.append((deployment, deed, wish, by))
        if deed == "load":
            return self._load(one, wish, by)
        ref = wish.model or next((v.ref for v in one.versions if v.role == "retired"), "")
        if not ref:
            raise ModelRefused(f"{deployment} had no other active version", "promote one")
        version = next((v for v in one.versions if v.ref == ref), None)
        if version is None:
            raise ModelAbsent(f"{deployment} has no version {ref!r}", "load it first")
        if deed != "rollback" and deed not in version.can:
            raise ModelRefused(
                f"{ref} is {version.role}: it can't be told to {deed}", f"it can: {', '.join(version.can)}"
            )
        if deed in version.asks_force and not wish.force:
            raise ModelRefused(version.caution, "force it if it should act all the same")
        role = AFTER.get(deed, "active")
        versions = [_moved(v, ref, role, wish.percent or 0.0, self.now_ns) for v in one.versions]
        done = Transition(
            self.now_ns, by, deed, ref, version.role, role, wish.percent or 0.0, wish.why, forced=wish.force
        )
        row = one.row
        if role == "active":
            row = replace(row, model=version.model, version=version.version)
        row = replace(
            row,
            shadows=[v.ref for v in versions if v.role == "shadow"],
            canaries=[v.ref for v in versions if v.role == "canary"],
        )
        self._details[deployment] = replace(one, row=row, versions=versions, history=[done, *one.history])
        return ModelChanged(deployment, f"{ref} is {role} now", versions)

    def _load(self, one: ModelDetail, wish: ModelWish, by: str) -> ModelChanged:
        if any(version.ref == wish.model for version in one.versions):
            raise ModelRefused(f"{wish.model} is a version of {one.row.deployment} already")
        if "@" not in wish.model:
            raise ModelInvalid(f"{wish.model!r} names no version", "as in pump-anomaly@2.0.0")
        versions = [*one.versions, _version(wish.model, "candidate", self.now_ns, caution="it never ran in shadow")]
        done = Transition(self.now_ns, by, "load", wish.model, "", "candidate", why=wish.why)
        self._details[one.row.deployment] = replace(one, versions=versions, history=[done, *one.history])
        return ModelChanged(one.row.deployment, f"{wish.model} is a candidate now", versions)

    async def labels(self, deployment: str, limit: int, before: int) -> list[TruthRow]:
        await self.detail(deployment)
        return [row for row in self._truths.get(deployment, []) if row.id < before][:limit]

    async def label(self, deployment: str, truth: Truth) -> TruthRow:
        one = await self.detail(deployment)
        self.asked.append((deployment, "label", truth, truth.by))
        labels = one.card.labels if one.card else []
        if labels and truth.label not in labels:
            raise ModelInvalid(f"{truth.label!r} is none of this model's labels", f"one of {', '.join(labels)}")
        rows = self._truths.setdefault(deployment, [])
        row = TruthRow(
            len(rows) + 1, truth.node or "gw", truth.device, truth.from_ns, truth.to_ns, truth.label, truth.by,
            truth.why, self.now_ns,
        )  # fmt: skip
        rows.insert(0, row)
        counts = replace(one.labels, given=one.labels.given + 1)
        self._details[deployment] = replace(one, labels=counts)
        return row


def _moved(version: ModelVersion, ref: str, role: RoleTold, percent: float, now_ns: int) -> ModelVersion:
    if version.ref == ref:
        return replace(version, role=role, percent=percent, since_ns=now_ns, can=CAN[role], asks_force=[], caution="")
    if role == "active" and version.role == "active":
        return replace(version, role="retired", since_ns=now_ns, can=CAN["retired"])
    return version


def _version(ref: str, role: RoleTold, since_ns: int, caution: str = "", **more: object) -> ModelVersion:
    model, _, number = ref.partition("@")
    force: list[Deed] = ["canary", "promote"] if caution else []
    made = ModelVersion(ref, model, number, role, since_ns, can=CAN[role], asks_force=force, caution=caution)
    return replace(made, **more)


def _trend(now_ns: int, p50: float, p99: float, rate: float, late: Sequence[int] = ()) -> list[Pace]:
    """An hour of minutes; late: minutes with a load."""
    found = []
    for i in range(60):
        wave, more = 1 + 0.12 * math.sin(i / 4) + 0.05 * math.sin(i * 1.7), 2.6 if i in late else 1.0
        at = now_ns - (60 - i) * MINUTE
        found.append(Pace(at, round(p50 * wave, 2), round(p99 * wave * more, 2), round(rate * (0.97 + wave / 30), 1)))
    return found


def _bins(centre: float, spread: float, edges: Sequence[float]) -> list[float]:
    def below(x: float) -> float:
        return 0.5 * (1 + math.erf((x - centre) / (spread * math.sqrt(2))))

    at = [0.0, *(below(x) for x in edges), 1.0]
    return [round(b - a, 4) for a, b in pairwise(at)]


def _drift(
    name: str, edges: Sequence[float], then: tuple[float, float], now: tuple[float, float], now_ns: int, **more: object
) -> Drift:
    a, b = _bins(*then, edges), _bins(*now, edges)
    floor = [(max(x, 1e-3), max(y, 1e-3)) for x, y in zip(a, b, strict=True)]
    psi = sum((y - x) * math.log(y / x) for x, y in floor)
    ks = float(np.abs(np.cumsum(a) - np.cumsum(b)).max())
    climbed = [
        (now_ns - (48 - i) * HOUR, round(max(0.004, psi * min(1.0, max(0.0, (i - 18) / 26)) + 0.02 * math.sin(i)), 4))
        for i in range(48)
    ]
    state: DriftState = "drifting" if psi > 0.2 else "ok"
    since = now_ns - 17 * HOUR if state == "drifting" else now_ns - 12 * DAY
    made = Drift(
        name, "feature", state, round(psi, 3), round(ks, 3), 0.2, 0.15, since, 8640, trend=climbed, edges=list(edges),
        then=a, now=b,
    )  # fmt: skip
    return replace(made, **more)


def _results(
    now_ns: int, devices: Sequence[str], version: str, labels: Sequence[str], level: float
) -> list[ResultTold]:
    found = []
    for i in range(60):
        score = round(level * (0.5 + 0.3 * math.sin(i / 3) + 0.2 * math.sin(i * 2.3)), 4)
        if i == 4:
            score = round(level * 2.4, 4)
        how = "last" if i == 11 else "smaller" if i in (20, 21) else "model"
        label = labels[-1] if score > level and labels else labels[0] if labels else ""
        device = devices[i % len(devices)]
        found.append(ResultTold("gw", device, now_ns - i * 100_000_000, score, label, None, how, version, 12.4))
    return found


def _pump(now_ns: int) -> ModelDetail:
    devices = [("gw", f"pump-{i}") for i in range(1, 129)]
    row = ModelRow(
        "pump", "anomaly", "pump-anomaly", "1.0.0", "ok", "", 50.0, 14.2, 31.6, 1284.0, 128, 0.0021, "ok",
        "no feature has moved", "ml-pump", 1, ["pump-anomaly@2.0.0"], [],
    )  # fmt: skip
    edges = [-2.0, -1.0, 0.0, 1.0, 2.0]
    names = [
        ("accelerometer1", "vibration.x"),
        ("accelerometer2", "vibration.y"),
        ("current", "motor.current"),
        ("pressure", "water.pressure"),
        ("temperature", "motor.temperature"),
        ("thermocouple", "water.temperature"),
        ("voltage", "motor.voltage"),
        ("flow", "water.flow"),
    ]
    return ModelDetail(
        row,
        ModelCard(
            "pump-anomaly@1.0.0",
            "Autoencoder over eight signals of a pump and its loop: what it can't rebuild is unusual.",
            "anomaly",
            "onnx",
            "CPUExecutionProvider",
            "8 float32",
            ["normal", "anomalous"],
            1.0,
            {"f1": 0.78, "false_alarm_rate": 0.136, "missed_alarm_rate": 0.27, "data": "SKAB, 34 experiments"},
            {"data": "SKAB v0.9, anomaly-free", "from": "2020-02-08", "to": "2020-03-09", "rows": 9405, "seed": 1},
            "GPL-3.0 (data) / Apache-2.0 (weights)",
            "5d41402abc4b2a76b9719d911017c592ae3f1c0c7d1e2bb1d1c8a0bb1c4f9e70",
            48_212,
            3_400_000,
        ),
        FeatureSetTold(
            "skab-pump@9f86d081884c7d65", "readings where device like 'pump-%'", "every message", "last value",
            "good only", [FeatureTold(name, text) for name, text in names],
        ),
        [
            _version(
                "pump-anomaly@1.0.0", "active", now_ns - 12 * DAY, state="ok", p50_ms=14.2, p99_ms=31.6,
                rows_per_s=1284.0, scored=1_331_804_112, skipped=40_112, errors=2, batch=96, queue=12, bytes=3_400_000,
                fallbacks={"last": 2_611, "smaller": 310}, last_error="CUDA isn't here: ran on the CPU",
                last_error_ns=now_ns - 12 * DAY,
            ),
            _version(
                "pump-anomaly@2.0.0", "shadow", now_ns - 2 * DAY, state="ok", p50_ms=18.9, p99_ms=44.1,
                rows_per_s=1284.0, scored=221_102_338, skipped=80_551, batch=96, queue=30, bytes=6_100_000,
            ),
            _version("pump-anomaly@2.1.0", "candidate", now_ns - HOUR, caution="it never ran in shadow"),
            _version("pump-anomaly@0.9.0", "retired", now_ns - 12 * DAY, scored=881_440),
        ],
        [
            _drift(name, edges, (0, 1), (0.04 * (i % 3), 1 + 0.02 * i), now_ns)
            for i, (name, _) in enumerate(names)
        ]
        + [
            _drift(
                "prediction", [0.1, 0.2, 0.4, 0.8, 1.6], (0.3, 0.25), (0.32, 0.27), now_ns, kind="prediction"
            )
        ],
        [
            Comparison(
                "pump-anomaly@2.0.0", "pump-anomaly@1.0.0", 221_021_787, 0.9931, ["normal", "anomalous", "none"],
                [[218_201_044, 1_104_220, 0], [401_332, 1_315_191, 0], [0, 0, 0]],
                [(0.01, -0.21), (0.05, -0.11), (0.25, -0.04), (0.5, -0.012), (0.75, 0.01), (0.95, 0.09), (0.99, 0.34)],
                412, 0.021, 0.034,
                DifferenceTold("better", "the error rate is lower by 0.004 to 0.022", -0.013, -0.022, -0.004, 206),
                DifferenceTold("no difference shown", "failures are as rare", 0.0, -0.0001, 0.0001, 4_100),
                [18.9, 44.1, 14.2, 31.6],
                [DeviceAgreement("gw", "pump-17", 1_720_551, 0.912), DeviceAgreement("gw", "pump-3", 1_719_884, 0.934)],
                "better", "the error rate is lower by 0.004 to 0.022, of 206 blocks of labelled rows", 80_551,
                now_ns - 2 * DAY,
            ),
        ],
        [
            Transition(now_ns - HOUR, "ben", "load", "pump-anomaly@2.1.0", "", "candidate", why="trained with March"),
            Transition(now_ns - 2 * DAY, "ann", "shadow", "pump-anomaly@2.0.0", "candidate", "shadow", why="better F1"),
            Transition(now_ns - 12 * DAY, "holdfast", "rollback", "pump-anomaly@0.9.0", "active", "retired",
                       why="12 % of rows without an answer for 60 s"),
            Transition(now_ns - 12 * DAY, "node.yaml", "promote", "pump-anomaly@1.0.0", "candidate", "active",
                       forced=True),
        ],
        LabelCounts(31, 6, 4),
        devices,
        _trend(now_ns, 14, 30, 1284, late=(22, 23)),
        _results(now_ns, [device for _, device in devices[:20]], "1.0.0", ["normal", "anomalous"], 1.0),
        "pump-anomaly@0.9.0 becomes active again",
    )  # fmt: skip


def _bearing(now_ns: int) -> ModelDetail:
    row = ModelRow(
        "bearing", "classification", "bearing-fault", "1.0.0", "pressed",
        "p99 is over the budget: batches are cut to 8 rows and the oldest of each device are skipped", 100.0, 71.0,
        118.4, 42.0, 14, 0.064, "unknown", "too few rows yet to say", "ml-bearing", 0,
    )  # fmt: skip
    labels = ["normal", "ball", "inner race", "outer race"]
    card = ModelCard(
        "bearing-fault@1.0.0", "Which part of a bearing is worn, from 1,024 samples of vibration.", "classification",
        "onnx", "CPUExecutionProvider", "1, 1024 float32", labels, None, {"accuracy": 0.994, "f1": 0.991, "data": "CWRU, 3 hp"},
        {"data": "CWRU 12 kHz drive end", "rows": 11_520, "seed": 1}, "public (data) / Apache-2.0 (weights)",
        "0" * 60 + "c0de", 211_004, 11_200_000,
    )  # fmt: skip
    features = FeatureSetTold(
        "bearing-window@77d2a1f0c4e5b693", "readings where device like 'motor-%'", "tumbling 1024 samples", "skip",
        "good only", [FeatureTold("window", "samples(vibration.x, 1024)", 1024)],
    )  # fmt: skip
    active = _version(
        "bearing-fault@1.0.0", "active", now_ns - 3 * DAY, state="pressed", p50_ms=71.0, p99_ms=118.4, rows_per_s=42.0,
        scored=10_801_220, skipped=90_211, batch=8, queue=120, bytes=11_200_000, fallbacks={"last": 74_120},
    )  # fmt: skip
    unknown = Drift("window", "feature", "unknown", None, None, 0.2, 0.15, 0, 12, "12 rows of the 30 it takes")
    return ModelDetail(
        row, card, features, [active], [unknown], [], [], LabelCounts(),
        [("gw", f"motor-{i}") for i in range(1, 15)], _trend(now_ns, 68, 92, 42, late=range(40, 60)),
        _results(now_ns, ["motor-1", "motor-2"], "1.0.0", labels, 0.9),
    )  # fmt: skip


def _occupancy(now_ns: int) -> ModelDetail:
    row = ModelRow(
        "occupancy", "classification", "occupancy", "1.0.0", "ok", "", 50.0, 2.1, 6.4, 3.2, 24, 0.0, "drifting",
        "air.co2 has moved: PSI 1.02 over 0.20, for 17 h", "", 0, [], ["occupancy@1.1.0"],
    )  # fmt: skip
    card = ModelCard(
        "occupancy@1.0.0", "Is somebody in the room?", "classification", "onnx", "CPUExecutionProvider", "5 float32",
        ["empty", "occupied"], 0.5, {"accuracy": 0.979, "f1": 0.968, "data": "UCI datatest"},
        {"data": "UCI occupancy", "from": "2015-02-04", "to": "2015-02-10", "rows": 8143, "seed": 1},
        "CC BY 4.0 (data) / Apache-2.0 (weights)", "ab" * 32, 4_180, 900_000,
    )  # fmt: skip
    features = FeatureSetTold(
        "occupancy-room@1f3870be274f6c49", "readings where device like 'room-%'", "sliding 10 samples", "last value",
        "good only",
        [FeatureTold("temperature", "air.temperature"), FeatureTold("humidity", "air.humidity"),
         FeatureTold("co2", "air.co2"), FeatureTold("co2_slope", "slope(air.co2)"),
         FeatureTold("light", "light.level")],
    )  # fmt: skip
    versions = [
        _version("occupancy@1.0.0", "active", now_ns - 30 * DAY, state="ok", p50_ms=2.1, p99_ms=6.4, rows_per_s=2.9,
                 scored=8_120_300, bytes=900_000),
        _version("occupancy@1.1.0", "canary", now_ns - 3 * HOUR, percent=10.0, state="ok", p50_ms=2.0, p99_ms=5.9,
                 rows_per_s=0.3, scored=3_480, bytes=900_000),
    ]  # fmt: skip
    drift = [
        _drift("temperature", [18, 20, 22, 24, 26], (21.5, 1.6), (21.9, 1.7), now_ns),
        _drift("humidity", [20, 30, 40, 50, 60], (37, 8), (38, 8), now_ns),
        _drift("co2", [450, 600, 800, 1000, 1200], (620, 160), (880, 190), now_ns,
               words="the middle moved from 620 to 880"),
        _drift("light", [50, 150, 300, 450, 600], (210, 160), (205, 165), now_ns),
        _drift("prediction", [0.1, 0.3, 0.5, 0.7, 0.9], (0.35, 0.3), (0.42, 0.3), now_ns, kind="prediction"),
    ]  # fmt: skip
    comparison = Comparison(
        "occupancy@1.1.0", "occupancy@1.0.0", 3_480, 0.981, ["empty", "occupied", "none"],
        [[2_402, 41, 0], [25, 1_012, 0], [0, 0, 0]],
        [(0.01, -0.3), (0.25, -0.02), (0.5, 0.0), (0.75, 0.03), (0.99, 0.41)], 0, None, None, None,
        DifferenceTold("too few rows", "18 of the 20 blocks of rows that a verdict takes"), [2.0, 5.9, 2.1, 6.4], [],
        "too few rows", "no row is labelled, and of failures 18 blocks of rows are known where a verdict takes 20", 0,
        now_ns - 3 * HOUR,
    )  # fmt: skip
    done = [
        Transition(now_ns - 3 * HOUR, "ann", "canary", "occupancy@1.1.0", "shadow", "canary", 10.0, "better at noon")
    ]
    return ModelDetail(
        row, card, features, versions, drift, [comparison], done, LabelCounts(2, 0, 0),
        [("gw", f"room-{i:02}") for i in range(24)], _trend(now_ns, 2, 6, 3.2),
        _results(now_ns, ["room-01", "room-02"], "1.0.0", ["empty", "occupied"], 0.5),
        "the canary occupancy@1.1.0 is taken back",
    )  # fmt: skip


def _hostile(one: ModelDetail) -> ModelDetail:
    """The same with markup wherever people or models choose the words."""
    card, features = one.card, one.features
    assert card is not None
    assert features is not None
    return replace(
        one,
        row=replace(one.row, words=HOSTILE, drift_words=HOSTILE, model=HOSTILE),
        card=replace(
            card, description=HOSTILE, labels=[*card.labels, HOSTILE], licence=HOSTILE, metrics={HOSTILE: HOSTILE}
        ),
        features=replace(features, features=[FeatureTold(HOSTILE, HOSTILE)]),
        versions=[replace(v, last_error=HOSTILE, caution=HOSTILE, mark=HOSTILE) for v in one.versions],
        drift=[replace(d, name=HOSTILE + d.name, words=HOSTILE) for d in one.drift],
        comparisons=[replace(c, words=HOSTILE, labels=[HOSTILE + x for x in c.labels]) for c in one.comparisons],
        history=[replace(h, by=HOSTILE, why=HOSTILE) for h in one.history],
        results=[replace(r, label=HOSTILE) for r in one.results],
        rollback=HOSTILE,
    )
