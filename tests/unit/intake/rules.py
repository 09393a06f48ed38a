"""A journal with rules at work on it, that may end at any moment and go on; no broker and no codec between."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
from tests.events import alert

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoder
from holdfast.codecs.loading import load_profiles
from holdfast.intake.prepare import Preparer
from holdfast.intake.seen import SeenKeys
from holdfast.intake.service import IntakeService
from holdfast.intake.settings import IntakeSettings
from holdfast.journal.alert_labels import Label, Labelled
from holdfast.journal.blobs import decode_events
from holdfast.journal.journal import FILE_NAME, Journal
from holdfast.journal.records import GroupKind
from holdfast.journal.settings import JournalSettings
from holdfast.kernel.clock import NS_PER_S, Clock, ManualClock
from holdfast.kernel.trust import NO_DOUBT
from holdfast.model.event import Event
from holdfast.model.lane import Lane
from holdfast.node.clock_settings import ClockSettings
from holdfast.node.timekeeper import Timekeeper, keep_time
from holdfast.stream.costs import Stopwatch
from holdfast.stream.engine import Engine, Limits
from holdfast.stream.language.loading import load_rules
from holdfast.stream.rules import CompiledRule
from holdfast.telemetry.happenings import Telemetry

START_NS = 1_795_187_068 * NS_PER_S
TIME = "    time: {field: ts, unit: s}\n"
PROFILE = f"""
profiles:
  press:
    topic: plant/{{device}}
    version: 1
{TIME}    id: id
    fields:
      t: {{metric: temperature, unit: Cel, optional: true}}
      p: {{metric: pressure, unit: bar, optional: true}}
"""


class Slip:
    """A receipt."""

    def settle(self) -> None:
        """Stored."""

    def refuse(self) -> None:
        raise AssertionError


def compiled(folder: Path, text: str) -> list[CompiledRule]:
    file = folder / "rules.yaml"
    file.write_text(text)
    return load_rules([file])


class Plant:
    """A node's rules over its journal. Made on a running loop; `end` as a kill does: nothing is drained."""

    def __init__(
        self,
        folder: Path,
        rules: Sequence[CompiledRule],
        clock: ManualClock,
        limits: Limits | None = None,
        watch: Stopwatch | None = None,
        checkpoint_every: float = 3600.0,
        kernel: Callable[[], bool | None] | None = None,
    ) -> None:
        """kernel: says whether the clock is right; with it the node keeps time, and messages bear none of their own."""
        self.machine, self.clock = clock, cast("Clock", clock)
        self.journal = Journal(folder / FILE_NAME, "gw", JournalSettings(), clock)
        self.keeper: Timekeeper | None = None
        if kernel is not None:
            telemetry = Telemetry(clock, lambda _: None)
            self.keeper = Timekeeper(ClockSettings(), self.journal, clock, telemetry, kernel, has_parent=False)
            self.clock = self.keeper.clock
        catalogue = self.journal.catalogue
        self.engine = Engine(rules, catalogue, "gw", limits, watch)
        profile = folder / "profile.yaml"
        profile.write_text(PROFILE if kernel is None else PROFILE.replace(TIME, ""))
        seen = SeenKeys(100_000)
        seen.recall(np.frombuffer(b"".join(self.journal.dedupe_keys()), "<u8"))
        decoder = Decoder(load_profiles([profile]), catalogue, "gw")
        doubt = (lambda: NO_DOUBT) if self.keeper is None else self.keeper.doubt
        preparer = Preparer(decoder, seen, self.engine, doubt)
        settings = IntakeSettings(checkpoint_every=checkpoint_every, commit_pause=0.0, decide_within=0.0)
        self.intake = IntakeService(settings, self.journal, preparer, self.engine, self.clock)
        if self.keeper is not None:
            keep_time(self.keeper, self.intake)
        self.published: list[tuple[str, bytes]] = []
        self.intake.publish_through(self)
        self.replayed = self.intake.replay()
        self._number = 0

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, qos: int = 1) -> None:  # noqa: ARG002
        self.published.append((topic, payload))

    def send(self, device: str, **values: float) -> None:
        """A message, stamped by the device now."""
        self._number += 1
        body = {"ts": self.clock.wall_ns() / NS_PER_S, "id": f"{self.clock.wall_ns()}/{self._number}", **values}
        payloads = (msgspec.json.encode(body),)
        self.intake.inbox.offer(Arrival("c", f"plant/{device}", payloads, self.clock.wall_ns(), Slip(), False))

    def label(self, rule: str, place: tuple[str, str, str], said: Label) -> None:
        """Somebody says what an alert of a series was worth."""
        node, device, metric = place
        raised = alert(1, node=node, device=device, rule=rule, why={"metric": metric})
        self.intake.label(Labelled("e", 1, raised, 0, said, "", "ann", "", self.clock.wall_ns()))

    async def settled(self) -> None:
        await self.intake.everything_stored()

    def tick(self) -> None:
        """What the intake does four times a second."""
        self.intake.look()

    def events(self) -> list[Event]:
        lanes = (Lane.CRITICAL, Lane.NORMAL)
        return [
            event
            for lane in lanes
            for group in self.journal.read(lane, 0, 10**6)
            if group.kind is GroupKind.EVENTS
            for event in decode_events(group.blob)
        ]

    def end(self) -> None:
        """As a kill leaves it: what isn't committed is gone with the engine."""
        self.journal.close()
