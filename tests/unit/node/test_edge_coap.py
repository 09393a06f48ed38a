"""`coap:` of node.yaml: what is made of it, and what is said about it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from holdfast.adapters.port import Arrival
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.documents import SettingsInvalid
from holdfast.kernel.errors import HoldfastError
from holdfast.node.edge import coap
from holdfast.node.edge.port import Making
from holdfast.node.settings import read_plan
from holdfast.telemetry.happenings import Telemetry

GOOD = """node: gw
coap:
  lab:
    maps: {tank: {points: {level: {path: l, metric: tank.level, unit: m, max: 12}}}}
    devices: {tank-1: {url: "coap://127.0.0.1:1", map: tank}}
"""


def settled(folder: Path, text: str) -> Path:
    (folder / "node.yaml").write_text(text)
    return folder / "node.yaml"


def test_a_map_makes_the_profiles_of_its_points(tmp_path: Path) -> None:
    plan = read_plan(settled(tmp_path, GOOD))
    assert {one.pattern.text for one in plan.profiles} == {"points/coap/tank", "points/coap/tank/q"}


def test_what_is_wrong_with_links_and_points_is_said_where_it_stands(tmp_path: Path) -> None:
    text = GOOD.replace("unit: m,", "unit: parsec,").replace("map: tank}", "map: tonk}")
    with pytest.raises(SettingsInvalid) as caught:
        read_plan(settled(tmp_path, text))
    said = str(caught.value)
    assert "coap.lab.devices.tank-1.map: there is no map `tonk` in `maps`: tank" in said
    assert "coap.lab.maps.tank.points.level" in said
    assert "parsec" in said


class _Nowhere:
    def offer(self, arrival: Arrival) -> bool:
        raise AssertionError(arrival)

    def when_drained(self, callback: Callable[[], None]) -> None:
        raise AssertionError(callback)


def test_without_aiocoap_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    telemetry = Telemetry(clock, lambda _: None)
    making = Making(read_plan(settled(tmp_path, GOOD)), _Nowhere(), clock, telemetry, Random(1))
    assert [one.name for one in coap.make(making)] == ["coap:lab"]
    for name in ("adapter", "endpoint", "exchange", "server"):
        monkeypatch.delitem(sys.modules, f"holdfast.adapters.coap.{name}")
    monkeypatch.setitem(sys.modules, "aiocoap", None)
    with pytest.raises(HoldfastError, match=r"pip install 'holdfast\[coap\]'"):
        coap.make(making)


def test_a_node_without_coap_does_not_import_aiocoap() -> None:
    code = "import sys, holdfast.node.node; print('aiocoap' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
