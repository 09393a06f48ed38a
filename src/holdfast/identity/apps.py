"""`apps:` in node.yaml: applications on site that may use this node over HTTP, each with a token of its own."""

from msgspec import Struct

from holdfast.model.message import QueueName


class AppSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One application. What isn't listed here it may not use; patterns may hold `*`."""

    token: str
    """File of its token, or of the token's digest; relative to node.yaml."""
    put: tuple[QueueName, ...] = ()
    """Queues into which it may put messages."""
    consume: tuple[QueueName, ...] = ()
    """Queues from which it may consume them."""
    documents: tuple[str, ...] = ()
    """Shared documents that it may read and edit."""
    commands: tuple[str, ...] = ()
    """Devices that it may command, as `press-*`; at a node below this one as `NODE/press-*`."""
    intake: tuple[str, ...] = ()
    """Topics on which it may send messages of devices over HTTP; MQTT filters, as `meters/#`."""
