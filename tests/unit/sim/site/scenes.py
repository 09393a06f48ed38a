"""Scenarios for tests: five groups over the protocols whose ends are here."""

from pathlib import Path

from holdfast.sim.ends.table import ENDS, EndMissing, end_kind

MODELS = ("room", "meter", "press", "pump", "battery", "cold_store", "room", "meter")
START_NS = 1_767_592_800 * 10**9


def there() -> list[str]:
    """The protocols whose ends and libraries are installed."""
    found = []
    for protocol in ENDS:
        try:
            end_kind(protocol)
        except EndMissing:
            continue
        found.append(protocol)
    return found


FAULTS = """
faults:
  - {kind: stuck, each: 20s, for: 5s}
  - {kind: drift, devices: "*-001", per_hour: 3}
  - {kind: dropout, each: 30s, for: 3s}
  - {kind: garbage, share: 0.01}
  - {kind: clock_skew, devices: "*-002", seconds: -30}
"""
PUSHED = """
  - {kind: duplicates, devices: "mqtt-*", share: 0.05}
  - {kind: reordered, devices: "mqtt-*", share: 0.05}
  - {kind: storm, devices: "mqtt-001", from: 5s, for: 5s, times: 7}
"""


def site(folder: Path, protocols: list[str], devices: int = 100, seed: int = 7) -> Path:
    """`devices` in equal groups, one a protocol."""
    each = devices // len(protocols)
    lines = [f"seed: {seed}", "start: 2026-01-05T06:00:00Z", "groups:"]
    lines += [f"  {p}: {{model: {m}, count: {each}, protocol: {p}}}" for p, m in zip(protocols, MODELS, strict=False)]
    path = folder / "scenario.yaml"
    path.write_text("\n".join(lines) + FAULTS + (PUSHED if "mqtt" in protocols else ""))
    return path
