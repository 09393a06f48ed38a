"""Adapters of a real node: one that can't work doesn't end it, is shown, and can be tried beforehand."""

import socket
from pathlib import Path

import pytest
from tests.system.test_cli_core import holdfast, told
from tests.system.test_gateway import Gateway
from tests.waiting import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


def test_an_adapter_that_fails_is_shown_tried_again_and_ends_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "stick"
    gateway = Gateway(tmp_path, f"host: {{every: 100ms, disk: {disk}}}\n")
    text = gateway.settings.read_text().replace("rules: ['builtin:rooms']\n", "")
    gateway.settings.write_text(text.replace("builtin:rooms", "builtin:host"))
    assert "No such file or directory" in holdfast("adapters", "test", gateway.settings, code=1)
    gateway.start()
    try:
        wait_until(lambda: "AdapterFailed" in gateway.log())
        found = told("adapters", "list", gateway.settings, code=1)
        assert [(one["name"], one["state"]) for one in found] == [("mqtt", "working"), ("host", "failing")]
        assert found[1]["error"] == f"No such file or directory ({disk})"
        assert "the running node answers" in holdfast("adapters", "test", gateway.settings, code=1)
        disk.mkdir()
        wait_until(lambda: "AdapterRecovered" in gateway.log())
        assert [one["state"] for one in told("adapters", "list", gateway.settings)] == ["working", "working"]
    finally:
        assert gateway.stop() == 0
    assert gateway.log().count("AdapterFailed") == 1


def test_a_port_that_is_taken_is_told_beforehand(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    assert "is free" in holdfast("adapters", "test", gateway.settings)
    with socket.create_server(("127.0.0.1", gateway.mqtt)):
        said = holdfast("adapters", "test", gateway.settings, code=1)
    assert "ss -ltnp" in said
