"""From a finished run of the plant to its report. Blocking."""

import msgspec

from holdfast.sim.demo.plan import GATEWAY, HUB
from holdfast.sim.demo.plant.audit import compare, played, stored
from holdfast.sim.demo.plant.plan import PlantPlan
from holdfast.sim.demo.plant.report import PlantReport, problems_of
from holdfast.sim.demo.scenario import Run
from holdfast.sim.site.loading import parse_time


def settle(run: Run, plan: PlantPlan) -> PlantReport:
    """The report of a run whose processes have stopped."""
    gateway, hub = (stored(plan.journal(name)) for name in (GATEWAY, HUB))
    shown, digest = played(plan, parse_time(str(run.told.get("start", ""))))
    report = PlantReport(
        seconds=plan.seconds,
        protocols=compare(plan, shown, gateway, hub),
        gateway_readings=gateway.readings,
        hub_readings=hub.readings,
        doubled=hub.doubled,
        outage_s=round(run.outage_s, 2),
        backlog_max=run.backlog_max,
        drain_s=round(run.drain_s, 2),
        uplink_bytes=run.uplink_bytes,
        gateway_rss_mb=round(run.scene.gateway_mb, 1),
        hub_rss_mb=round(run.scene.hub_mb, 1),
        clean_exits=run.clean_exits,
        hash=digest,
        hash_on_the_wire=str(run.told.get("sha256", "")),
    )
    problems = problems_of(report)
    return msgspec.structs.replace(report, problems=problems, balanced=not problems)
