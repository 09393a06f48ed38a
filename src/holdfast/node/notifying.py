"""A node's alerts to people put together: channels, the rules' wishes, and what an acknowledgement sets off."""

import os
from collections.abc import Collection
from typing import TYPE_CHECKING

from holdfast.journal.alert_labels import Labelled
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.notify.labelling import model_of
from holdfast.notify.ports import Way
from holdfast.notify.service import NotifyService, NotifySettings
from holdfast.transport.secrets import Secrets

if TYPE_CHECKING:
    from holdfast.node.node import Node


def make_notify(node: "Node") -> NotifyService:
    """The service; nothing is opened yet.

    A secret that can't be read is no reason not to start: devices are served, and the channel says what it misses.
    """
    plan, clock = node.plan, node.clock
    settings = plan.settings
    secrets = Secrets(plan.path, os.environ)
    ways: dict[str, Way] = {}
    if settings.channels:
        from holdfast.notify.ways import make_way  # noqa: PLC0415  # smtplib and email: for those who tell somebody

        ways = {name: make_way(one, secrets, plan.path, clock) for name, one in settings.channels.items()}
    return NotifyService(
        NotifySettings(settings.channels, settings.escalations, settings.alerts, settings.maintenance),
        node.journal,
        clock,
        node.telemetry,
        ways=ways,
        notices=node.rulebook.notices,
        labels_of=lambda event: _labels_of(node, event),
        rule_text=node.rulebook.text,
        lane_of=lambda event: _lane_of(node, event),
        on_acknowledged=node.rulebook.acknowledged,
        on_label=lambda one: _said(node, one),
    )


def _said(node: "Node", one: Labelled) -> None:
    """Somebody said what an alert was worth: its model is judged by it, or its detector learns from it."""
    if model_of(one.raised) and "detector" not in one.raised.why:
        node.models.label(one)
    else:
        node.rulebook.label(one)


def _labels_of(node: "Node", event: Event) -> Collection[str]:
    """Of this node's own device, or of one below as its node told of it last."""
    if event.node != node.journal.node:
        below = node.told_devices.below
        return () if below is None else below.labels(event.node, event.device)
    found = node.devices.roster.named(event.device)
    return () if found is None else found.labels


def _lane_of(node: "Node", event: Event) -> Lane:
    """Where what people said lies: it goes no further than its alert, and to no parent that doesn't know the kind."""
    if event.node == node.journal.node:
        for lane in node.leaving.sort_events([event]).by_lane:
            if lane.stays:
                return lane
    knows = node.uplink is None or node.uplink.standing.takes_any_kind
    return event.lane if knows else Lane.SITE
