"""From a finished run to its report: the fleet's record joined with the journals and the alerts. Blocking."""

from typing import Any

import msgspec
import numpy as np

from holdfast.journal.reader import JournalReader
from holdfast.sim.demo.audit import Holdings, holdings, message_keys
from holdfast.sim.demo.plan import GATEWAY, HUB
from holdfast.sim.demo.report import Latency, Report, problems_of
from holdfast.sim.demo.scenario import Run
from holdfast.sim.fleet.record import Kind, Record

RULE = "overheat"
_REFUSED = "messages_rejected."


def settle(run: Run) -> Report:
    """The report of a run whose processes have stopped."""
    plan = run.plan
    record = Record.load(plan.record)
    numbers = {name: i for i, name in enumerate(record.names)}
    gateway, hub = (holdings(plan.journal(name), numbers) for name in (GATEWAY, HUB))
    keys = message_keys(record.device, record.ts_ms)
    is_acked = ~np.isnan(record.t_ack)
    is_held = is_acked & (record.kind == Kind.VALID)
    due = set(keys[record.crossing & is_acked].tolist())
    received, latency = _alerts(run, numbers, record, keys)
    report = Report(
        **_sizes(run, record, hub),
        seconds=plan.seconds,
        devices=plan.devices,
        rate=plan.rate,
        published=len(record.kind),
        acked=int(is_acked.sum()),
        gateway_committed=len(gateway.keys),
        hub_committed=len(hub.keys),
        quarantined=_refused(run),
        injected={kind.name.lower(): int((record.kind == kind).sum()) for kind in Kind if kind is not Kind.VALID},
        duplicates=hub.doubled,
        lost=_lost(keys[is_held], record.temperature[is_held], hub),
        gateway_readings=gateway.readings,
        hub_readings=hub.readings,
        alerts=len(received & due),
        alerts_expected=len(due),
        alerts_at_hub=len(_at_hub(hub, numbers) & due),
        alert_latency_ms=latency,
        backlog_max=run.backlog_max,
        clean_exits=run.clean_exits,
    )
    problems = problems_of(report)
    if received - due:
        problems.append(f"{len(received - due)} alerts were received that were not due")
    return msgspec.structs.replace(report, problems=problems, balanced=not problems)


def _refused(run: Run) -> dict[str, int]:
    """What the gateway refused, by reason."""
    reader = JournalReader(run.plan.journal(GATEWAY))
    try:
        counters = reader.counters()
    finally:
        reader.close()
    return {name.removeprefix(_REFUSED): count for name, count in counters.items() if name.startswith(_REFUSED)}


def _sizes(run: Run, record: Record, hub: Holdings) -> dict[str, Any]:
    """The report's bytes, times and memory."""
    is_valid = record.kind == Kind.VALID
    raw = int(record.size[is_valid].sum())
    raw_each = raw / max(int(record.readings[is_valid].sum()), 1)
    link_each = run.uplink_bytes / max(hub.readings, 1)
    return {
        "raw_bytes": raw,
        "uplink_bytes": run.uplink_bytes,
        "raw_bytes_per_reading": round(raw_each, 2),
        "uplink_bytes_per_reading": round(link_each, 3),
        "times_smaller": round(raw_each / link_each, 1) if link_each else 0.0,
        "outage_s": round(run.outage_s, 2),
        "drain_s": round(run.drain_s, 2),
        "gateway_rss_mb": round(run.scene.gateway_mb, 1),
        "hub_rss_mb": round(run.scene.hub_mb, 1),
    }


def _lost(keys: np.ndarray, temperature: np.ndarray, hub: Holdings) -> int:
    """Acked messages that the hub doesn't hold whole, or holds with another temperature."""
    if not len(hub.keys):
        return len(keys)
    at = np.minimum(np.searchsorted(hub.keys, keys), len(hub.keys) - 1)
    held = (hub.keys[at] == keys) & (np.abs(hub.temperature[at] - temperature) < 1e-9)
    return int((~held).sum())


def _alerts(run: Run, numbers: dict[str, int], record: Record, keys: np.ndarray) -> tuple[set[int], Latency]:
    """The alerts received, by message; and the latency of those that were due."""
    seen: dict[int, float] = {}
    for alert in run.alerts:
        if alert.kind == "alert.raised" and alert.rule == RULE and alert.device in numbers:
            key = int(message_keys(np.array([numbers[alert.device]]), np.array([alert.ts // 1_000_000]))[0])
            seen.setdefault(key, alert.t)
    sent = dict(zip(keys[record.crossing].tolist(), record.t_send[record.crossing].tolist(), strict=True))
    late = np.array([(t - sent[key]) * 1000 for key, t in seen.items() if key in sent])
    if not len(late):
        return set(seen), Latency()
    p50, p99 = np.percentile(late, [50, 99])
    return set(seen), Latency(round(float(p50), 3), round(float(p99), 3), round(float(late.max()), 3))


def _at_hub(hub: Holdings, numbers: dict[str, int]) -> set[int]:
    raised = [e for e in hub.events if e.kind == "alert.raised" and e.rule == RULE and e.device in numbers]
    devices = np.array([numbers[e.device] for e in raised], np.int64)
    times = np.array([e.ts // 1_000_000 for e in raised], np.int64)
    return set(message_keys(devices, times).tolist())
