"""What the MQTT server says in the log and counts."""

from typing import ClassVar, Literal

from holdfast.telemetry.happenings import Happening, Level


class MqttListenerStarted(Happening, frozen=True):
    """The server listens."""

    address: str


class MqttListenerStopped(Happening, frozen=True):
    """The server stopped; unsettled messages weren't acknowledged, so their senders keep them."""

    unsettled: int


class MqttConnectionFaulted(Happening, frozen=True):
    """A client was turned away or broke the protocol; its connection was closed."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "mqtt_connections_faulted"
    client: str
    peer: str
    reason: str
    detail: str


class MqttReadingChanged(Happening, frozen=True):
    """The inbox became full and publishers are read no further, or has room again."""

    level: ClassVar[Level] = Level.WARNING
    metric: ClassVar[str] = "mqtt_reading_changes"
    now: Literal["paused", "resumed"]


class MqttSessionsRecalled(Happening, frozen=True):
    """Sessions of an earlier life of the node are back. damaged: messages lost to damaged bytes."""

    sessions: int
    messages: int
    damaged: int


class MqttReloadFailed(Happening, frozen=True):
    """Files that changed can't be used; the former certificate, users or rules stay in force."""

    level: ClassVar[Level] = Level.ERROR
    metric: ClassVar[str] = "mqtt_reloads_failed"
    what: str
    detail: str


class MqttReloaded(Happening, frozen=True):
    """Users or rules changed on disk and are in force: who isn't allowed any more is gone, everybody else stayed."""

    closed: int
    unsubscribed: int


class MqttRefusing(Happening, frozen=True):
    """Connections were refused or logins failed in the last while; said at most every ten seconds."""

    level: ClassVar[Level] = Level.WARNING
    full: int
    rate: int
    guessing: int
    busy: int
    failed_logins: int
    tls: int
    websocket: int
    unlogged: int


class MqttDenied(Happening, frozen=True):
    """An acl rule is missing, or a client tries what it shouldn't; said at most every ten seconds."""

    level: ClassVar[Level] = Level.WARNING
    publishes: int
    subscriptions: int
    wills: int
