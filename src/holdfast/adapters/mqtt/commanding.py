"""Hands commands to devices' sessions. Implements `commands.mqtt.Publisher`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from holdfast.adapters.mqtt import fields
from holdfast.adapters.mqtt.broker import Broker
from holdfast.adapters.mqtt.properties import Prop
from holdfast.adapters.mqtt.publication import Publication
from holdfast.adapters.mqtt.session import Session
from holdfast.adapters.mqtt.topics import matches
from holdfast.kernel.clock import Clock


class CommandPublisher:
    """Tells the device's own session from those that only watch."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker, self._clock = broker, clock

    def is_there(self, topic: str, owner: str) -> bool:
        """Would `hand_over` reach somebody?"""
        return any(_is_owned(one.key, owner, topic) for one in self._broker.subscribed.of(topic).routes)

    def hand_over(
        self,
        topic: str,
        payload: bytes,
        *,
        owner: str,
        reply_to: str,
        correlation: bytes,
        expires_s: float,
        heard: Callable[[], None],
    ) -> bool:
        """Deliver a command to the device whose subscription begins with `owner`; False = there is none, nothing sent.

        Whoever else watches the topic gets a copy, but only the device's own session says that it was heard. QoS is
        what the device asked for. reply_to, correlation: for MQTT 5 (§3.3.2.3.5).
        """
        there = self._broker.subscribed.of(topic)
        mine = tuple(one for one in there.routes if _is_owned(one.key, owner, topic))
        if not mine:
            return False
        others = replace(there, routes=tuple(one for one in there.routes if one not in mine))
        said: list[tuple[Prop, Any]] = [(Prop.RESPONSE_TOPIC, reply_to), (Prop.CORRELATION_DATA, correlation)]
        for to, tell in ((replace(there, routes=mine, groups=()), heard), (others, None)):
            publication = Publication(
                topic,
                fields.text(topic),
                (payload,),
                qos=2,
                properties=said,
                expires=self._clock.monotonic() + expires_s,
            )
            publication.heard = tell
            self._broker.deliver(publication, to)
        return True


def _is_owned(session: Session, owner: str, topic: str) -> bool:
    return any(one.startswith(owner) and matches(one, topic) for one in session.subscriptions)
