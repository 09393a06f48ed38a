"""The audit of a real node over its API: by person, kind and time, with what came of each change."""

from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from tests.running import Running, running

from holdfast.identity.people.kinds import KINDS, kind_of
from holdfast.identity.tokens import issue_token
from holdfast.web.guard import Guard

SETTINGS = """
node: gw
api: {listen: "127.0.0.1:0"}
journal: {ballast: 0MB}
queues: {orders: {consume: true}}
apps: {shop: {token: shop.token, put: [orders]}}
"""
LOOKS = {"GET", "HEAD"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("audit")
    issue_token(folder / "shop.token")
    (folder / "node.yaml").write_text(SETTINGS)
    with running(folder) as one:
        yield one


def call(node: Running, method: str, path: str, body: Any = None) -> httpx.Response:
    return httpx.request(method, f"http://127.0.0.1:{node.port}/api/v1/{path}", json=body, timeout=20)


def lines(node: Running, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(node, "GET", f"audit?{query}").json()["lines"]
    return found


def test_a_change_is_one_line_with_its_end_and_is_found_by_kind_and_time(node: Running) -> None:
    made = call(node, "POST", "silences", {"until": "+1h", "by": "ann", "why": "works"})
    assert made.status_code == 201
    assert call(node, "DELETE", f"silences/{made.json()['id']}").status_code == 200
    assert call(node, "POST", "alerts/9/acknowledge", {"by": "ann"}).status_code == 404
    found = [(one["kind"], one["step"], one["status"], one["ended_ns"] >= one["at_ns"]) for one in lines(node)]
    assert found == [("alerts", "failed", 404, True), ("silences", "done", 200, True), ("silences", "done", 201, True)]
    assert [one["what"] for one in lines(node, "kind=silences&limit=1")] == ["DELETE /api/v1/silences/1"]
    assert lines(node, "to=-1h") == []
    assert len(lines(node, "from=-1h&who=")) == 3
    assert call(node, "GET", "audit?kind=nothing").status_code == 400
    assert call(node, "GET", "audit?from=whenever").status_code == 400
    page = call(node, "GET", "audit?verify=true").json()
    assert (page["broken_at"], page["checked_ns"] > 0) == (0, True)


def test_a_question_changes_nothing_and_is_no_line(node: Running) -> None:
    before = len(lines(node))
    call(node, "POST", "analytics", {"sql": "select 1"})
    call(node, "POST", "rules/check", {"text": "rules: {}"})
    assert len(lines(node)) == before


def test_every_change_by_a_person_is_of_a_kind(node: Running) -> None:
    assert node.real.web is not None
    app = cast("Starlette", node.real.web._config.app)
    noted = [
        route
        for route in app.routes
        if isinstance(route, Route) and isinstance(route.app, Guard)
        if route.app.need.noted and route.app.need.role is not None
    ]
    plain = str.maketrans("", "", "{}")
    said = [f"{method} {one.path.translate(plain)}" for one in noted for method in (one.methods or set()) - LOOKS]
    of = {what: kind_of(what) for what in said}
    assert len(of) > 15
    assert [what for what, kind in of.items() if not kind] == []
    assert set(of.values()) | {"logins", "settings"} == set(KINDS)
