"""LoRaWAN uplinks on their way to intake: their scripts run in other processes, so they wait here, not on the loop.

The inbox that adapters see. Messages of `format: lorawan` profiles are translated, profile by profile, and offered to
the real inbox with the receipt they came with; all others pass at once. Nothing is acknowledged before its commit, so
what waits here when the power fails is sent again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import msgspec

from holdfast.adapters.port import Arrival
from holdfast.codecs.decoder import Decoder, Run
from holdfast.codecs.lorawan.plan import LorawanPlan
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.translate import Refusal, Translated, translate
from holdfast.codecs.profiles import Profile
from holdfast.intake.inbox import Inbox

_MESSAGES_AT_ONCE = 256


class TranslatedArrival(Arrival, frozen=True):
    """An arrival whose payloads are records made of `originals`; refusals: by place, why there are none."""

    originals: Sequence[bytes] = ()
    refusals: Mapping[int, Refusal] = msgspec.field(default_factory=dict)


def run_of(arrival: Arrival) -> Run:
    """What the decoder is given."""
    if isinstance(arrival, TranslatedArrival):
        return Run(arrival.topic, arrival.payloads, arrival.received_ns, arrival.refusals)
    return Run(arrival.topic, arrival.payloads, arrival.received_ns)


def originals(arrival: Arrival) -> Sequence[bytes]:
    """The payloads as they came."""
    return arrival.originals if isinstance(arrival, TranslatedArrival) else arrival.payloads


async def translated_run(decoder: Decoder, runner: ScriptRunner, run: Run) -> Run:
    """A run as the decoder wants it, through its scripts where its profile has some."""
    profile = decoder.profile_of(run.topic)
    if profile is None or profile.lorawan is None:
        return run
    out = await translate(runner, profile.lorawan, run.payloads, run.received_ns)
    return Run(run.topic, out.payloads, run.received_ns, out.refusals)


class UplinkInbox:
    """Takes arrivals from adapters. Loop thread only.

    Invariant: `messages` counts what waits here or in a script; the real inbox counts what went on.
    """

    def __init__(self, inbox: Inbox, decoder: Decoder, runner: ScriptRunner, max_messages: int) -> None:
        """decoder: says which profile claims a topic."""
        self.messages = 0
        self._inbox, self._decoder, self._runner = inbox, decoder, runner
        self._max_messages = max_messages
        self._lanes: dict[str, list[Arrival]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: list[Callable[[], None]] = []

    def offer(self, arrival: Arrival) -> bool:
        """Take an arrival; False means "taken, but full now: stop reading until `when_drained`"."""
        profile = self._decoder.profile_of(arrival.topic)
        if profile is None or profile.lorawan is None:
            return self._inbox.offer(arrival) and not self._is_full
        self.messages += len(arrival.payloads)
        self._lanes.setdefault(profile.name, []).append(arrival)
        if profile.name not in self._tasks:
            self._tasks[profile.name] = asyncio.ensure_future(self._work(profile.name, profile.lorawan))
        return not self._is_full and not self._inbox.is_full

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, when there is room again, here and in the real inbox."""
        if self._is_full:
            self._waiting.append(lambda: self._inbox_drained(callback))
        else:
            self._inbox_drained(callback)

    def profile_of(self, topic: str) -> Profile | None:
        """The profile that takes this topic's messages."""
        return self._decoder.profile_of(topic)

    async def drain(self) -> None:
        """Wait until all uplinks that came are with the real inbox."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    @property
    def _is_full(self) -> bool:
        return self.messages >= self._max_messages

    def _inbox_drained(self, callback: Callable[[], None]) -> None:
        if self._inbox.is_filling:
            self._inbox.when_drained(callback)
        else:
            callback()

    async def _work(self, name: str, plan: LorawanPlan) -> None:
        """One profile's lane until it's empty: a slow script holds up its own profile only."""
        try:
            while self._lanes[name]:
                some = self._take(name)
                await self._translate(plan, some)
        finally:
            del self._tasks[name]

    def _take(self, name: str) -> list[Arrival]:
        lane, count = self._lanes[name], 0
        for i, arrival in enumerate(lane):
            count += len(arrival.payloads)
            if count >= _MESSAGES_AT_ONCE:
                self._lanes[name] = lane[i + 1 :]
                return lane[: i + 1]
        self._lanes[name] = []
        return lane

    async def _translate(self, plan: LorawanPlan, arrivals: list[Arrival]) -> None:
        # Together, so that uplinks of many devices share one trip to a worker.
        messages = [bytes(payload) for arrival in arrivals for payload in arrival.payloads]
        try:
            self._pass_on(arrivals, await translate(self._runner, plan, messages, arrivals[0].received_ns))
        except (OSError, RuntimeError):  # no process can be started: the sources keep their messages
            for arrival in arrivals:
                arrival.receipt.refuse()
        self.messages -= len(messages)
        if self._waiting and 2 * self.messages <= self._max_messages:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()

    def _pass_on(self, arrivals: list[Arrival], out: Translated) -> None:
        first = 0
        for a in arrivals:
            end = first + len(a.payloads)
            refusals = {i - first: why for i, why in out.refusals.items() if first <= i < end}
            translated = TranslatedArrival(
                a.source,
                a.topic,
                out.payloads[first:end],
                a.received_ns,
                a.receipt,
                a.retain,
                a.annex,
                a.answers,
                a.verdicts,
                originals=a.payloads,
                refusals=refusals,
            )
            self._inbox.offer(translated)
            first = end
