"""The users of the MQTT server, as typed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from holdfast.adapters.mqtt.users import NO_PASSWORD, read_users
from holdfast.cli.main import app
from holdfast.crypto.passwords import is_right

NODE = 'node: gw\nprofiles: ["builtin:rooms"]\nmqtt: {users_file: mqtt-users}\n'


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    (tmp_path / "node.yaml").write_text(NODE)
    return tmp_path / "node.yaml"


def user(*words: object, typed: str = "") -> Result:
    return CliRunner().invoke(app, ["mqtt", "user", *map(str, words)], input=typed)


def test_users_are_added_changed_listed_and_removed(settings: Path) -> None:
    assert user("add", settings, "press", "--group", "line", typed="first\n").exit_code == 0
    assert "changed in" in user("add", settings, "press", "--group", "line", typed="second\n").stdout
    assert user("add", settings, "pump", "--certificate").exit_code == 0
    found = read_users(settings.parent / "mqtt-users")
    assert is_right(b"second", found["press"].hash)
    assert (found["press"].groups, found["pump"].hash) == (("line",), NO_PASSWORD)
    assert [line.split() for line in user("list", settings).stdout.splitlines()] == [
        ["press", "password", "line"],
        ["pump", "certificate"],
    ]
    assert [user("remove", settings, "press").exit_code for _ in range(2)] == [0, 1]
    assert list(read_users(settings.parent / "mqtt-users")) == ["pump"]


@pytest.mark.parametrize(
    ("words", "typed"), [(("a/b",), "x\n"), (("a",), "\n"), (("a", "--group", "b:c"), "x\n"), (("+",), "x\n")]
)
def test_what_can_be_no_user_is_refused_and_nothing_is_written(
    settings: Path, words: tuple[str, ...], typed: str
) -> None:
    found = user("add", settings, *words, typed=typed)
    assert (found.exit_code, bool(found.stderr)) == (2, True)
    assert not (settings.parent / "mqtt-users").exists()


def test_settings_without_a_users_file_say_what_to_write(settings: Path) -> None:
    settings.write_text(NODE.replace("{users_file: mqtt-users}", "{}"))
    found = user("list", settings)
    assert (found.exit_code, "mqtt.users_file" in found.stderr) == (2, True)
