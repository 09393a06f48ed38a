"""The routes for single alerts and for planned works, of a real node on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.events import alert
from tests.running import Running, running
from tests.unit.web.test_alerts import ask, put


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("node")) as one:
        one.do(put(one, alert(1, device="press-1")))
        yield one


def test_an_alert_says_what_to_look_at_and_what_became_of_it(node: Running) -> None:
    why = {"decided_on": "gw", "condition": "test.n > 5 and t <= -2.5", "reads": ["test.n"], "since": 5}
    node.do(put(node, alert(20, device="press-9", why=why, ts=10**18)))
    number = ask(node, "alerts?device=press-9")[1][0]["id"]
    status, one = ask(node, f"alerts/{number}")
    assert (status, one["comments"], one["maintenance"], one["rule_text"], one["label"]) == (200, 0, 0, None, "")
    around = one["around"]
    assert around["series"] == []  # the device has sent nothing here
    assert around["from_ns"] < 5 < 10**18 < around["to_ns"]
    assert [(found["value"], found["above"]) for found in around["thresholds"]] == [(5, True), (-2.5, False)]
    status, said = ask(node, f"alerts/{number}/comments", {"by": "ann", "comment": "<script>alert(1)</script>"})
    assert (status, said["who"], said["kind"]) == (201, "ann", "commented")
    assert ask(node, f"alerts/{number}/comments") == (200, [said])
    assert [row["kind"] for row in ask(node, f"alerts/{number}/timeline")[1]] == ["commented", "raised"][::-1]
    assert ask(node, "alerts?device=press-9")[1][0]["comments"] == 1


def test_works_are_planned_listed_and_ended(node: Running) -> None:
    wanted = {"match": {"labels": ["hall-7"]}, "to": "+2h", "by": "ann", "why": "belt"}
    status, made = ask(node, "maintenance", wanted)
    assert (status, made["state"], made["name"], made["match"]) == (201, "now", "", {"labels": ["hall-7"]})
    weekly = {"hours": {"days": ["mon-fri"], "from": "22:00", "to": "06:00"}, "from": "+30d", "by": "ann", "why": "off"}
    status, later = ask(node, "maintenance", weekly)
    assert (status, later["state"], later["to_ns"]) == (201, "planned", 0)
    assert 0 < later["next_from_ns"] < later["next_to_ns"]
    assert [one["id"] for one in ask(node, "maintenance")[1]] == [later["id"], made["id"]]
    for number in (made["id"], later["id"]):
        assert ask(node, f"maintenance/{number}", method="DELETE") == (200, {"id": number})
    assert ask(node, "maintenance") == (200, [])
    assert {one["state"] for one in ask(node, "maintenance?all=true")[1]} == {"over"}


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "said"),
    [
        ("maintenance", {"by": "ann", "why": "x"}, {}, 400, "come once have an end"),
        ("maintenance", {"by": "ann", "why": "x", "to": "-1h"}, {}, 400, "in the past"),
        ("maintenance", {"by": "ann", "why": "x", "hours": {"from": "26:00"}}, {}, 400, "the body can't be read"),
        ("maintenance", {"by": "ann", "why": "x", "hours": {"zone": "Mars/Base"}}, {}, 400, "`hours` can't be"),
        ("maintenance", {"by": "ann", "why": "x", "to": "+1h"}, {"Origin": "https://evil"}, 403, "from a web page"),
        ("maintenance/99", None, {}, 404, "no maintenance window 99"),
        ("alerts/1/comments", {"by": "ann", "comment": " "}, {}, 400, "`comment` is empty"),
        ("alerts/1/comments", {"by": "ann", "comment": "x"}, {"Origin": "https://evil"}, 403, "from a web page"),
        ("alerts/99/comments", {"by": "ann", "comment": "x"}, {}, 404, "there is no alert 99"),
        ("alerts/99/timeline", b"", {}, 404, "there is no alert 99"),
    ],
)
def test_stories_and_works_that_make_no_sense_are_refused(
    node: Running, path: str, body: Any, headers: dict[str, str], status: int, said: str
) -> None:
    method = "DELETE" if path == "maintenance/99" else "GET" if body == b"" else "POST"
    found, answer = ask(node, path, body, method, **headers)
    assert (found, said in answer["error"]) == (status, True), answer
