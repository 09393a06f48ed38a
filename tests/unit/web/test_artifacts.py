"""The artifact routes of a real node: who may, how much at once, and what is refused."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import httpx
import pytest
from tests.running import Running, running

from holdfast.web.artifacts import ArtifactRoutes

BODY = bytes(range(256)) * 2_000
DIGEST = sha256(BODY).hexdigest()
SETTINGS = """
node: gw
api: {listen: "127.0.0.1:0"}
journal: {ballast: 0MB}
artifacts: {max_bytes: 1MB, largest: 600kB, per_child: 1}
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("artifacts")
    (folder / "shop.token").write_text("")
    (folder / "node.yaml").write_text(SETTINGS)
    with running(folder) as one:
        yield one


def call(node: Running, method: str, path: str = "", **more: Any) -> httpx.Response:
    return httpx.request(method, f"http://127.0.0.1:{node.port}/api/v1/artifacts{path}", timeout=20, **more)


def put(node: Running, body: bytes = BODY, query: str = "?name=model.onnx") -> httpx.Response:
    return call(node, "PUT", f"/{sha256(body).hexdigest()}{query}", content=body)


def empty(node: Running) -> None:
    """Whatever other tests left."""
    for one in call(node, "GET").json()["artifacts"]:
        call(node, "POST", f"/{one['digest']}/pin", json={"on": False})
        assert call(node, "DELETE", f"/{one['digest']}").status_code == 200


def test_a_file_is_put_read_in_ranges_pinned_and_removed(node: Running) -> None:
    empty(node)
    assert put(node).json()["name"] == "model.onnx"
    assert put(node).status_code == 201  # twice is harmless
    whole = call(node, "GET", f"/{DIGEST}")
    assert (whole.status_code, whole.content, whole.headers["etag"]) == (200, BODY, f'"{DIGEST}"')
    part = call(node, "GET", f"/sha256:{DIGEST}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, BODY[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(BODY)}"
    assert call(node, "GET", f"/{DIGEST}", headers={"Range": "bytes=900000-"}).status_code == 416
    assert call(node, "HEAD", f"/{DIGEST}").headers["content-length"] == str(len(BODY))
    listed = call(node, "GET").json()
    assert [(one["digest"], one["pinned"]) for one in listed["artifacts"]] == [(DIGEST, True)]
    assert call(node, "DELETE", f"/{DIGEST}").status_code == 409
    assert call(node, "POST", f"/{DIGEST}/pin", json={"on": False}).json()["pinned"] is False
    assert call(node, "POST", f"/{DIGEST}/fetch", json={}).json()["artifact"]["digest"] == DIGEST
    assert call(node, "DELETE", f"/{DIGEST}").status_code == 200
    assert call(node, "GET", f"/{DIGEST}").status_code == 404
    done = httpx.get(f"http://127.0.0.1:{node.port}/api/v1/audit?kind=artifacts").json()["lines"]
    assert {one["what"].split()[0] for one in done} == {"PUT", "POST", "DELETE"}
    assert all(len(one["body"]) < 100 for one in done)


@pytest.mark.parametrize(
    ("body", "digest", "status"),
    [
        (b"other", DIGEST, 422),
        (b"x" * 700_000, sha256(b"x" * 700_000).hexdigest(), 413),
        (b"x", "nonsense", 400),
        (b"x", "..%2f..%2fetc%2fpasswd", 404),
    ],
)
def test_what_is_not_what_it_says_is_not_taken(node: Running, body: bytes, digest: str, status: int) -> None:
    reply = call(node, "PUT", f"/{digest}", content=body)
    assert reply.status_code == status
    assert reply.json()["error"]


def test_a_stream_of_unknown_length_is_cut_at_the_bound(node: Running) -> None:
    many = (b"x" * 65_536 for _ in range(1_000))
    assert call(node, "PUT", f"/{DIGEST}", content=many).status_code == 413


def test_a_put_that_does_not_fit_beside_what_is_pinned_says_so(node: Running) -> None:
    empty(node)
    first, second = b"1" * 590_000, b"2" * 590_000
    assert put(node, first).status_code == 201
    refused = put(node, second)
    assert (refused.status_code, "artifacts.max_bytes" in refused.json()["error"]) == (507, True)
    gone = sha256(first).hexdigest()
    assert call(node, "POST", f"/{gone}/pin", json={"on": False}).status_code == 200
    assert put(node, second).status_code == 201
    assert call(node, "GET", f"/{gone}").status_code == 404
    empty(node)


def test_who_reads_slowly_is_let_in_once_and_who_leaves_makes_room(node: Running) -> None:
    assert put(node).status_code == 201
    url = f"http://127.0.0.1:{node.port}/api/v1/artifacts/{DIGEST}"
    with httpx.stream("GET", url) as slow:
        assert next(slow.iter_raw(1))
    assert httpx.get(url).status_code == 200
    routes = [route for route in node.real.web._config.app.routes if "artifacts" in getattr(route, "path", "")]  # type: ignore[union-attr]  # it serves
    room = next(route.endpoint.__self__ for route in routes)
    assert isinstance(room, ArtifactRoutes)
    room._reading["person "] += 1
    busy = httpx.get(url)
    assert (busy.status_code, busy.headers["retry-after"]) == (429, "2")
    room._reading["person "] -= 1
    assert httpx.get(url).status_code == 200


def test_without_a_login_a_stranger_on_the_network_gets_nothing(node: Running) -> None:
    for path in ("", f"/{DIGEST}"):
        assert call(node, "GET", path, headers={"X-Forwarded-For": "10.0.0.9"}).status_code == 403
        assert call(node, "GET", path, headers={"Authorization": "Bearer hf1.0.x"}).status_code == 401
    strange = {"X-Forwarded-For": "10.0.0.9"}
    assert call(node, "PUT", f"/{DIGEST}", content=BODY, headers=strange).status_code == 403
    assert call(node, "PUT", f"/{DIGEST}", content=BODY, headers={"Origin": "https://evil.example"}).status_code == 403
