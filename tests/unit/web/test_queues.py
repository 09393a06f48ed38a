"""The doors for applications, on a real node: who may do what, what is refused, what the answers say."""

import base64
import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.running import Running, running

ID = base64.b64encode(bytes(16)).decode()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("node")) as one:
        yield one


def ask(
    node: Running, what: str, body: object = None, app: str = "shop", method: str = "POST", **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
    if app:
        headers["Authorization"] = f"Bearer {(node.folder / f'{app}.token').read_text().strip()}"
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    connection.request(method, f"/api/v1/queues{what}", data, {"Content-Type": "application/json"} | headers)
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    return answer.status, found


def put(*numbers: int, stream: str, body: bytes = b"x", **more: object) -> dict[str, object]:
    text = base64.b64encode(body).decode()
    return {"stream": stream, "messages": [{"n": n, "body": text} for n in numbers], **more}


def test_a_put_is_answered_with_how_far_the_stream_is_taken(node: Running) -> None:
    status, told = ask(node, "/stock/put", put(1, 2, stream="a"))
    assert (status, told["mark"]["n"], told["stored"]) == (200, 2, 2)
    assert ask(node, "/stock/put", put(1, 2, stream="a")) == (200, {"mark": told["mark"], "repeated": 2})
    other = put(2, stream="a", body=b"another")
    status, refused = ask(node, "/stock/put", other)
    assert (status, refused["mark"]) == (409, told["mark"])
    assert "older image" in refused["hint"]


def test_nobody_may_do_what_node_yaml_does_not_say(node: Running) -> None:
    body = put(1, stream="b")
    assert ask(node, "/stock/put", body, app="")[0] == 401
    assert ask(node, "/stock/put", body, app="", Authorization="Bearer hf1.0." + "x" * 43)[0] == 401
    for app, what in (
        ("guest", "/stock/put"),
        ("guest", "/stock/lease"),
        ("shop", "/other/put"),
        ("shop", "/passing/ack"),
    ):
        status, told = ask(node, what, {}, app=app)
        assert status == 403
        assert f"apps.{app}" in told["hint"]


MALFORMED: list[tuple[object, int, str]] = [
    (b"{", 400, "can't be read"),
    (put(1, stream="c", extra=1), 400, "extra"),
    (put(1, stream="c/d"), 400, "stream"),
    (put(stream="c"), 400, "length >= 1"),
    (put(0, stream="c"), 400, ">= 1"),
    (put(2**53, stream="c"), 400, "<="),
    (put(2, 2, stream="c"), 400, "ascend"),
    (put(1, stream="c", after={"n": -1}), 400, ">= 0"),
    (put(1, stream="c", body=bytes(1_000_001)), 400, "length <= 1000000"),
    (put(1, 2, 3, stream="c", body=bytes(900_000)), 413, "together"),
    (bytes((4 << 20) + 1), 413, "larger than"),
    ({"stream": "c", "messages": [{"n": 1, "body": "?"}]}, 400, "base64"),
]


@pytest.mark.parametrize(("body", "status", "said"), MALFORMED)
def test_a_malformed_put_is_refused_with_what_is_wrong(node: Running, body: object, status: int, said: str) -> None:
    found, told = ask(node, "/stock/put", body)
    assert found == status
    assert said in told["error"]
    assert told["hint"]


def test_a_consumer_leases_acks_and_gives_back(node: Running) -> None:
    ask(node, "/orders/put", put(1, 2, stream="d", body=b"tea"))
    status, handed = ask(node, "/orders/lease", {"most": 10, "wait_s": 1})
    first, second = handed["messages"]
    assert (status, handed["lease_s"], first["source"], first["n"]) == (200, 0.3, "gw/shop/d", 1)
    assert base64.b64decode(first["body"]) == b"tea"
    assert ask(node, "/orders/ack", {"lease": handed["lease"], "places": [first["place"]]}) == (200, {"acked": 1})
    reason = {"lease": handed["lease"], "place": second["place"], "reason": "later"}
    assert ask(node, "/orders/nack", {**reason, "counts": False}) == (200, {"dead": False})
    assert ask(node, "/orders/nack", reason)[0] == 409
    assert ask(node, "/orders/ack", {"lease": "no", "places": [1]})[0] == 409
    again = ask(node, "/orders/lease", {})[1]
    assert [(one["n"], one["attempts"]) for one in again["messages"]] == [(2, 0)]
    bury = {"lease": again["lease"], "place": second["place"], "reason": "nonsense", "dead": True}
    assert ask(node, "/orders/nack", bury) == (200, {"dead": True})
    listed = {one["queue"]: one for one in ask(node, "", method="GET", app="")[1]}
    assert (listed["orders"]["acked"], listed["orders"]["dead"], listed["orders"]["residual"]) == (1, 1, 0)
    (letter,) = ask(node, "/orders/dead", method="GET", app="")[1]
    assert (letter["reason"], base64.b64decode(letter["body"])) == ("nonsense", b"tea")
    replay = {"do": "replay", "places": [letter["place"], 99]}
    assert ask(node, "/orders/dead", replay, app="") == (200, {"done": 1})
    assert ask(node, "/orders/dead", {"do": "drop"}, app="") == (200, {"done": 0})


def test_dead_letters_are_for_this_machine_and_no_web_page(node: Running) -> None:
    assert ask(node, "/orders/dead", {"do": "drop"}, app="", Origin="https://elsewhere")[0] == 403
    assert ask(node, "/orders/dead", {"do": "drop"}, app="", **{"Content-Type": "text/plain"})[0] == 415
    assert ask(node, "/orders/dead", {"do": "burn"}, app="")[0] == 400
    assert ask(node, "/none/dead", method="GET", app="")[0] == 404


def test_queues_show_in_the_metrics(node: Running) -> None:
    ask(node, "/stock/put", put(1, stream="e"))
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    for line in ('holdfast_queue_queued_total{queue="stock"}', "holdfast_queue_waiting ", "holdfast_queue_dead "):
        assert line in text
