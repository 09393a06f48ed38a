"""What the doors count: who was refused, and why. Numbers, since a storm must not write a log line a connection."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from holdfast.telemetry.happenings import Telemetry
from holdfast.telemetry.numbers import Rows


@dataclass(slots=True)
class Counts:
    """Since start. refused_*: connections closed before they were clients; denied_*: what an ACL didn't allow."""

    refused_full: int = 0
    refused_rate: int = 0
    refused_guessing: int = 0
    refused_busy: int = 0
    refused_tls: int = 0
    refused_websocket: int = 0
    failed_logins: int = 0
    denied_publishes: int = 0
    denied_subscriptions: int = 0
    denied_wills: int = 0
    throttled: int = 0
    faults_unlogged: int = 0


_LABELLED = {"refused": "reason", "denied": "what"}
_MEANING = {
    "refused": "MQTT connections closed before they were clients: max_connections were open (full), they came faster "
    "than mqtt.rates allows (rate), their address had failed too often (guessing), too many passwords waited for their "
    "check (busy), the TLS handshake failed (tls), or WebSocket's rules were broken (websocket).",
    "denied": "What no acl rule allowed: messages (publishes), subscriptions, or connections with a will (wills).",
    "failed_logins": "MQTT logins with a wrong user name or password.",
    "throttled": "Times that an MQTT client was over its rate and wasn't read for a while.",
    "faults_unlogged": "MQTT connections at fault that came too fast to be logged one by one.",
}


def register(telemetry: Telemetry, counts: Counts) -> None:
    """Show the counts as counters `holdfast_mqtt_<name>_total`."""
    for field in fields(counts):
        read, (name, _, rest) = _reader(counts, field.name), field.name.partition("_")
        if name in _LABELLED:
            telemetry.table("counter", f"mqtt_{name}", _MEANING[name], (_LABELLED[name],), _row(rest, read))
        else:
            telemetry.counter(f"mqtt_{field.name}", _MEANING[field.name], read)


def _reader(counts: Counts, name: str) -> Callable[[], float]:
    return lambda: float(getattr(counts, name))


def _row(label: str, read: Callable[[], float]) -> Callable[[], Rows]:
    return lambda: [((label,), read())]
