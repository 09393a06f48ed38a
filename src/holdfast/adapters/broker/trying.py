"""Tries a broker once, as a node would use it, and leaves nothing there.

It comes under a client id of its own and with a clean session: under the node's it would end the node's connection, or
discard what the broker keeps for it. Filters of a shared group are tried without the group, so that nobody else misses
a message.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence

from holdfast.adapters.broker import packets
from holdfast.adapters.broker.errors import BrokerError, BrokerFaulted, BrokerRefused, BrokerUnreachable
from holdfast.adapters.broker.link import Door, Link, connect
from holdfast.adapters.broker.packets import FAILED, Granted, Welcome
from holdfast.adapters.broker.reader import Item

SOON_DAYS = 14
_DAY_S = 86_400
_BY_CLIENT = (0x85, 0x87)
"""Reasons that may be about the client id: it isn't valid, or isn't allowed in."""


class _Trial:
    """Owns the link of one try."""

    def __init__(self) -> None:
        self.granted: asyncio.Future[Granted] = asyncio.get_running_loop().create_future()

    def greeted(self, link: Link, welcome: Welcome) -> None:
        """The broker took us in."""

    def received(self, items: Sequence[Item]) -> None:
        """Its answer to SUBSCRIBE; messages may come, too, and stay unread."""
        for item in items:
            if isinstance(item, Granted) and not self.granted.done():
                self.granted.set_result(item)

    def lost(self, error: BrokerError) -> None:
        """The connection is gone."""
        if not self.granted.done():
            self.granted.set_exception(error)

    def keeps_up(self, *, yes: bool) -> None:
        """Nothing is published."""


async def try_broker(door: Door, subscribe: Mapping[str, int], now_s: float) -> tuple[str, str]:
    """Resolve, connect, do TLS, greet and subscribe; what was found, and what to do about it, if anything.

    subscribe: filter to QoS; empty = it's published to, and that is only tried by publishing
    now_s:     seconds since 1970

    Raises:
        HoldfastError: at the first thing that doesn't work; its hint says what to do.
    """
    trial = _Trial()
    try:
        link, welcome = await connect(door, door.hello(), trial)
    except BrokerRefused as error:
        if error.code in _BY_CLIENT:
            mine = f"this test comes as {door.client}; where rights hang on the client id, allow that one, too"
            raise BrokerRefused(error.sentence, f"{error.hint}; {mine}", error.code) from error
        raise
    try:
        said = [f"{door.login.address} took us in", *_of_tls(link.ssl, now_s)]
        if subscribe:
            said += await _subscribe(trial, link, subscribe, door.login.timeout)
        elif welcome.maximum_qos < 1:
            raise BrokerFaulted("the broker takes QoS 0 only", "Routes need QoS 1: allow it there")
        return ", ".join(said), _advice(link.ssl, now_s)
    finally:
        link.close()


async def _subscribe(trial: _Trial, link: Link, subscribe: Mapping[str, int], timeout_s: float) -> list[str]:
    wishes = [(_alone(topic_filter), qos) for topic_filter, qos in subscribe.items()]
    link.write(packets.subscribe(link.version, 1, wishes))
    try:
        async with asyncio.timeout(timeout_s):
            codes = (await trial.granted).codes
    except TimeoutError as error:
        raise BrokerUnreachable("the broker didn't answer SUBSCRIBE", "Its log may say why") from error
    refused = [(topic_filter, code) for (topic_filter, _), code in zip(wishes, codes, strict=False) if code >= FAILED]
    if refused:
        names = ", ".join(topic_filter for topic_filter, _ in refused)
        hint = packets.refused(refused[0][1]).hint or "Let this user read them there"
        raise BrokerRefused(f"took us in, but refuses the filters {names}", hint, refused[0][1])
    less = [f"{f} at QoS {code} only" for (f, qos), code in zip(wishes, codes, strict=False) if code < qos]
    return [f"{len(wishes)} filter{'s' if len(wishes) > 1 else ''} granted", *less]


def _alone(topic_filter: str) -> str:
    return topic_filter.split("/", 2)[2] if topic_filter.startswith("$share/") else topic_filter


def _of_tls(tls: ssl.SSLObject | None, now_s: float) -> list[str]:
    if tls is None:
        return []
    return [tls.version() or "TLS", f"its certificate is good for {_days_left(tls, now_s):.0f} days"]


def _advice(tls: ssl.SSLObject | None, now_s: float) -> str:
    if tls is not None and _days_left(tls, now_s) < SOON_DAYS:
        return "its certificate ends soon: have it renewed there"
    return ""


def _days_left(tls: ssl.SSLObject, now_s: float) -> float:
    until = str((tls.getpeercert() or {}).get("notAfter", ""))
    return (ssl.cert_time_to_seconds(until) - now_s) / _DAY_S if until else 0.0
