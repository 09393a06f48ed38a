"""The ledger of a run, and whether it balances. Pure."""

from msgspec import Struct, field


class Latency(Struct, frozen=True):
    """Milliseconds."""

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Report(Struct, frozen=True, kw_only=True):
    """What `--json` writes. Counts are messages where nothing else is said.

    published … hub_committed: from the fleet's record and from the journals themselves
    quarantined:   refused by reason, as the gateway counted them
    injected:      the bad messages that the fleet mixed in on purpose
    lost:          acknowledged to the device, and not at the hub with all its readings and the right temperature
    duplicates:    stored more than once at the hub
    uplink_bytes:  every TCP byte from gateway to hub, TLS and HTTP included; raw_bytes: JSON payloads of good messages
    """

    seconds: float
    devices: int
    rate: int
    published: int
    acked: int
    gateway_committed: int
    hub_committed: int
    quarantined: dict[str, int]
    injected: dict[str, int]
    duplicates: int
    lost: int
    gateway_readings: int
    hub_readings: int
    alerts: int
    alerts_expected: int
    alerts_at_hub: int
    alert_latency_ms: Latency
    outage_s: float
    backlog_max: int
    drain_s: float
    raw_bytes: int
    uplink_bytes: int
    raw_bytes_per_reading: float
    uplink_bytes_per_reading: float
    times_smaller: float
    gateway_rss_mb: float
    hub_rss_mb: float
    clean_exits: bool
    problems: list[str] = field(default_factory=list)
    balanced: bool = False


MALFORMED_REASONS = ("malformed", "wrong_type", "missing_field", "not_a_number")


def problems_of(report: Report) -> list[str]:
    """Every line of the ledger that does not balance, in plain words."""
    refused = sum(report.quarantined.values())
    bad = sum(report.quarantined.get(reason, 0) for reason in MALFORMED_REASONS)
    checks = [
        (report.published > 0, "no message was published"),
        (report.acked == report.published, f"{report.published - report.acked} published messages were never acked"),
        (
            report.acked == report.gateway_committed + refused,
            f"{report.acked} acked, but the gateway has {report.gateway_committed} committed + {refused} refused",
        ),
        (
            report.gateway_committed == report.hub_committed,
            f"the gateway committed {report.gateway_committed} messages, the hub {report.hub_committed}",
        ),
        (
            report.gateway_readings == report.hub_readings,
            f"the gateway committed {report.gateway_readings} readings, the hub {report.hub_readings}",
        ),
        (report.lost == 0, f"{report.lost} acked messages are not at the hub"),
        (report.duplicates == 0, f"{report.duplicates} messages are stored twice at the hub"),
        (
            bad == report.injected.get("malformed", 0),
            f"{report.injected.get('malformed', 0)} malformed messages were sent, {bad} were counted",
        ),
        *[
            (
                report.quarantined.get(kind, 0) == report.injected.get(kind, 0),
                f"{report.injected.get(kind, 0)} {kind} sent, {report.quarantined.get(kind, 0)} counted",
            )
            for kind in ("stale", "duplicate")
        ],
        (
            report.alerts == report.alerts_expected,
            f"{report.alerts_expected} alerts were due, {report.alerts} were received",
        ),
        (
            report.alerts_at_hub == report.alerts_expected,
            f"{report.alerts_expected} alerts were due, the hub has {report.alerts_at_hub}",
        ),
        (report.clean_exits, "a node did not stop cleanly"),
    ]
    return [sentence for holds, sentence in checks if not holds]


def ledger_lines(report: Report) -> list[tuple[str, str]]:
    """The ledger as (name, figure), for people."""
    refused = ", ".join(f"{count} {reason}" for reason, count in sorted(report.quarantined.items()))
    latency = report.alert_latency_ms
    return [
        ("published by devices", f"{report.published:,}"),
        ("acked (on the gateway's disk)", f"{report.acked:,}"),
        ("committed on the gateway", f"{report.gateway_committed:,} messages, {report.gateway_readings:,} readings"),
        ("committed on the hub", f"{report.hub_committed:,} messages, {report.hub_readings:,} readings"),
        ("refused by reason", refused or "none"),
        ("doubled", f"{report.duplicates}"),
        ("lost", f"{report.lost}"),
        ("alerts", f"{report.alerts} of {report.alerts_expected} due; at the hub {report.alerts_at_hub}"),
        ("alert latency", f"p50 {latency.p50:.2f} ms, p99 {latency.p99:.2f} ms, max {latency.max:.2f} ms"),
        (
            "outage",
            f"{report.outage_s:.1f} s, backlog up to {report.backlog_max:,} rows, drained in {report.drain_s:.1f} s",
        ),
        (
            "on the link",
            (
                f"{report.uplink_bytes_per_reading:.2f} bytes per reading; raw JSON "
                f"{report.raw_bytes_per_reading:.1f} ({report.times_smaller:.1f}x)"
            ),
        ),
        ("memory", f"gateway {report.gateway_rss_mb:.0f} MB, hub {report.hub_rss_mb:.0f} MB"),
    ]
