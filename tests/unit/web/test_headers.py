from typing import Any

import pytest
from tests.unit.web.doors import call, get, make_deps


@pytest.mark.parametrize("path", ["/", "/api/v1/status", "/nothing", "/static/page.js", "/metrics"])
def test_every_answer_has_the_security_headers(path: str) -> None:
    headers = get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["strict-transport-security"]


@pytest.mark.parametrize("path", ["/api/v1/sync/hello", "/api/v1/sync/batch", "/api/v1/sync/nothing"])
def test_answers_to_nodes_have_no_headers_for_browsers(path: str) -> None:
    headers = call(make_deps(), "POST", path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert not {"content-security-policy", "strict-transport-security", "referrer-policy"} & set(headers)


def test_an_unexpected_error_is_told_to_the_log_and_not_to_the_caller() -> None:
    log: list[str] = []

    def broken() -> Any:
        raise RuntimeError("secret detail")

    answer = call(make_deps(log, status=broken), "GET", "/api/v1/status")
    assert answer.status_code == 500
    assert set(answer.json()) == {"error", "hint"}
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "WebRequestFailed" in log[0]
    assert "secret detail" in log[0]


def test_an_unknown_path_and_method_are_json_errors() -> None:
    assert get("/nothing").json() == {"error": "not found", "hint": "GET / lists what there is"}
    answer = call(make_deps(), "DELETE", "/api/v1/status")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert answer.json()["error"] == "method not allowed"


def test_without_children_the_sync_paths_dont_exist() -> None:
    assert call(make_deps(), "POST", "/api/v1/sync/hello").status_code == 404
