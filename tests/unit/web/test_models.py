"""The models' routes: what they say, what they pass on, and what they refuse before anybody is asked."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.unit.web.doors import NOW_NS, call, get, make_deps
from tests.unit.web.modelled import ModelDesk
from tests.unit.web.modelled_parts import HOUR

from holdfast.identity.people.kinds import kind_of
from holdfast.identity.people.roles import Role
from holdfast.inference.errors import DigestWrong, InferenceError, ModelUnknown
from holdfast.inference.lifecycle.labels import Label
from holdfast.inference.lifecycle.states import Command
from holdfast.inference.lifecycle.status import ActBody, ActDone, LabelList
from holdfast.kernel.errors import HoldfastError
from holdfast.storage.errors import StorageUnusable
from holdfast.web.door import need_of
from holdfast.web.model_answers import ModelDetail, ModelList
from holdfast.web.models import Models
from holdfast.web.outlook import build_outlook, is_shown

JSON = {"content-type": "application/json"}


@pytest.fixture
def desk() -> ModelDesk:
    return ModelDesk(NOW_NS)


def post(desk: ModelDesk | None, path: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return call(make_deps(models=desk), "POST", f"/api/v1/models/{path}", content=content, headers=JSON)


def test_every_deployment_is_listed_with_its_health_and_what_is_loaded(desk: ModelDesk) -> None:
    said = get("/api/v1/models", models=desk)
    found = msgspec.json.decode(said.content, type=ModelList)
    assert said.headers["cache-control"] == "no-store"
    assert [(row.name, row.active, row.health, row.drift) for row in found.deployments] == [
        ("bearing", "bearing-fault@1.0.0", "pressed", "unknown"),
        ("occupancy", "occupancy@1.0.0", "ok", "drifting"),
        ("pump", "pump-anomaly@1.0.0", "ok", "ok"),
    ]
    assert found.deployments[1].canaries == {"occupancy@1.1.0": 10.0}
    assert found.cache is not None
    assert found.cache.used_bytes == sum(one.bytes for one in found.cache.loaded) == 22_000_000


def test_a_node_without_models_has_an_empty_list_and_says_how_to_get_some() -> None:
    assert get("/api/v1/models").json() == {"deployments": [], "cache": None}
    said = get("/api/v1/models/pump")
    assert (said.status_code, said.json()["error"]) == (404, "there are no models at this node")
    assert "node.yaml" in said.json()["hint"]
    assert post(None, "pump/rollback", {}).status_code == 404


def test_one_deployment_is_told_whole_with_what_may_be_done_with_each_version(desk: ModelDesk) -> None:
    found = msgspec.json.decode(get("/api/v1/models/pump", models=desk).content, type=ModelDetail)
    assert found.former == "pump-anomaly@0.9.0"
    assert found.comparisons[0].against == found.row.active
    offers = {ref.partition("@")[2]: (one.can, one.asks_force) for ref, one in found.offers.items()}
    assert offers == {
        "0.9.0": (["shadow", "canary", "promote"], ["canary", "promote"]),
        "1.0.0": ([], []),
        "2.0.0": (["canary", "promote", "retire"], []),
        "2.1.0": (["shadow", "canary", "promote", "retire"], ["canary", "promote"]),
    }
    assert found.offers["pump-anomaly@2.1.0"].caution == "it never ran in shadow"
    unknown = get("/api/v1/models/press", models=desk)
    assert (unknown.status_code, unknown.json()["error"]) == (404, "there is no deployment 'press'")


def test_what_is_offered_is_done_and_what_asks_for_force_is_refused_without() -> None:
    for name in ("pump", "occupancy"):
        offers = msgspec.json.decode(get(f"/api/v1/models/{name}", models=ModelDesk(NOW_NS)).content)["offers"]
        for ref, offer in offers.items():
            for do in offer["can"]:
                wish = ActBody(ref, 7.0 if do == "canary" else 0.0)
                said = post(ModelDesk(NOW_NS), f"{name}/{do}", wish)
                assert said.status_code == (409 if do in offer["asks_force"] else 200), (ref, do, said.text)
                forced = post(ModelDesk(NOW_NS), f"{name}/{do}", msgspec.structs.replace(wish, force=True))
                assert forced.status_code == 200, (ref, do, forced.text)


@pytest.mark.parametrize(
    ("deed", "wish", "after"),
    [
        ("canary", ActBody("pump-anomaly@2.0.0", 10.0, "it is better"), {"pump-anomaly@2.0.0": "canary"}),
        ("promote", ActBody("pump-anomaly@2.0.0"), {"pump-anomaly@2.0.0": "active", "pump-anomaly@1.0.0": "retired"}),
        ("shadow", ActBody("pump-anomaly@2.1.0"), {"pump-anomaly@2.1.0": "shadow"}),
        ("rollback", ActBody(why="night shift"), {"pump-anomaly@0.9.0": "active", "pump-anomaly@1.0.0": "retired"}),
        ("retire", ActBody("pump-anomaly@2.0.0"), {"pump-anomaly@2.0.0": "retired"}),
        ("load", ActBody("pump-anomaly@3.0.0"), {"pump-anomaly@3.0.0": "candidate"}),
    ],
)
def test_a_change_is_passed_on_with_its_reason_and_answers_with_the_versions_after_it(
    desk: ModelDesk, deed: str, wish: ActBody, after: dict[str, str]
) -> None:
    said = post(desk, f"pump/{deed}", msgspec.structs.replace(wish, by="ann"))
    assert said.status_code == 200, said.text
    done = msgspec.json.decode(said.content, type=ActDone)
    assert after.items() <= {one.ref: one.state for one in done.versions}.items()
    do = "add" if deed == "load" else deed
    assert desk.asked == [("pump", Command(do, wish.version, wish.percent, "ann", wish.why))]  # type: ignore[arg-type]
    first = get("/api/v1/models/pump", models=desk).json()["history"][0]
    assert (first["do"], first["by"], first["why"]) == (do, "ann", wish.why)


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("pump/promote", {"version": "pump-anomaly@2.1.0"}, 409, "never ran in shadow"),
        ("pump/shadow", {"version": "pump-anomaly@1.0.0"}, 409, "is active"),
        ("pump/shadow", {"version": "pump-anomaly@9.0.0"}, 404, "no version"),
        ("pump/load", {"version": "pump-anomaly@2.0.0"}, 409, "already"),
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
        ("pump/shadow", {}, "which version is to shadow?"),
        ("pump/canary", {"version": "a@1"}, "percent=0 is not allowed"),
        ("pump/canary", {"version": "a@1", "percent": 100.5}, "percent=100.5 is not allowed"),
        ("pump/promote", {"version": "a@1", "percent": 10}, "means nothing to a promote"),
        ("pump/promote", {"version": "a@1", "wy": "x"}, "unknown field `wy`"),
        ("pump/promote", {"version": "a" * 300}, "`version` is too long"),
        ("pump/promote", {"version": "a@1", "why": "x\u0000"}, "`why` is too long, or has characters"),
        ("pump/promote", b"{", "the body can't be used"),
        ("pump/relearn", {"why": "x" * 501}, "`why` is too long"),
        ("pump/labels", {"device": "pump-1", "label": "normal", "start": "-1h", "end": "-2h"}, "after `end`"),
        ("pump/labels", {"device": "pump-1", "label": "normal", "start": "+1h", "end": "+2h"}, "not yet"),
        ("pump/labels", {"device": "", "label": "normal", "start": "-1h"}, "needs a device"),
        ("pump/labels", {"device": "pump-1", "label": "leaking", "start": "-1h"}, "no class of this model"),
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
    assert post(desk, "pump/delete", {"version": "a@1"}).status_code == 404
    assert call(make_deps(models=desk), "POST", "/api/v1/models", content=b"{}", headers=JSON).status_code == 405


def test_somebody_says_what_a_device_was(desk: ModelDesk) -> None:
    body = {"device": "pump-4", "start": "-2h", "end": "-1h", "label": "anomalous", "comment": "a leak", "by": "ann"}
    said = post(desk, "pump/labels", body)
    assert said.status_code == 201, said.text
    row = msgspec.json.decode(said.content, type=Label)
    assert (row.device, row.end_ns - row.start_ns, row.label, row.by) == ("pump-4", HOUR, "anomalous", "ann")
    listed = msgspec.json.decode(get("/api/v1/models/pump/labels?limit=1", models=desk).content, type=LabelList)
    assert ([one.id for one in listed.labels], listed.more) == ([row.id], row.id)
    older = get(f"/api/v1/models/pump/labels?before={row.id}", models=desk).json()["labels"]
    assert [(one["device"], one["alert"]) for one in older] == [("pump-3", 7)]
    assert get("/api/v1/models/pump/labels?device=pump-9", models=desk).json()["labels"] == []
    assert get("/api/v1/models/pump/labels?limit=0", models=desk).status_code == 400


def test_what_comes_from_now_on_is_taken_as_usual(desk: ModelDesk) -> None:
    said = post(desk, "occupancy/relearn", {"why": "new ventilation"})
    assert (said.status_code, said.json()["name"]) == (200, "occupancy")
    assert desk.asked == [("occupancy", "relearn")]
    assert post(desk, "press/relearn", {}).status_code == 404


class Failing(ModelDesk):
    """Whose acts end in an error of a room below."""

    error: HoldfastError

    async def act(self, deployment: str, wish: Command) -> ActDone:
        del deployment, wish
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StorageUnusable("no space left on device"), 507),
        (ModelUnknown("there is no model `a@1`"), 404),
        (DigestWrong(Path("model.onnx"), "ab" * 32, "cd" * 32), 409),
        (InferenceError("onnxruntime isn't installed"), 409),
    ],
)
def test_an_error_below_is_told_with_its_status(error: HoldfastError, status: int) -> None:
    desk = Failing(NOW_NS)
    desk.error = error
    said = post(desk, "pump/load", {"version": "a@1"})
    assert (said.status_code, said.json()["error"]) == (status, str(error))


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
        ("relearn", "POST"): Role.ADMIN,
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
