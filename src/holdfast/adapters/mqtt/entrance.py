"""Who comes in: connect rates, credentials, rights, send rates, and how loudly refusals are spoken of."""

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

from holdfast.adapters.mqtt import counts as counting
from holdfast.adapters.mqtt import happenings
from holdfast.adapters.mqtt.acl import Acl
from holdfast.adapters.mqtt.acl_file import read_rules
from holdfast.adapters.mqtt.connection import Connection
from holdfast.adapters.mqtt.counts import Counts
from holdfast.adapters.mqtt.credentials import Credentials, Done, stamp
from holdfast.adapters.mqtt.guests import Guest
from holdfast.adapters.mqtt.packets import Connect
from holdfast.adapters.mqtt.rates import Bucket, Buckets
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.telemetry.happenings import Telemetry

_SAY_EVERY_S = 10.0
_FAULTS_PER_S = 20.0  # log lines; more of them are only counted


class Entrance:
    """What all doors of one server share."""

    def __init__(self, settings: MqttSettings, clock: Clock, telemetry: Telemetry, path: Callable[[str], Path]) -> None:
        now, rates = clock.monotonic(), settings.rates
        self.counts = Counts()
        self.arriving = 0
        self.credentials = Credentials(settings, clock, self.counts, path)
        self._acl_path = path(settings.acl_file) if settings.acl_file else None
        self._acl_seen = (0, 0)
        self._settings = settings
        self._clock = clock
        self._telemetry = telemetry
        self._acl = None if settings.acl is None else Acl(settings.acl)
        self._connects = Bucket(rates.connects, max(1.0, rates.connects), now) if rates.connects else None
        self._by_address = Buckets(rates.connects_per_address) if rates.connects_per_address else None
        self._messages = Buckets(rates.messages) if rates.messages else None
        self._sizes = Buckets(rates.bytes) if rates.bytes else None
        self._lines = Bucket(_FAULTS_PER_S, 2 * _FAULTS_PER_S, now)
        self._said = astuple(self.counts)
        self._said_at = now
        counting.register(telemetry, self.counts)

    def load(self) -> None:
        """Read the files of users and rules.

        Raises:
            StorageUnusable, UsersUnusable, SettingsInvalid: when one can't be used.
        """
        self.credentials.load()
        if self._acl_path is not None:
            self._acl_seen = stamp(self._acl_path)
            self._acl = Acl(read_rules(self._acl_path, has_groups=bool(self._settings.users_file)))

    def reload(self) -> tuple[bool, list[tuple[str, HoldfastError]]]:
        """Read files that changed again: whether anything is different now, and which can't be used, said once."""
        changed, failed = False, []
        try:
            changed = self.credentials.reload()
        except HoldfastError as error:
            failed.append((self._settings.users_file, error))
        if self._acl_path is not None and stamp(self._acl_path) != self._acl_seen:
            self._acl_seen = stamp(self._acl_path)
            try:
                self._acl = Acl(read_rules(self._acl_path, has_groups=bool(self._settings.users_file)))
                changed = True
            except HoldfastError as error:
                failed.append((self._settings.acl_file, error))
        return changed, failed

    def still(self, guest: Guest) -> bool:
        """May a guest stay, now that files changed? Gives it its rights anew."""
        self._judge(guest)
        return bool(guest.identity) or guest.proof == self.credentials.proof(guest.user)

    def _judge(self, guest: Guest) -> None:
        if self._acl is not None:
            guest.rights = self._acl.rights(guest.user, guest.client, self.credentials.groups(guest.user))

    def welcome(self, address: str, connected: int) -> bool:
        """May one more come in, now that so many are? Whoever is welcome counts as `arriving`."""
        now = self._clock.monotonic()
        if connected + self.arriving >= self._settings.max_connections:
            self.counts.refused_full += 1
            return False
        per_address = self._by_address.of(address, now) if self._by_address is not None else None
        if (per_address is not None and not per_address.take(now)) or (
            self._connects is not None and not self._connects.take(now)
        ):
            self.counts.refused_rate += 1
            return False
        self.arriving += 1
        return True

    def make_guest(self) -> Guest:
        """The other end of a new connection."""
        return Guest(self._settings, self.counts)

    def check(self, connect: Connect, guest: Guest, done: Done) -> Reason | None:
        """Who is it? None = `done` is called later. Gives the guest its rights."""
        certified = bool(guest.identity)
        guest.client, guest.user = connect.client, connect.username
        guest.proof = self.credentials.proof(connect.username)
        self._judge(guest)
        return self.credentials.check(connect, guest.address, certified=certified, done=done)

    def meters(self, client: str) -> tuple[Bucket | None, Bucket | None]:
        """The buckets of a client's messages and bytes; they outlive its connections."""
        now = self._clock.monotonic()
        return (
            None if self._messages is None else self._messages.of(client, now),
            None if self._sizes is None else self._sizes.of(client, now),
        )

    def throttled(self) -> None:
        """A client is over its rate."""
        self.counts.throttled += 1

    def noted(self, connection: Connection, reason: Reason, detail: str) -> None:
        """A client was turned away or broke the protocol: one line, unless there are too many."""
        if self._lines.take(self._clock.monotonic()):
            peer = connection.guest.peer
            said = happenings.MqttConnectionFaulted(connection.client, peer, reason.name.lower(), detail)
            self._telemetry.emit(said)
        else:
            self.counts.faults_unlogged += 1

    def tick(self, now: float) -> None:
        """Say what was refused since the last time, now and then; forget whom nothing is known of."""
        if now - self._said_at < _SAY_EVERY_S:
            return
        self._said_at = now
        for buckets in (self._by_address, self._messages, self._sizes):
            if buckets is not None:
                buckets.prune(now)
        before, self._said = Counts(*self._said), astuple(self.counts)
        new = Counts(*(a - b for a, b in zip(self._said, astuple(before), strict=True)))
        refusing = happenings.MqttRefusing(
            full=new.refused_full,
            rate=new.refused_rate,
            guessing=new.refused_guessing,
            busy=new.refused_busy,
            failed_logins=new.failed_logins,
            tls=new.refused_tls,
            websocket=new.refused_websocket,
            unlogged=new.faults_unlogged,
        )
        if any(getattr(refusing, name) for name in refusing.__struct_fields__):
            self._telemetry.emit(refusing)
        denied = happenings.MqttDenied(new.denied_publishes, new.denied_subscriptions, new.denied_wills)
        if denied.publishes or denied.subscriptions or denied.wills:
            self._telemetry.emit(denied)
