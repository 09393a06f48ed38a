from prometheus_client.parser import text_string_to_metric_families
from tests.unit.web.doors import COUNTERS, call, get, make_deps


def test_status_tells_the_node_at_a_glance() -> None:
    body = get("/api/v1/status").json()
    assert (body["node"], body["link"]["state"], body["backlog"]) == ("gw", "up", [0, 0, 1])
    assert body["counters"] == COUNTERS


def test_the_ledger_is_told() -> None:
    body = get("/api/v1/ledger").json()
    assert body["balanced"] is True
    assert body["messages"]["duplicates"] == 1


def test_parameters_on_a_path_without_any_are_refused() -> None:
    assert get("/api/v1/status?x=1").json()["hint"] == "this path takes no parameters"


def test_alive_is_alive() -> None:
    assert get("/healthz").json() == {"alive": True}


def test_ready_says_why_not() -> None:
    assert get("/readyz").json() == {"ready": True, "reasons": []}
    answer = get("/readyz", readiness=lambda: ["journal is full"])
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reasons": ["journal is full"]}


def test_metrics_hold_the_committed_counters_and_telemetrys_own() -> None:
    deps = make_deps()
    deps.telemetry.gauge("loop_lag_seconds", "lag", lambda: 0.5)
    answer = call(deps, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    found = {
        (s.name, *s.labels.values()): s.value for f in text_string_to_metric_families(answer.text) for s in f.samples
    }
    assert found["holdfast_messages_received_total",] == 10
    assert found["holdfast_messages_rejected_total", "stale"] == 2
    assert found["holdfast_rows_committed_total", "2"] == 3
    assert found["holdfast_loop_lag_seconds",] == 0.5


def test_the_clock_is_shown_with_the_farthest_devices_up_to_the_limit() -> None:
    body = get("/api/v1/clock?limit=2").json()
    assert (body["trust"], body["estimated"], [d["skew_s"] for d in body["devices"]]) == ("trusted", 3, [9.0, 8.0])
    assert get("/api/v1/clock?limit=x").status_code == 400


def test_how_rows_flow_and_the_room_they_take_are_told() -> None:
    assert get("/api/v1/flow").json()["lanes"] == []
    assert get("/api/v1/storage").json()["levels"] == {"yellow": 70}
    assert get("/api/v1/flow?x=1").status_code == 400
