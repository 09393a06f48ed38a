"""Who is at the other end of a connection and what it may do, as its connection asks it."""

from collections.abc import Sequence

from holdfast.adapters.mqtt import admission
from holdfast.adapters.mqtt.acl import Rights
from holdfast.adapters.mqtt.counts import Counts
from holdfast.adapters.mqtt.packets import Connect, Subscribe, Will, Wish
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings


class Guest:
    """The other end of one connection.

    peer:     where it comes from, for the log
    address:  the same without the port, for what is counted by address
    identity: the user name that its certificate gives it, empty without one
    verdict:  whether it may connect, once its credentials were checked; None = by `users:` alone
    rights:   what it may do; None = everything
    client:   the client identifier that it gave
    user:     as whom it logged in, None = a stranger
    proof:    the password hash it was held against, empty without one in the users file
    """

    __slots__ = ("_counts", "_settings", "address", "client", "identity", "peer", "proof", "rights", "user", "verdict")

    def __init__(self, settings: MqttSettings, counts: Counts) -> None:
        self._settings = settings
        self._counts = counts
        self.peer = ""
        self.address = ""
        self.identity = ""
        self.verdict: Reason | None = None
        self.rights: Rights | None = None
        self.client = ""
        self.user: str | None = None
        self.proof = ""

    def admit(self, connect: Connect) -> Reason:
        """SUCCESS, or why the client is turned away; its will is checked here, since it's published unasked."""
        reason = self.verdict if self.verdict is not None else admission.admit(connect, self._settings)
        if reason is not Reason.SUCCESS:
            return reason
        return Reason.SUCCESS if self.may_will(connect.will) else Reason.NOT_AUTHORISED

    def may_will(self, will: Will | None) -> bool:
        """Whether its will may be published; counted when not."""
        if will is None or self.rights is None or self.rights.may_publish(will.topic):
            return True
        self._counts.denied_wills += 1
        return False

    def may_publish(self, topic: str, messages: int) -> bool:
        """Whether a run of messages may go to a topic; counted when not."""
        if self.rights is None or self.rights.may_publish(topic):
            return True
        self._counts.denied_publishes += messages
        return False

    def screened(self, packet: Subscribe) -> tuple[Subscribe, list[bool]]:
        """A SUBSCRIBE without the wishes that the client may not have, and which of all it may."""
        if self.rights is None:
            return packet, []
        may = [self.rights.may_subscribe(wish.topic_filter) for wish in packet.wishes]
        if all(may):
            return packet, []
        self._counts.denied_subscriptions += may.count(False)
        wishes: tuple[Wish, ...] = tuple(wish for wish, yes in zip(packet.wishes, may, strict=True) if yes)
        return Subscribe(packet.pid, wishes, packet.identifier), may

    def lost(self, filters: Sequence[str]) -> tuple[str, ...]:
        """Of a session's filters, those that the client may no longer have."""
        if self.rights is None:
            return ()
        return tuple(one for one in filters if not self.rights.may_subscribe(one))


def merged(codes: Sequence[int], may: Sequence[bool]) -> list[int]:
    """SUBACK's codes for all wishes from those for the permitted ones."""
    if not may:
        return list(codes)
    granted = iter(codes)
    return [next(granted) if yes else Reason.NOT_AUTHORISED for yes in may]
