from pathlib import Path

import pytest

from holdfast.adapters.mqtt.errors import UsersUnusable
from holdfast.adapters.mqtt.users import NO_PASSWORD, User, name_problem, read_users, write_users
from holdfast.crypto.passwords import hashed, is_right


def test_a_hash_knows_its_password_and_no_other() -> None:
    kept = hashed("sécret".encode())
    assert is_right("sécret".encode(), kept)
    assert not is_right(b"secret", kept)
    assert hashed("sécret".encode()) != kept


def test_what_is_no_hash_is_nobodys_password() -> None:
    for text in ("", NO_PASSWORD, "secret", "scrypt$14$8$1$AAAA$AAAA", "scrypt$60$8$1$AAAA$" + "A" * 43 + "="):
        assert not is_right(b"secret", text)


def test_the_file_comes_back_as_it_was_written_and_is_private(tmp_path: Path) -> None:
    users = [User("press-07", hashed(b"x"), ("presses", "line-2")), User("pump", NO_PASSWORD)]
    write_users(tmp_path / "users", users)
    assert read_users(tmp_path / "users") == {user.name: user for user in users}
    assert (tmp_path / "users").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", ["a", "a:secret:", "a+b:!:", "a:!:\na:!:", ":!:", "\xff"])
def test_a_line_that_is_no_user_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "users").write_bytes(b"# comment\n\nok:!:g\n" + line.encode("latin-1") + b"\n")
    with pytest.raises(UsersUnusable, match=r"line [45]|UTF-8"):
        read_users(tmp_path / "users")


@pytest.mark.parametrize("name", ["", "a:b", "a/b", "+", "#x", "$x", " a", "a\n", "x" * 129, "a%b"])
def test_a_name_is_one_plain_level_of_a_topic(name: str) -> None:
    assert name_problem(name)
    assert not name_problem("press-07")
