"""The devices' routes: filters, one by name, and changes from this machine only."""

import msgspec
import pytest
from tests.unit.web.doors import Book, call, get, make_deps

from holdfast.web.device_answers import DeviceChange

JSON = {"content-type": "application/json"}


def names(path: str) -> tuple[int, list[str]]:
    found = get(path).json()
    return found["total"], [one["name"] for one in found["devices"]]


def test_devices_are_chosen_by_name_state_status_label_and_node() -> None:
    assert names("/api/v1/devices") == (3, ["press-1", "press-2", "mixer"])
    assert names("/api/v1/devices?match=press-*&limit=1&offset=1") == (2, ["press-2"])
    assert names("/api/v1/devices?state=silent") == (1, ["press-1"])
    assert names("/api/v1/devices?status=new") == (1, ["press-2"])
    assert names("/api/v1/devices?label=line-3") == (1, ["press-1"])
    assert names("/api/v1/devices?node=leaf") == (1, ["mixer"])
    assert get("/api/v1/devices?stat=new").status_code == 400


def test_one_device_is_found_by_name_and_node() -> None:
    assert get("/api/v1/devices/press-1").json()["device"]["messages"] == 3
    assert get("/api/v1/devices/mixer?node=leaf").json()["device"]["node"] == "leaf"
    missing = get("/api/v1/devices/nobody")
    assert missing.status_code == 404
    assert "devices list" in missing.json()["hint"]


def test_a_change_is_done_and_answered() -> None:
    book = Book()
    body = b'{"do":"describe","devices":["press-1"],"labels":["a"]}'
    answer = call(make_deps(devices=book), "POST", "/api/v1/devices", content=body, headers=JSON)
    said = answer.json()
    assert said.pop("unheard") == []
    assert said.pop("was") == ""
    assert said == {"devices": ["press-1"], "released": 0, "readings": 0, "still_refused": 0}
    assert book.done == [DeviceChange("describe", ("press-1",), labels=("a",))]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", JSON, 400),
        (b'{"do":"drop","devices":["a"]}', JSON, 400),
        (b'{"do":"rename","devices":["a","b"],"to":"c"}', JSON, 400),
        (b'{"do":"rename","devices":["a"]}', JSON, 400),
        (b'{"do":"accept","devices":[]}', JSON, 400),
        (msgspec.json.encode({"do": "accept", "devices": ["x" * 201]}), JSON, 400),
        (b'{"do":"rename","devices":["press-1"],"to":"taken"}', JSON, 409),
        (b'{"do":"accept","devices":["a"]}', {}, 415),
        (b'{"do":"accept","devices":["a"]}', {**JSON, "origin": "http://evil.example"}, 403),
    ],
)
def test_what_is_no_change_is_refused_and_nothing_done(body: bytes, headers: dict[str, str], status: int) -> None:
    book = Book()
    answer = call(make_deps(devices=book), "POST", "/api/v1/devices", content=body, headers=headers)
    assert answer.status_code == status
    assert answer.json()["hint"]
    assert book.done == []
