"""Settings of the MQTT server's doors: listeners, who may do what, and how fast."""

from typing import Annotated, Literal

import msgspec

from holdfast.kernel.scalars import Duration, Size

Action = Literal["publish", "subscribe"]
PerSecond = Annotated[float, msgspec.Meta(ge=0)]


class ListenerTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TLS of one listener, 1.2 or newer. Files are PEM, relative to node.yaml, and read again when they change.

    client_ca:      CA of client certificates; without it none is asked for
    require_client: a client without a certificate is turned away in the handshake; false = it may use a password
    identity:       what becomes the user name: the subject's common name, or the first subject alternative name
    """

    certificate: str
    key: str
    client_ca: str = ""
    require_client: bool = True
    identity: Literal["cn", "san"] = "cn"


class ListenerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One more listener: MQTT over TCP, TLS, or WebSocket (path /mqtt) with or without TLS.

    origins: web pages that may use a WebSocket listener, as in https://hmi.example.org; pages of the same host always
             may
    """

    listen: str
    tls: ListenerTls | None = None
    websocket: bool = False
    origins: tuple[str, ...] = ()


class AclRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may do what. Every condition given must hold; a rule without any is for everybody, strangers included.

    user, client: patterns with `*` for any text
    group:        a group of the users file
    topics:       topic filters; `%user` stands for the user name, `%device` for the client identifier
    """

    allow: tuple[Action, ...]
    topics: tuple[str, ...]
    user: str = ""
    group: str = ""
    client: str = ""


class RateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast, 0 = without a bound.

    connects, connects_per_address: new connections a second; those above are closed before anything is spent on them
    messages, bytes:                of one client identifier a second, payloads only; above it the client is read no
                                    further until it has credit again: nothing is lost
    guess_delay, guess_delay_max:   after three failed logins an address is refused for so long, doubling to the latter
    """

    connects: PerSecond = 0.0
    connects_per_address: PerSecond = 0.0
    messages: PerSecond = 0.0
    bytes: Size = 0
    guess_delay: Duration = 1.0
    guess_delay_max: Duration = 60.0
