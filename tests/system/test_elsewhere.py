"""One answer across nodes: the hub shows what is still at the site, the gateway what it has let go."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.chain import Chain, chain

pytestmark = pytest.mark.system


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Chain]:
    made = chain(tmp_path)
    yield made
    made.stop()


def through(last: int, first: int = 1) -> list[int]:
    return list(range(first, last + 1))


@pytest.mark.timeout(150)
def test_the_hub_shows_rows_that_are_still_at_the_site_and_every_row_once(nodes: Chain) -> None:
    nodes.bring_up(["hub", "region", "gw"])
    nodes.publish(40)
    nodes.until("hub", through(40), site="false")
    nodes.configure(link=nodes.hold_back())
    nodes.restart("gw")
    nodes.publish(30)
    nodes.until("hub", through(70))
    assert nodes.values("hub", site="false") == through(40)
    answer = nodes.ask("hub")
    rows = {source["tier"]: source["rows"] for source in answer["sources"]}
    assert rows == {"journal": 40, "site:gw": 30}
    stepped = nodes.ask("hub", step="1h", aggregates="count,min,max,p95")["series"][0]
    assert (sum(stepped["count"]), min(stepped["min"]), max(stepped["max"])) == (70, 0.01, 0.7)

    nodes.cable.cut()
    nodes.publish(10)
    cut = nodes.ask("hub")
    assert [round(100 * v) for v in cut["series"][0]["value"]] == through(40)
    assert any(s["tier"] == "site:gw" and s.get("note") for s in cut["sources"]), cut["sources"]
    nodes.cable.restore()
    nodes.until("hub", through(80))

    for name in ("region", "gw", "hub"):
        nodes.kill(name)
        nodes.bring_up([name])
        nodes.until("hub", through(80))
    took = []
    for _ in range(20):
        began = time.perf_counter()
        nodes.ask("hub")
        took.append(time.perf_counter() - began)
    took.sort()
    print(f"\nhub answers with a site two levels down: median {took[10] * 1e3:.1f} ms, worst {took[-1] * 1e3:.1f} ms")
    nodes.configure()
    nodes.restart("gw")
    nodes.until("hub", through(80), site="false")
    nodes.until("hub", through(80))


@pytest.mark.timeout(150)
def test_the_hub_shows_series_that_it_never_heard_of(nodes: Chain) -> None:
    nodes.configure(link=nodes.hold_back())
    nodes.bring_up(["hub", "region", "gw"])
    nodes.publish(20)
    nodes.until("hub", through(20), series="*/air.temperature")
    assert nodes.ask("hub", series="*/air.temperature")["series"][0]["series"] == "gw/room-1/air.temperature"


TINY = "history: {every: 1s, rows: 100, keep: [{raw: 1s, minutes: 1s, hours: 1s}]}\n"


@pytest.mark.timeout(200)
def test_a_gateway_shows_days_that_it_has_let_go_and_says_so_when_the_parent_is_away(nodes: Chain) -> None:
    nodes.configure(more=TINY)
    nodes.bring_up(["hub", "region", "gw"])
    nodes.publish(40, days_ago=5)
    nodes.publish(20)
    nodes.until("hub", through(60), site="false")
    end = time.monotonic() + 100
    while nodes.values("gw", site="false") != through(60, 41):
        assert time.monotonic() < end, nodes.log("gw")
        time.sleep(0.5)
    whole = nodes.ask("gw")
    assert [round(100 * v) for v in whole["series"][0]["value"]] == through(60)
    assert {s["tier"]: s["rows"] for s in whole["sources"]}["parent"] == 40
    assert not whole["missing"]
    print(f"\nthe gateway's sources: {whole['sources']}")

    nodes.kill("region")
    alone = nodes.ask("gw")
    assert [round(100 * v) for v in alone["series"][0]["value"]] == through(60, 41)
    assert any(s["tier"] == "parent" and s["note"] for s in alone["sources"])
    assert sum(gone["rows"] for gone in alone["missing"]) >= 40
    nodes.bring_up(["region"])
    nodes.until("gw", through(60))
