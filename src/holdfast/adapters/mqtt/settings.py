"""What an operator may turn on the MQTT server (`mqtt:` in node.yaml)."""

from typing import Annotated

import msgspec

from holdfast.adapters.mqtt.door_settings import AclRule, ListenerSettings, RateSettings
from holdfast.kernel.scalars import Duration, Size

MIB = 1024 * 1024
Count = Annotated[int, msgspec.Meta(ge=1)]
U16 = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class MqttSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The MQTT server.

    listen:           host:port of the plain listener; port 0 takes a free one, empty text opens none
    listeners:        more of them, with TLS or WebSocket
    anonymous:        clients without a user name may connect
    users:            user name to password, in the clear: for trials
    users_file:       users with hashed passwords, made by `holdfast mqtt user`; read again when it changes
    acl:              who may publish and subscribe to what; without it everybody may, with it what no rule allows is
                      denied
    acl_file:         the same rules in a file of their own, as `acl:`; read again when it changes
    rates:            how fast clients may connect, send and guess
    bus:              topic filters that carry local messages, not telemetry: routed and retained, never journalled
    max_packet:       hard limit of one packet; above it the connection is closed. Payloads above the codecs' own limit
                      (256 kB) but below this one reach quarantine while the connection lives on
    receive_maximum:  QoS 1 and 2 messages a client may have waiting for their PUBACK or PUBCOMP
    topic_aliases:    topics an MQTT 5 client may give a number to, and most that it is given
    inflight:         QoS 1 and 2 messages sent to a subscriber and not yet acknowledged by it
    queue_messages:   waiting messages per session and QoS; the oldest gives way, counted
    queue_bytes:      waiting bytes per session and QoS; the oldest gives way, counted
    queue_total:      waiting bytes of all sessions together; the oldest of the session being added to gives way
    subscribers_first: how long after the start publishers aren't read, so that who waits for their alerts is back first
    sparkplug_host:   the node is the Sparkplug host application of this id, and says so in its retained STATE
    session_expiry:   longest life of a session without a connection
    max_keep_alive:   longest keep-alive granted to MQTT 5 clients
    retained_messages, retained_bytes: bounds of the retained store; a new topic beyond them isn't kept, counted
    """

    listen: str = "127.0.0.1:1883"
    listeners: tuple[ListenerSettings, ...] = ()
    anonymous: bool = False
    users: dict[str, str] = msgspec.field(default_factory=dict)
    users_file: str = ""
    acl: tuple[AclRule, ...] | None = None
    acl_file: str = ""
    rates: RateSettings = msgspec.field(default_factory=RateSettings)
    bus: tuple[str, ...] = ("alerts/#", "local/#")
    max_packet: Size = MIB
    max_connections: Count = 2_000
    max_sessions: Count = 4_000
    max_subscriptions: Count = 1_000
    connect_timeout: Duration = 10.0
    max_keep_alive: Duration = 3_600.0
    subscribers_first: Duration = 0.0
    sparkplug_host: str = ""
    session_expiry: Duration = 7 * 86_400.0
    receive_maximum: U16 = 1_024
    topic_aliases: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 32
    inflight: U16 = 100
    queue_messages: Count = 10_000
    queue_bytes: Size = 4 * MIB
    queue_total: Size = 32 * MIB
    retained_messages: Count = 10_000
    retained_bytes: Size = 16 * MIB
