"""The models' routes over real lives, of a real node on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.running import Running
from tests.unit.inference.lifecycle.deployed import deployed
from tests.unit.inference.lifecycle.site import A, B, C


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with deployed(tmp_path_factory.mktemp("node")) as (one, _):
        yield one


def ask(node: Running, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    method = "GET" if body is None else "POST"
    answer = httpx.request(
        method, f"http://127.0.0.1:{node.port}/api/v1/models{path}", json=body, headers=headers, timeout=20
    )
    return answer.status_code, answer.json()


def test_deployments_are_listed_and_one_is_shown_with_all_there_is_to_say(node: Running) -> None:
    status, listed = ask(node, "")
    assert (status, [(one["name"], one["active"]) for one in listed["deployments"]]) == (200, [("pump", A)])
    status, shown = ask(node, "/pump")
    assert (status, shown["active"], shown["classes"]) == (200, A, ["normal", "fault"])
    assert {one["version"]: one["verdict"] for one in shown["comparisons"]}[B] == "worse"
    assert [one["name"] for one in shown["drift"]["columns"]] == ["x", "prediction", "label"]


def test_how_rows_lie_is_told_once_bins_are_laid(tmp_path: Path) -> None:
    with deployed(tmp_path) as (one, pumps):
        assert ask(one, "/pump")[1]["shapes"] == {}
        pumps.life.monitor.inputs.counts.edges[:3, 0, 0] = [-1.0, 0.0, 1.0]
        counts = pumps.life.monitor.inputs.counts
        counts.reference[:, 0, 0, :4] = 25
        counts.ring[:, 0, 0, :4] = [0, 10, 20, 10]
        shape = ask(one, "/pump")[1]["shapes"]["x"]
        assert shape == {"edges": [-1.0, 0.0, 1.0], "then": [0.25] * 4, "now": [0.0, 0.25, 0.5, 0.25]}


def test_a_canary_begins_grows_and_is_rolled_back(node: Running) -> None:
    assert ask(node, "/pump/shadow", {"version": C, "by": "ann", "why": "new data"})[0] == 200
    status, done = ask(node, "/pump/canary", {"version": C, "percent": 10, "by": "ann"})
    assert (status, done["done"][-1]["after"], done["done"][-1]["by"]) == (200, "canary", "ann")
    assert {one["ref"]: one["share"] for one in done["versions"]} == {A: 90.0, B: 0.0, C: 10.0}
    status, done = ask(node, "/pump/rollback", {"why": "odd"})
    assert (status, done["active"], done["done"][-1]["version"]) == (200, A, C)
    status, refused = ask(node, "/pump/promote", {"version": C})
    assert (status, refused["error"]) == (409, "pump@3 was taken back: odd")
    assert "--force" in refused["hint"]


def test_labels_are_taken_and_listed(node: Running) -> None:
    status, made = ask(
        node, "/pump/labels", {"device": "pump-1", "label": "fault", "start": "-1h", "end": "now", "by": "ann"}
    )
    assert (status, made["label"], made["by"], made["end_ns"] > made["start_ns"]) == (201, "fault", "ann", True)
    status, found = ask(node, "/pump/labels?limit=1&device=pump-1")
    assert (status, [one["id"] for one in found["labels"]], found["more"]) == (200, [made["id"]], 0)


def test_what_comes_from_now_on_may_be_the_new_normal(node: Running) -> None:
    status, shown = ask(node, "/pump/relearn", {})
    assert (status, shown["drift"]["rows"]) == (200, 0)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "said"),
    [
        ("?all=1", None, {}, 400, "unknown parameter 'all'"),
        ("/fan", None, {}, 404, "there is no deployment 'fan'"),
        ("/pump/labels?limit=0", None, {}, 400, "limit='0'"),
        ("/pump/explode", {"version": A}, {}, 404, "not found"),
        ("/pump/load", {"version": A}, {}, 409, "already"),
        ("/pump/promote", {}, {}, 400, "which version is to promote?"),
        ("/pump/promote", {"version": "pump@9"}, {}, 409, "pump@9 is in no store here"),
        ("/pump/retire", {"version": A}, {}, 409, "pump@1 is active"),
        ("/pump/canary", {"version": B, "percent": 200}, {}, 400, "percent=200 is not allowed"),
        ("/pump/canary", {"version": B, "percent": "all"}, {}, 400, "the body can't be used"),
        ("/pump/shadow", {"version": A, "colour": "red"}, {}, 400, "unknown field `colour`"),
        ("/pump/shadow", {"version": B}, {"Origin": "https://evil"}, 403, "not taken from a web page"),
        ("/pump/labels", {"device": "pump-1", "label": "odd", "start": "-1h"}, {}, 400, "'odd' is no class"),
        ("/pump/labels", {"device": "pump-1", "label": "fault", "start": "soon"}, {}, 400, "start='soon' is no time"),
        ("/pump/labels", {"device": "", "label": "fault", "start": "-1h"}, {}, 400, "needs a device"),
        ("/fan/labels", {"device": "d", "label": "fault", "start": "-1h"}, {}, 404, "no deployment 'fan'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_do(
    node: Running, path: str, body: Any, headers: dict[str, str], status: int, said: str
) -> None:
    found, answer = ask(node, path, body, **headers)
    assert (found, said in answer["error"]) == (status, True), answer
