"""Rules in a real node: killed at every batch boundary, edited under load, and what they tell of it."""

import json
import random
import signal
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port
from tests.system.kill.site import START_S, Site
from tests.unit.adapters.mqtt.doubles import connect, publish

from holdfast.journal.blobs import decode_events
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.reader import JournalReader
from holdfast.journal.records import GroupKind
from holdfast.model.event import Event
from holdfast.model.lane import Lane

pytestmark = pytest.mark.system
BATCHES, MESSAGES = 24, 8
PROFILE = """profiles:
  press:
    topic: plant/{device}
    version: 1
    time: {field: ts, unit: s}
    id: id
    fields:
      t: {metric: temperature, unit: Cel, optional: true}
      p: {metric: pressure, unit: bar, optional: true}
"""
RULES = """rules:
  hot:
    select: avg(temperature) as t, count(temperature) as n
    window: sliding 5 samples
    when: t > 60
    for: 2 samples
    clear_when: t < 55
  tight:
    select: max(pressure) as p, min(pressure) as low
    window: sliding 3 samples
    when: p - low > 3
  both:
    select: temperature, pressure
    when: temperature > 65 and pressure > 6
"""
Batch = list[tuple[str, bytes]]


class Press:
    """A node with rules, and devices that publish to it with QoS 1."""

    def __init__(self, folder: Path, rules: str = RULES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.site, self.folder, self.api = Site(folder), folder, free_port()
        (folder / "press.yaml").write_text(PROFILE)
        self.write(rules)
        (folder / "gw.yaml").write_text(
            "node: gw\ndata: gw\nprofiles: [press.yaml]\nrules: [rules.yaml]\njournal: {ballast: 0MB}\n"
            "intake: {checkpoint_every: 10m}\n"
            f"mqtt: {{listen: '127.0.0.1:{self.site.mqtt}', anonymous: true}}\n"
            f"api: {{listen: '127.0.0.1:{self.api}'}}\n"
        )

    def write(self, rules: str) -> None:
        (self.folder / "rules.yaml").write_text(rules)

    def up(self) -> None:
        self.site.bring_up(["gw"])

    def kill(self) -> None:
        self.site.kill("gw")

    def publish(self, batch: Batch, *, await_stored: bool = True) -> None:
        """One device after the other on one connection; with `await_stored` until every PUBACK is here."""
        with socket.create_connection(("127.0.0.1", self.site.mqtt), timeout=30) as line:
            line.sendall(connect("presses"))
            assert line.recv(4)[:1] == b"\x20"
            line.sendall(b"".join(publish(t, body, pid=i) for i, (t, body) in enumerate(batch, 1)))
            wanted, got = 4 * len(batch) if await_stored else 0, 0
            while got < wanted:
                more = line.recv(4096)
                assert more, self.site.log("gw")
                got += len(more)

    def events(self) -> list[Event]:
        reader = JournalReader(self.folder / "gw" / FILE_NAME)
        try:
            groups = [g for lane in (Lane.CRITICAL, Lane.NORMAL) for g in reader.read(lane, 0, 10**6)]
            return [e for g in groups if g.kind is GroupKind.EVENTS for e in decode_events(g.blob)]
        finally:
            reader.close()

    def ask(self, path: str, *, post: bool = False) -> Any:
        url = f"http://127.0.0.1:{self.api}/api/v1/{path}"
        body, headers = (b"{}", {"Content-Type": "application/json"}) if post else (None, {})
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def a_press(folder: Path, rules: str = RULES) -> Iterator[Press]:
    press = Press(folder, rules)
    press.up()
    try:
        yield press
    finally:
        press.site.stop()


def eventually(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    until = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < until, what()
        time.sleep(0.05)


def a_story(batches: int, seed: int = 6) -> list[Batch]:
    """Messages of five presses, a second apart, an hour ago."""
    rng, start = random.Random(seed), int(time.time()) - 3_600
    number, story = 0, []
    for _ in range(batches):
        batch = []
        for _ in range(MESSAGES):
            number += 1
            body = {"id": number, "ts": start + number, "t": rng.gauss(57, 14), "p": rng.gauss(5, 1.5)}
            if rng.random() < 0.3:
                del body[rng.choice("tp")]
            batch.append((f"plant/press-{rng.randrange(5)}", json.dumps(body).encode()))
        story.append(batch)
    return story


def facts(events: list[Event]) -> list[tuple[str, ...]]:
    return [(e.id, e.rule, e.device, e.kind, str(e.ts), json.dumps(e.why, sort_keys=True)) for e in events]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_node_killed_at_every_batch_tells_what_one_that_lived_tells(tmp_path: Path) -> None:
    story = a_story(BATCHES)
    with a_press(tmp_path / "lived") as press:
        for batch in story:
            press.publish(batch)
        press.kill()
        lived = facts(press.events())
    with a_press(tmp_path / "killed") as press:
        for i, batch in enumerate(story):
            if i % 3 == 2:  # in the midst of it: what isn't acknowledged is sent again
                press.publish(batch, await_stored=False)
                press.kill()
                press.up()
            press.publish(batch)
            press.kill()
            press.up()
        press.kill()
        killed = facts(press.events())
    assert len(lived) > 2 * BATCHES
    assert len({fact[0] for fact in killed}) == len(killed)
    assert killed == lived


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_thirty_edits_under_load_lose_no_window_that_they_did_not_touch(tmp_path: Path) -> None:
    rng, story = random.Random(7), a_story(31, seed=8)
    with a_press(tmp_path / "alone") as press:
        for batch in story:
            press.publish(batch)
        press.kill()
        alone = facts(press.events())
    other = "  edited:\n    select: avg(temperature) as t\n    window: sliding {n} samples\n    when: t > {limit}\n"
    with a_press(tmp_path / "edited") as press:
        for i, batch in enumerate(story):
            press.publish(batch[:4])
            edited = other.format(n=rng.randrange(2, 5), limit=rng.randrange(50, 60)) if i % 4 else ""
            press.write(RULES + edited)
            if i % 2:
                press.site.processes["gw"].send_signal(signal.SIGHUP)
            else:
                done = press.ask("rules/reload", post=True)
                assert done["problems"] == []
                assert {one["rule"] for one in done["rules"] if one["fate"] == "unchanged"} >= {"hot", "tight", "both"}
            press.publish(batch[4:])
            if i % 10 == 9:
                press.kill()
                press.up()
        listed = press.ask("rules")
        assert {"hot", "tight", "both"} <= {row["rule"] for row in listed["rules"]}
        press.kill()
        assert [fact for fact in facts(press.events()) if fact[1] != "edited"] == alone
        assert any(e.rule == "edited" for e in press.events())


def test_an_invalid_file_is_refused_as_a_whole_and_told_everywhere(tmp_path: Path) -> None:
    with a_press(tmp_path) as press:
        hot = [("plant/press-1", json.dumps({"id": n, "ts": time.time() - 60 + n, "t": 99}).encode()) for n in range(3)]
        press.publish(hot[:2])
        press.write(RULES.replace("t > 60", "t >> 60").replace("sliding 3 samples", "sliding 3 apples"))
        eventually(lambda: "RulesRefused" in press.site.log("gw"), lambda: press.site.log("gw"))  # within seconds
        assert "problems=2" in press.site.log("gw")
        status = press.ask("status")["rules"]
        assert (status["rules"], status["raised"], len(status["problems"])) == (3, 1, 2)
        assert "rules.yaml:5" in status["problems"][0]
        done = press.ask("rules/reload", post=True)
        assert (done["rules"], len(done["problems"])) == ([], 2)
        with urllib.request.urlopen(f"http://127.0.0.1:{press.api}/metrics", timeout=30) as answer:
            metrics = answer.read().decode()
        assert "holdfast_rules_refused 1.0" in metrics
        assert 'holdfast_rule_decisions_total{rule="hot",window=""} 1.0' in metrics
        press.write(RULES)
        assert press.ask("rules/reload", post=True)["problems"] == []
        press.publish(hot[2:])  # the former rules went on meanwhile
        (row,) = [row for row in press.ask("rules")["rules"] if row["rule"] == "hot"]
        assert (row["open"], row["evaluations"], row["text"]["window"]) == (["gw/press-1"], 3, "sliding 5 samples")


def test_an_edit_made_while_the_node_is_down_decides_nothing_anew_and_ends_what_it_must(tmp_path: Path) -> None:
    with a_press(tmp_path) as press:
        hot = [("plant/press-1", json.dumps({"id": n, "ts": time.time() - 60 + n, "t": 99}).encode()) for n in range(2)]
        press.publish(hot)
        press.kill()
        first = press.events()
        assert [(e.rule, e.kind) for e in first] == [("hot", "alert.raised")]
        press.write(RULES.replace("when: t > 60", "when: t > 60 and n > 0").replace("  tight:", "  tighter:"))
        press.up()
        eventually(lambda: len(press.events()) > 1, lambda: press.site.log("gw"))
        ended = press.events()[-1]
        assert (ended.rule, ended.kind) == ("hot", "alert.cleared")
        assert "changed" in str(ended.why)
        press.kill()
        press.up()
        press.kill()
        assert len(press.events()) == 2
