"""One node's log, traces and the way to its collector, put together from its settings."""

import os
from functools import partial
from typing import TYPE_CHECKING

from holdfast import __version__
from holdfast.intake.tracing import finished
from holdfast.kernel.clock import Clock
from holdfast.node.sent_reports import sender_of
from holdfast.reporting.collector import HttpCollector
from holdfast.reporting.exporting import Export
from holdfast.reporting.service import ReportService
from holdfast.telemetry.happenings import Level, Telemetry, write_stderr
from holdfast.telemetry.spans import Tracer
from holdfast.transport.secrets import Secrets
from holdfast.transport.tls import broker_context

if TYPE_CHECKING:
    from holdfast.node.node import Node
    from holdfast.node.settings import NodePlan

FOLDER = "telemetry"


def telemetry_of(plan: "NodePlan", clock: Clock) -> Telemetry:
    """A node's telemetry: as `telemetry` in node.yaml wants the log written, with a tracer unless nothing is traced."""
    settings = plan.settings.telemetry
    share = settings.traces.sample
    tracer = Tracer(plan.settings.node, share, clock) if share else None
    return Telemetry(clock, write_stderr, Level[settings.log.level.upper()], settings.log.format, tracer)


def reports_of(node: "Node") -> ReportService:
    """What keeps and exports them; intake is followed from here on."""
    plan, telemetry, clock = node.plan, node.telemetry, node.clock
    settings, tracer = plan.settings.telemetry, telemetry.tracer
    if tracer is not None:
        node.intake.preparer.tracer = tracer
        node.intake.when_committed = partial(finished, tracer)
    # nothing beside an encrypted journal should tell in the clear what it holds
    is_encrypted, folder = plan.settings.journal.key is not None, plan.data / FOLDER
    kept = (settings.kept("log", is_encrypted=is_encrypted), settings.kept("traces", is_encrypted=is_encrypted))
    export = None
    if settings.otlp is not None:
        collector = HttpCollector(
            settings.otlp,
            Secrets(plan.path, os.environ),
            lambda ca: broker_context(plan.path(ca) if ca else None, None, ()),
        )
        has_residency = bool(plan.settings.residency)
        export = Export(
            collector,
            folder,
            (plan.settings.node, __version__),
            settings.otlp.every,
            clock,
            telemetry,
            traces=settings.exports("traces", has_residency=has_residency),
            logs=settings.exports("log", has_residency=has_residency),
        )
    service = ReportService(folder, kept, telemetry, export)
    service.sender = sender_of(node)
    node.surroundings.report_by(service)
    return service
