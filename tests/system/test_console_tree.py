"""A site of a site: told of through the region between, and looked at through it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.system.chain import chain

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


def within(true: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_hub_lists_and_looks_at_a_gateway_below_its_region(tmp_path: Path) -> None:
    made = chain(tmp_path)
    try:
        made.configure(more="site: {name: North hall, latitude: 53.8, longitude: -1.5}\n")
        made.bring_up(["hub", "region", "gw"])
        made.publish(3)
        base = f"https://127.0.0.1:{made.hub}/api/v1/sites"

        def rows() -> dict[str, dict[str, object]]:
            return {one["node"]: one for one in made.client.get(base).json()["sites"]}

        within(lambda: rows().get("gw", {}).get("looks") is True, 60)
        gateway = rows()["gw"]
        assert (gateway["via"], gateway["site"], gateway["state"]) == (["region"], "North hall", "online")
        assert rows()["region"]["via"] == []
        answer = made.client.get(f"{base}/gw/api/query", params={"series": "room-1/air.temperature", "from": "-1h"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["holdfast-site"] == "live"
        assert answer.json()["series"][0]["value"] == [0.01, 0.02, 0.03]
        assert made.client.get(f"{base}/gw/api/residency").status_code == 403
        assert made.client.get(f"{base}/region/api/sites").json()["sites"][0]["node"] == "gw"
        silence = {"do": "silence", "by": "ann", "text": "belt", "until": "+1h", "match": {"devices": ["belt-*"]}}
        assert made.client.post(f"{base}/gw/acts", json=silence).status_code == 202
        within(lambda: made.client.get(f"{base}/gw/api/silences").json() != [], 40)
        assert made.client.get(f"{base}/gw/api/silences").json()[0]["by"] == "ann at hub"
        assert made.client.get(f"{base}/region/api/silences").json() == []
        made.cable.cut()
        within(lambda: made.client.get(f"{base}/gw/api/status").status_code == 503, 60)
        answer = made.client.get(f"{base}/gw/api/devices")
        assert answer.headers["holdfast-site"] == "held"
        said = answer.json()
        assert "North hall can't be reached" in said["error"]
        assert "room-1" in {one["name"] for one in said["held"]["devices"]}
    finally:
        made.stop()
