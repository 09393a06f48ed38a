"""Wills on their way to and from the journal.

A will without a delay is published in the moment its client vanishes, and a node that was killed knows of no such
moment: it isn't stored. One with a delay (MQTT 5 §3.1.3.2.2) is, with a session that is stored. The commit that
publishes it forgets it, so a killed node publishes it once. A client that was connected when the node ended has its
whole delay to come back.
"""

from typing import Any

import msgspec

from holdfast.adapters.mqtt import fields
from holdfast.adapters.mqtt.ledger import Ledger
from holdfast.adapters.mqtt.packets import Will
from holdfast.adapters.mqtt.properties import Prop
from holdfast.adapters.mqtt.reader import PublishRun
from holdfast.adapters.mqtt.session import Session
from holdfast.journal.mqtt_sessions import drop_will, put_will


class Body(msgspec.Struct, frozen=True, array_like=True):
    """A will as it is stored."""

    client: str
    topic: str
    payload: bytes
    qos: int
    retain: bool
    delay_s: int
    expiry_s: int | None
    properties: list[tuple[int, Any]]


def packed(client: str, will: Will) -> bytes:
    """A client's will as a body."""
    properties = [(int(prop), value) for prop, value in will.properties]
    return msgspec.msgpack.encode(
        Body(client, will.topic, will.payload, will.qos, will.retain, will.delay_s, will.expiry_s, properties)
    )


def unpacked(data: bytes) -> tuple[str, Will]:
    """A body's client and its will.

    Raises:
        msgspec.MsgspecError: when it isn't one.
    """
    body = msgspec.msgpack.decode(data, type=Body)
    properties = [(Prop(prop), tuple(value) if isinstance(value, list) else value) for prop, value in body.properties]
    return body.client, Will(body.topic, body.payload, body.qos, body.retain, body.delay_s, body.expiry_s, properties)


def remember(session: Session, ledger: Ledger) -> None:
    """Store a session's will where it must outlive the node; forget one that needn't any more."""
    will = session.will
    if will is not None and will.delay_s and session.number:
        ledger.add(put_will(session.number, packed(session.client, will)))
        session.will_row = session.number
    else:
        forget(session, ledger)


def forget(session: Session, ledger: Ledger) -> None:
    """The will won't be published."""
    if session.will_row:
        ledger.add(drop_will(session.will_row))
        session.will_row = 0


def run_of(will: Will) -> PublishRun:
    """A will as the message that its client would have sent."""
    run = PublishRun(0x30 | will.qos << 1 | will.retain, will.topic, fields.text(will.topic))
    run.payloads.append(will.payload)
    run.pids.append(b"")
    kept: list[tuple[Prop, Any]] = list(will.properties)
    run.properties = kept
    run.expiry_s = will.expiry_s
    return run
