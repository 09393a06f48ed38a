"""Who is it? User names, passwords and certificates; the slow part of it on worker threads.

A check of a hashed password takes tens of milliseconds and 16 MiB, so one at a time is made, few may wait, and an
address that fails keeps waiting longer (`rates.Guesses`). A password found right is remembered as a keyed digest, in
memory only, so that a site's devices come back at once after an outage.
"""

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from holdfast.adapters.mqtt import admission
from holdfast.adapters.mqtt.counts import Counts
from holdfast.adapters.mqtt.packets import Connect
from holdfast.adapters.mqtt.rates import Guesses
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.users import NO_PASSWORD, User, read_users
from holdfast.crypto.passwords import hashed, is_right
from holdfast.kernel.clock import Clock

MOST_WAITING = 64
_REMEMBERED = 4_096

Done = Callable[[Reason], None]


class Credentials:
    """Checks logins. Made once a server; `load` before the first login."""

    def __init__(self, settings: MqttSettings, clock: Clock, counts: Counts, path: Callable[[str], Path]) -> None:
        self._settings = settings
        self._clock = clock
        self._counts = counts
        self._path = path(settings.users_file) if settings.users_file else None
        self._users: dict[str, User] = {}
        self._seen: tuple[int, int] = (0, 0)
        self._guesses = Guesses(settings.rates.guess_delay, settings.rates.guess_delay_max)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._secret = secrets.token_bytes(32)
        self._nobody = ""
        self._workers: ThreadPoolExecutor | None = None
        self._waiting = 0

    def load(self) -> None:
        """Read the users file.

        Raises:
            StorageUnusable, UsersUnusable: when it can't be used.
        """
        if self._path is None:
            return
        self._users = read_users(self._path)
        self._seen = stamp(self._path)
        self._nobody = self._nobody or hashed(secrets.token_bytes(16))
        self._workers = self._workers or ThreadPoolExecutor(1, "mqtt-login")

    def reload(self) -> bool:
        """Read the users file again if it changed; whether it did.

        Raises:
            StorageUnusable, UsersUnusable: it can't be used, said once a change; the former users stay.
        """
        if self._path is None or (now := stamp(self._path)) == self._seen:
            return False
        self._seen = now
        self.load()
        return True

    def proof(self, user: str | None) -> str:
        """The hash that a user's password is held against now; empty without one."""
        found = self._users.get(user or "")
        return "" if found is None or user in self._settings.users else found.hash

    def close(self) -> None:
        """No more logins."""
        if self._workers is not None:
            self._workers.shutdown(wait=False, cancel_futures=True)

    def groups(self, user: str | None) -> tuple[str, ...]:
        """The groups of a user, certificate or password."""
        found = self._users.get(user or "")
        return found.groups if found is not None else ()

    def check(self, connect: Connect, address: str, *, certified: bool, done: Done) -> Reason | None:
        """SUCCESS, or why the client is turned away; None = `done` is called with it later, on the loop's thread."""
        reason = admission.admit_shape(connect)
        if reason is not Reason.SUCCESS or certified:
            return reason
        if connect.username is None:
            return Reason.SUCCESS if self._settings.anonymous else Reason.NOT_AUTHORISED
        if self._guesses.wait(address, self._clock.monotonic()):
            self._counts.refused_guessing += 1
            return Reason.CONNECTION_RATE_EXCEEDED
        workers = self._workers
        if workers is None or connect.username in self._settings.users:
            return self._judged(address, admission.check_password(connect, self._settings))
        return self._look_up(connect, address, done, workers)

    def _look_up(self, connect: Connect, address: str, done: Done, workers: ThreadPoolExecutor) -> Reason | None:
        name, password = connect.username or "", connect.password or b""
        user = self._users.get(name)
        kept = user.hash if user is not None and user.hash != NO_PASSWORD else self._nobody
        print_ = self._print(name, password, kept)
        if print_ in self._known:
            self._known.move_to_end(print_)
            return Reason.SUCCESS
        if self._waiting >= MOST_WAITING:
            self._counts.refused_busy += 1
            return Reason.SERVER_BUSY
        self._waiting += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(workers, is_right, password, kept)
        future.add_done_callback(lambda found: self._found(found, print_, address, done))
        return None

    def _found(self, found: "asyncio.Future[bool]", print_: bytes, address: str, done: Done) -> None:
        self._waiting -= 1
        if found.cancelled():
            done(Reason.SERVER_BUSY)
            return
        right = found.exception() is None and found.result()
        if right:
            self._known[print_] = None
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        done(self._judged(address, Reason.SUCCESS if right else Reason.BAD_CREDENTIALS))

    def _judged(self, address: str, reason: Reason) -> Reason:
        if reason is not Reason.SUCCESS:
            self._counts.failed_logins += 1
            self._guesses.failed(address, self._clock.monotonic())
        return reason

    def _print(self, name: str, password: bytes, kept: str) -> bytes:
        facts = b"\0".join((name.encode(), kept.encode(), password))  # a changed hash is another print
        return hmac.digest(self._secret, facts, hashlib.sha256)


def stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does; (0, 0) when there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino
