import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.adapters.mqtt.counts import Counts
from holdfast.adapters.mqtt.credentials import MOST_WAITING, Credentials
from holdfast.adapters.mqtt.errors import UsersUnusable
from holdfast.adapters.mqtt.packets import Connect
from holdfast.adapters.mqtt.reasons import Reason
from holdfast.adapters.mqtt.settings import MqttSettings
from holdfast.adapters.mqtt.users import NO_PASSWORD, User, write_users
from holdfast.crypto.passwords import hashed
from holdfast.kernel.clock import ManualClock


def who(user: str | None, password: str = "") -> Connect:
    return Connect(4, "d", clean_start=True, keep_alive_s=0, username=user, password=password.encode())


class Desk:
    def __init__(self, folder: Path) -> None:
        write_users(folder / "users", [User("press", hashed(b"right"), ("g",)), User("pump", NO_PASSWORD)])
        self.counts, self.clock = Counts(), ManualClock()
        self.credentials = Credentials(MqttSettings(users_file="users"), self.clock, self.counts, folder.__truediv__)
        self.credentials.load()

    async def asks(self, connect: Connect, address: str = "a", *, certified: bool = False) -> tuple[Reason, bool]:
        """The verdict, and whether it had to be waited for."""
        later: asyncio.Future[Reason] = asyncio.get_running_loop().create_future()
        done: Callable[[Reason], None] = later.set_result
        now = self.credentials.check(connect, address, certified=certified, done=done)
        return (await later, True) if now is None else (now, False)


def test_a_password_is_checked_on_a_thread_once_and_remembered(tmp_path: Path) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path)
        assert await desk.asks(who("press", "right")) == (Reason.SUCCESS, True)
        assert await desk.asks(who("press", "right")) == (Reason.SUCCESS, False)
        assert await desk.asks(who("press", "wrong")) == (Reason.BAD_CREDENTIALS, True)
        assert await desk.asks(who("nobody", "right")) == (Reason.BAD_CREDENTIALS, True)
        assert await desk.asks(who("pump", "")) == (Reason.BAD_CREDENTIALS, True)
        assert await desk.asks(who(None)) == (Reason.NOT_AUTHORISED, False)
        assert desk.counts.failed_logins == 3
        assert desk.credentials.groups("press") == ("g",)

    asyncio.run(scene())


def test_a_certificate_needs_no_password_even_from_an_address_that_guesses(tmp_path: Path) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path)
        for _ in range(4):
            await desk.asks(who("press", "wrong"))
        assert await desk.asks(who("press", "right")) == (Reason.CONNECTION_RATE_EXCEEDED, False)
        assert await desk.asks(who("press", "right"), "elsewhere") == (Reason.SUCCESS, True)
        assert await desk.asks(who("pump"), certified=True) == (Reason.SUCCESS, False)
        desk.clock.advance(1.0)
        assert await desk.asks(who("press", "right")) == (Reason.SUCCESS, False)

    asyncio.run(scene())


def test_a_changed_hash_forgets_the_former_password_and_a_broken_file_changes_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path)
        assert await desk.asks(who("press", "right")) == (Reason.SUCCESS, True)
        write_users(tmp_path / "users", [User("press", hashed(b"newer"))])
        assert desk.credentials.reload()
        assert await desk.asks(who("press", "right")) == (Reason.BAD_CREDENTIALS, True)
        (tmp_path / "users").write_text("nonsense, longer than before\n")
        with pytest.raises(UsersUnusable, match="line 1"):
            desk.credentials.reload()
        assert not desk.credentials.reload()  # said once
        assert await desk.asks(who("press", "newer")) == (Reason.SUCCESS, True)

    asyncio.run(scene())


def test_few_logins_wait_and_the_rest_is_told_to_come_again(tmp_path: Path) -> None:
    async def scene() -> None:
        desk = Desk(tmp_path)
        asked = [desk.asks(who("press", f"guess {i}"), f"address {i}") for i in range(MOST_WAITING + 10)]
        answers = asyncio.gather(*asked)
        await asyncio.sleep(0)
        assert desk.counts.refused_busy == 10
        desk.credentials.close()
        found = [reason for reason, _ in await answers]
        assert found.count(Reason.SERVER_BUSY) > 10

    asyncio.run(scene())
