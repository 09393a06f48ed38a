"""The models' routes: what they say, what they pass on, and what they refuse before anybody is asked."""

from typing import Any

import httpx
import msgspec
import pytest
from tests.unit.web.doors import NOW_NS, call, get, make_deps
from tests.unit.web.modelled import HOUR, ModelDesk

from holdfast.identity.people.kinds import kind_of
from holdfast.identity.people.roles import Role
from holdfast.storage.errors import StorageUnusable
from holdfast.web.door import need_of
from holdfast.web.model_answers import ModelDetail, ModelList, ModelWish, Truth, TruthRow
from holdfast.web.models import Models
from holdfast.web.outlook import build_outlook, is_shown

JSON = {"content-type": "application/json"}


@pytest.fixture
def desk() -> ModelDesk:
    return ModelDesk(NOW_NS)


def post(desk: ModelDesk | None, path: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return call(make_deps(models=desk), "POST", f"/api/v1/models/{path}", content=content, headers=JSON)


def test_every_deployment_is_listed_with_its_state_and_what_is_loaded(desk: ModelDesk) -> None:
    said = get("/api/v1/models", models=desk)
    found = msgspec.json.decode(said.content, type=ModelList)
    assert said.headers["cache-control"] == "no-store"
    assert [(row.deployment, row.state, row.drift) for row in found.models] == [
        ("bearing", "pressed", "unknown"),
        ("occupancy", "ok", "drifting"),
        ("pump", "ok", "ok"),
    ]
    assert found.cache is not None
    assert found.cache.used_bytes == sum(one.bytes for one in found.cache.loaded) == 22_000_000


def test_a_node_without_models_has_an_empty_list_and_says_how_to_get_some() -> None:
    assert get("/api/v1/models").json() == {"models": [], "cache": None}
    said = get("/api/v1/models/pump")
    assert (said.status_code, said.json()["error"]) == (404, "there are no models at this node")
    assert "node.yaml" in said.json()["hint"]
    assert post(None, "pump/rollback", {}).status_code == 404


def test_one_deployment_is_told_whole(desk: ModelDesk) -> None:
    found = msgspec.json.decode(get("/api/v1/models/pump", models=desk).content, type=ModelDetail)
    assert [(one.ref, one.role) for one in found.versions[:3]] == [
        ("pump-anomaly@1.0.0", "active"),
        ("pump-anomaly@2.0.0", "shadow"),
        ("pump-anomaly@2.1.0", "candidate"),
    ]
    assert found.comparisons[0].against == found.versions[0].ref
    unknown = get("/api/v1/models/press", models=desk)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "there is no deployment 'press'")


@pytest.mark.parametrize(
    ("deed", "wish", "after"),
    [
        ("canary", ModelWish("pump-anomaly@2.0.0", 10.0, "it is better"), {"pump-anomaly@2.0.0": "canary"}),
        (
            "promote",
            ModelWish("pump-anomaly@2.0.0"),
            {"pump-anomaly@2.0.0": "active", "pump-anomaly@1.0.0": "retired"},
        ),
        ("shadow", ModelWish("pump-anomaly@2.1.0"), {"pump-anomaly@2.1.0": "shadow"}),
        ("promote", ModelWish("pump-anomaly@2.1.0", force=True), {"pump-anomaly@2.1.0": "active"}),
        ("rollback", ModelWish(why="night shift"), {"pump-anomaly@0.9.0": "active"}),
        ("retire", ModelWish("pump-anomaly@2.0.0"), {"pump-anomaly@2.0.0": "retired"}),
        ("load", ModelWish("pump-anomaly@3.0.0"), {"pump-anomaly@3.0.0": "candidate"}),
    ],
)
def test_a_change_is_passed_on_with_its_reason_and_answers_with_the_versions_after_it(
    desk: ModelDesk, deed: str, wish: ModelWish, after: dict[str, str]
) -> None:
    said = post(desk, f"pump/{deed}", msgspec.structs.replace(wish, by="ann"))
    assert said.status_code == 200, said.text
    roles = {one["ref"]: one["role"] for one in said.json()["versions"]}
    assert after.items() <= roles.items()
    assert [(name, what, by) for name, what, _, by in desk.asked] == [("pump", deed, "ann")]
    first = get("/api/v1/models/pump", models=desk).json()["history"][0]
    assert (first["do"], first["by"], first["why"]) == (deed, "ann", wish.why)


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("pump/promote", {"model": "pump-anomaly@2.1.0"}, 409, "never ran in shadow"),
        ("pump/shadow", {"model": "pump-anomaly@1.0.0"}, 409, "is active"),
        ("pump/shadow", {"model": "pump-anomaly@9.0.0"}, 404, "no version"),
        ("pump/load", {"model": "pump-anomaly@2.0.0"}, 409, "already"),
        ("press/rollback", {}, 404, "no deployment"),
        ("bearing/rollback", {}, 409, "no other active version"),
    ],
)
def test_what_the_node_refuses_is_told_in_its_words(
    desk: ModelDesk, path: str, body: dict[str, Any], status: int, word: str
) -> None:
    said = post(desk, path, body)
    assert (said.status_code, word in said.json()["error"]) == (status, True), said.text


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("pump/shadow", {}, "which model is to shadow?"),
        ("pump/canary", {"model": "a@1"}, "`percent` is missing"),
        ("pump/canary", {"model": "a@1", "percent": 0}, "percent=0 is not allowed"),
        ("pump/canary", {"model": "a@1", "percent": 100.5}, "percent=100.5 is not allowed"),
        ("pump/promote", {"model": "a@1", "percent": 10}, "means nothing to a promote"),
        ("pump/promote", {"model": "a@1", "wy": "x"}, "unknown field `wy`"),
        ("pump/promote", {"model": "a" * 300}, "`model` is too long"),
        ("pump/promote", {"model": "a@1", "why": "x\u0000"}, "`why` is too long, or has characters"),
        ("pump/promote", b"{", "the body can't be used"),
        ("pump/labels", {"device": "pump-1", "label": "normal", "from": "-1h", "to": "-2h"}, "not before"),
        ("pump/labels", {"device": "pump-1", "label": "normal", "from": "+1h", "to": "+2h"}, "not before"),
        ("pump/labels", {"device": "", "label": "normal", "from": "-1h"}, "`device` is empty"),
        ("pump/labels", {"device": "pump-1", "label": "leaking", "from": "-1h"}, "none of this model's labels"),
    ],
)
def test_a_wish_that_cannot_be_meant_is_refused_before_anything_changes(
    desk: ModelDesk, path: str, body: object, word: str
) -> None:
    before = get("/api/v1/models/pump", models=desk).content
    said = post(desk, path, body)
    assert (said.status_code, word in said.json()["error"]) == (400, True), said.text
    assert get("/api/v1/models/pump", models=desk).content == before


def test_a_change_of_an_unknown_kind_has_no_path(desk: ModelDesk) -> None:
    assert post(desk, "pump/delete", {"model": "a@1"}).status_code == 404
    assert call(make_deps(models=desk), "POST", "/api/v1/models", content=b"{}", headers=JSON).status_code == 405


def test_somebody_says_what_a_device_was(desk: ModelDesk) -> None:
    said = post(
        desk,
        "pump/labels",
        {"device": "pump-4", "from": "-2h", "to": "-1h", "label": "anomalous", "why": "a leak", "by": "ann"},
    )
    assert said.status_code == 201, said.text
    row = msgspec.json.decode(said.content, type=TruthRow)
    assert (row.device, row.to_ns - row.from_ns, row.label, row.by) == ("pump-4", HOUR, "anomalous", "ann")
    assert isinstance(desk.asked[0][2], Truth)
    listed = get("/api/v1/models/pump/labels?limit=1", models=desk).json()
    assert [one["id"] for one in listed] == [row.id]
    older = get(f"/api/v1/models/pump/labels?before={row.id}", models=desk).json()
    assert [(one["device"], one["alert"]) for one in older] == [("pump-3", 7)]
    assert get("/api/v1/models/pump/labels?limit=0", models=desk).status_code == 400


class FullDisk(ModelDesk):
    async def act(self, *_: Any) -> Any:
        raise StorageUnusable("no space left on device")


def test_a_full_disk_is_told_as_such() -> None:
    said = post(FullDisk(NOW_NS), "pump/rollback", {})
    assert (said.status_code, "disk full" in said.json()["hint"]) == (507, True)


def test_whoever_is_on_shift_may_go_back_and_only_an_admin_lets_a_version_act(desk: ModelDesk) -> None:
    routes = Models(desk, make_deps().clock).routes()
    role = {
        (route.path.rpartition("/")[2], method): need_of(route.path, {method}, route.endpoint).role
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert role == {
        ("models", "GET"): Role.VIEWER,
        ("{deployment}", "GET"): Role.VIEWER,
        ("labels", "GET"): Role.VIEWER,
        ("labels", "POST"): Role.OPERATOR,
        ("shadow", "POST"): Role.OPERATOR,
        ("rollback", "POST"): Role.OPERATOR,
        ("load", "POST"): Role.ADMIN,
        ("canary", "POST"): Role.ADMIN,
        ("promote", "POST"): Role.ADMIN,
        ("retire", "POST"): Role.ADMIN,
    }
    assert kind_of("POST /api/v1/models/pump/promote") == kind_of("POST /api/v1/models/pump/labels") == "models"


def test_a_parent_looks_at_models_and_changes_none(desk: ModelDesk) -> None:
    assert is_shown("models")
    assert is_shown("models/pump")
    assert is_shown("models/pump/labels")
    assert not is_shown("models/pump/promote")
    app = build_outlook(make_deps(models=desk))
    paths = {getattr(route, "path", "") for route in app.routes}
    assert "/api/v1/models/{deployment}" in paths
