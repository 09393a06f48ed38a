"""What people do at a hub about a site's alerts reaches the site: at once, after an outage, and through kills, once."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from tests.system.fleet_of_sites import Fleet, fleet
from tests.system.people.site import Webhook

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Webhook]]:
    folder: Path = tmp_path_factory.mktemp("acts")
    hook = Webhook(folder / "hook")
    hook.start()
    calls = (
        f"channels:\n  pager: {{webhook: {{url: 'http://127.0.0.1:{hook.port}/'}}, takes: {{}}, repeat: 1s}}\n"
        f"  boss: {{webhook: {{url: 'http://127.0.0.1:{hook.port}/'}}}}\n"
        "escalations: {later: {steps: [{after: 60s, channel: boss}], takes: {}}}\n"
    )
    made = fleet(folder, york=calls, leeds="alerts: {from_parent: false}\n")
    yield made, hook
    made.stop()
    hook.kill()


def post(works: Fleet, path: str, body: dict[str, Any]) -> httpx.Response:
    return works.client.post(f"https://127.0.0.1:{works.hub}/api/v1/{path}", json=body)


def raised(works: Fleet, site: str, device: str) -> dict[str, Any]:
    """An alert of a device at the site, as the hub has it."""
    works.send(site, device, 80)
    works.until(lambda: bool(works.get("alerts", device=device, node=site).json()))
    found: dict[str, Any] = works.get("alerts", device=device, node=site).json()[0]
    return found


def at_site(works: Fleet, site: str, device: str) -> dict[str, Any]:
    found: dict[str, Any] = works.get("alerts", at=site, device=device, state="all").json()[0]
    return found


def kinds(works: Fleet, alert: dict[str, Any]) -> list[tuple[str, str]]:
    lines = works.get(f"alerts/{alert['id']}/timeline").json()
    return [(one["kind"], one["detail"]) for one in lines]


def audited(works: Fleet, site: str) -> list[str]:
    with contextlib.closing(sqlite3.connect(f"file:{works.folder / site / 'journal.db'}?mode=ro", uri=True)) as db:
        return [text for (text,) in db.execute("SELECT body FROM audit_log ORDER BY id")]


def test_an_acknowledgement_at_the_hub_ends_the_reminders_and_the_escalation_at_the_site(
    works: tuple[Fleet, Webhook],
) -> None:
    fleet, hook = works
    alert = raised(fleet, "york", "press-1")
    fleet.until(lambda: len(hook.taken()) >= 2)
    began = time.monotonic()
    answer = post(fleet, f"alerts/{alert['id']}/acknowledge", {"by": "alice", "comment": "on my way"})
    assert answer.status_code == 200, answer.text
    fleet.until(lambda: at_site(fleet, "york", "press-1")["acknowledged_by"] == "alice at hub")
    assert time.monotonic() - began < 10
    site = at_site(fleet, "york", "press-1")
    assert site["comment"] == "on my way"
    assert fleet.get(f"alerts/{site['id']}", at="york").json()["next_steps"] == []
    fleet.until(lambda: fleet.get(f"alerts/{alert['id']}").json()["below"] == "done")
    assert ("arrived", "acknowledge: on my way") in kinds(fleet, alert)
    many = len(hook.taken())
    time.sleep(2.5)
    assert len(hook.taken()) <= many + 1, "one may have been on its way"
    assert [one for one in audited(fleet, "york") if "alice at hub" in one and "parent/local" in one]
    assert [one for one in audited(fleet, "hub") if f"alerts/{alert['id']}/acknowledge" in one]


def test_what_is_said_while_the_site_is_away_waits_and_is_done_once_through_kills_of_both(
    works: tuple[Fleet, Webhook],
) -> None:
    fleet, _ = works
    alert = raised(fleet, "york", "press-2")
    fleet.cut("york")
    assert post(fleet, f"alerts/{alert['id']}/acknowledge", {"by": "bob"}).status_code == 200
    assert post(fleet, f"alerts/{alert['id']}/acknowledge", {"by": "bob"}).status_code == 200
    said = post(fleet, f"alerts/{alert['id']}/comments", {"by": "bob", "comment": "the fan is stuck"})
    assert (said.status_code, said.json()["state"]) == (202, "waiting")
    row = next(one for one in fleet.get("alerts").json() if one["id"] == alert["id"])
    assert row["below"] == "waiting"
    fleet.kill("hub")
    fleet.start("hub")
    fleet.wait_up("hub")
    assert fleet.get(f"alerts/{alert['id']}").json()["below"] == "waiting"
    fleet.cables["york"].restore()
    fleet.kill("york")
    fleet.start("york")
    fleet.wait_up("york")
    fleet.until(lambda: fleet.get(f"alerts/{alert['id']}").json()["below"] == "done", 60)
    number = at_site(fleet, "york", "press-2")["id"]
    story = fleet.get(f"alerts/{number}/timeline", at="york").json()
    assert [one["who"] for one in story if one["kind"] == "acknowledged"] == ["bob at hub"]
    assert [one["detail"] for one in story if one["kind"] == "commented"] == ["the fan is stuck"]
    fleet.until(lambda: [one for one in kinds(fleet, alert) if one[0] == "commented"] != [])
    assert [one for one in kinds(fleet, alert) if one[0] == "commented"] == [("commented", "the fan is stuck")]
    assert len([one for one in kinds(fleet, alert) if one[0] == "sent"]) == 2


def test_a_site_says_why_it_refuses(works: tuple[Fleet, Webhook]) -> None:
    fleet, _ = works
    alert = raised(fleet, "york", "press-3")
    body = {"do": "rejected", "event": alert["event"], "by": "eve", "text": "it was a test"}
    assert post(fleet, "sites/york/acts", body).status_code == 202
    fleet.until(lambda: fleet.get(f"alerts/{alert['id']}").json()["below"] == "refused")
    assert any(kind == "turned_away" and "no detector's" in why for kind, why in kinds(fleet, alert))
    fleet.cut("york")
    assert post(fleet, "sites/york/acts", body | {"do": "acknowledge"}).status_code == 202
    fleet.send("york", "press-3", 20)
    fleet.until(lambda: at_site(fleet, "york", "press-3")["state"] == "closed")
    fleet.cables["york"].restore()
    over = "acknowledge: the alert was over when this came"
    fleet.until(lambda: ("turned_away", over) in kinds(fleet, alert), 60)
    gone = post(fleet, "sites/york/acts", {"do": "comment", "event": "0" * 32, "by": "eve", "text": "which?"})
    assert gone.status_code == 202
    number = gone.json()["id"]
    fleet.until(lambda: fleet.get(f"commands/{number}").json()["state"] == "refused")
    assert "isn't known here" in fleet.get(f"commands/{number}").json()["detail"]


def test_a_site_that_takes_nothing_from_its_parent_is_left_alone_and_the_hub_says_so(
    works: tuple[Fleet, Webhook],
) -> None:
    fleet, _ = works
    alert = raised(fleet, "leeds", "press-4")
    assert "from_parent" in fleet.get(f"alerts/{alert['id']}").json()["unable"]
    refused = post(fleet, f"alerts/{alert['id']}/label", {"by": "eve", "label": "rejected"})
    assert refused.status_code == 409
    assert "leeds can't take it from here" in refused.json()["error"]
    assert post(fleet, f"alerts/{alert['id']}/acknowledge", {"by": "eve"}).json()["acknowledged_by"] == "eve"
    assert at_site(fleet, "leeds", "press-4")["acknowledged_ns"] == 0
    for wrong in ({"event": "a" * 300}, {"event": "a\nb"}, {"event": "", "do": "acknowledge"}):
        said = {"do": "comment", "by": "eve", "text": "x"} | wrong
        assert post(fleet, "sites/york/acts", said).status_code == 400, "it would stand in the way of all others"
    assert post(fleet, "sites/nowhere/acts", {"do": "unsilence", "silence": 1, "by": "eve"}).status_code in (404, 409)


def test_a_silence_is_made_at_the_site_and_taken_back(works: tuple[Fleet, Webhook]) -> None:
    fleet, _ = works
    body = {"do": "silence", "by": "alice", "text": "belt work", "until": "+1h", "match": {"devices": ["belt-*"]}}
    assert post(fleet, "sites/york/acts", body).status_code == 202
    fleet.until(lambda: fleet.get("silences", at="york").json() != [])
    (made,) = fleet.get("silences", at="york").json()
    assert (made["by"], made["why"], made["match"]) == ("alice at hub", "belt work", {"devices": ["belt-*"]})
    assert fleet.get("silences").json() == []
    assert post(fleet, "sites/york/acts", {"do": "unsilence", "silence": made["id"], "by": "al"}).status_code == 202
    fleet.until(lambda: fleet.get("silences", at="york").json() == [])


def test_a_silence_of_the_hub_that_names_a_site_is_made_there_too_and_ends_with_it(
    works: tuple[Fleet, Webhook],
) -> None:
    fleet, _ = works
    fleet.cut("york")
    body = {"by": "alice", "why": "works", "until": "+1h", "match": {"nodes": ["york", "leeds"], "rules": ["overheat"]}}
    made = post(fleet, "silences", body).json()
    fleet.cables["york"].restore()
    fleet.until(lambda: [one["by"] for one in fleet.get("silences", at="york").json()] == ["alice at hub"], 60)
    assert fleet.get("silences", at="leeds").json() == [], "it takes none"
    gone = fleet.client.request("DELETE", f"https://127.0.0.1:{fleet.hub}/api/v1/silences/{made['id']}")
    assert gone.status_code == 200, gone.text
    fleet.until(lambda: fleet.get("silences", at="york").json() == [])


@pytest.mark.slow
def test_twenty_comments_are_each_there_once_whoever_is_killed_meanwhile(works: tuple[Fleet, Webhook]) -> None:
    fleet, _ = works
    alert = raised(fleet, "york", "press-9")
    texts = [f"note {n}" for n in range(20)]
    chance, killed = Random(7), ["york", "hub", "york", "hub"]
    for n, text in enumerate(texts):
        answer = post(fleet, "sites/york/acts", {"do": "comment", "event": alert["event"], "by": "ann", "text": text})
        assert answer.status_code == 202, answer.text
        if n % 5 == 4:
            time.sleep(chance.uniform(0, 0.15))  # somewhere between the order, the act, its end and its way up
            name = killed.pop()
            fleet.kill(name)
            fleet.start(name)
            fleet.wait_up(name)
    fleet.until(lambda: fleet.get(f"alerts/{alert['id']}").json()["below"] == "done", 90)
    fleet.until(lambda: len([one for one in kinds(fleet, alert) if one[0] == "commented"]) == len(texts), 60)
    number = at_site(fleet, "york", "press-9")["id"]
    there = [one["detail"] for one in fleet.get(f"alerts/{number}/comments", at="york").json()]
    assert sorted(there) == sorted(texts)
    assert sorted(detail for kind, detail in kinds(fleet, alert) if kind == "commented") == sorted(texts)
    assert len([one for one in audited(fleet, "york") if "note " in one]) == len(texts)
