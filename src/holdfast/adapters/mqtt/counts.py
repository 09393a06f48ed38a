"""What the doors count: who was refused, and why. Gauges, since a storm must not write a log line a connection."""

from collections.abc import Callable
from dataclasses import dataclass, fields

from holdfast.telemetry.happenings import Telemetry


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


_MEANING = {
    "refused_full": "MQTT connections closed since max_connections were open",
    "refused_rate": "MQTT connections closed since they came faster than mqtt.rates allows",
    "refused_guessing": "MQTT logins refused unread since their address had failed too often",
    "refused_busy": "MQTT logins refused since too many waited for their password's check",
    "refused_tls": "MQTT connections whose TLS handshake failed",
    "refused_websocket": "MQTT connections closed for breaking WebSocket or asking for something else",
    "failed_logins": "MQTT logins with a wrong user name or password",
    "denied_publishes": "MQTT messages that no acl rule allowed",
    "denied_subscriptions": "MQTT subscriptions that no acl rule allowed",
    "denied_wills": "MQTT connections refused for a will that no acl rule allowed",
    "throttled": "Times that an MQTT client was over its rate and wasn't read for a while",
    "faults_unlogged": "MQTT connections at fault that came too fast to be logged one by one",
}


def register(telemetry: Telemetry, counts: Counts) -> None:
    """Show the counts as gauges `holdfast_mqtt_<name>`."""
    for field in fields(counts):
        telemetry.gauge(f"mqtt_{field.name}", f"{_MEANING[field.name]}, since start", _reader(counts, field.name))


def _reader(counts: Counts, name: str) -> Callable[[], float]:
    return lambda: float(getattr(counts, name))
