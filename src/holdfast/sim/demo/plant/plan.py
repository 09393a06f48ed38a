"""What a run of the plant is made of: a scenario on free ports, and a gateway that reads all of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from holdfast.sim.demo.plan import GATEWAY, HUB, DemoPlan
from holdfast.sim.ends.table import ENDS
from holdfast.sim.site.loading import Scenario, load_scenario
from holdfast.sim.site.reading import node_files

SCENARIO = "plant.yaml"
_DEAD_S = 5.0
"""So long two meters don't answer, to be seen as gaps."""


@dataclass(frozen=True)
class PlantPlan(DemoPlan):
    """A run of the plant. site_ports: of its servers."""

    site_ports: tuple[int, ...] = ()

    @property
    def tells_progress(self) -> bool:
        """Nobody can: polled devices don't know what was read."""
        return False

    @cached_property
    def scenario(self) -> Scenario:
        """The site. Reads the file that `write` wrote."""
        return load_scenario(self.folder / SCENARIO)

    def write(self) -> None:
        """The scenario, and settings of hub and gateway with maps and profiles beside them."""
        (self.folder / SCENARIO).write_text(yaml.safe_dump(self._scenario(), sort_keys=False), encoding="utf-8")
        self.settings_file(HUB).write_text(self.yaml(HUB), encoding="utf-8")
        ends = {plan.name: plan.end() for plan in self.scenario.groups}
        files = node_files(self.scenario, ends, SCENARIO, self.settings_file(GATEWAY).name)
        reads = yaml.safe_load(files.pop(self.settings_file(GATEWAY).name))
        own = yaml.safe_load(self.yaml(GATEWAY))
        reads["profiles"] = [*own.pop("profiles"), *reads.get("profiles", [])]
        for name, text in files.items():
            (self.folder / name).write_text(text, encoding="utf-8")
        merged = yaml.safe_dump(reads | own, sort_keys=False, width=120)
        self.settings_file(GATEWAY).write_text(merged, encoding="utf-8")

    def fleet(self) -> list[str]:
        """The command that plays the devices."""
        return ["holdfast", "sim", "run", SCENARIO, "--seconds", f"{self.seconds:g}", "--json"]

    def _scenario(self) -> dict[str, Any]:
        """Groups by the share of devices that a plant would have of each."""
        broker = {"url": f"mqtt://127.0.0.1:{self.mqtt_port}"}
        modbus, opcua, bacnet, listen = self.site_ports
        rest = max(0, self.devices - 8)
        groups: dict[str, Any] = {
            "rooms": {"model": "room", "count": rest * 2 // 5 or 1, "protocol": "mqtt", "end": broker},
            "meters": {"model": "meter", "count": rest * 2 // 5 or 1, "protocol": "modbus", "end": _at(modbus)},
            "press": {"model": "press", "count": 4, "protocol": "opcua", "end": _at(opcua), "params": {"cycle_s": 2}},
            "air": {"model": "room", "count": 4, "protocol": "bacnet", "end": _at(bacnet), "every": "2s"},
            "sensors": {"model": "cold_store", "count": rest // 5 or 1, "protocol": "lorawan", "end": broker},
        }
        groups["sensors"]["every"] = "5s"
        groups["air"]["end"] |= {"listen": f"127.0.0.1:{listen}", "every": "2s"}
        dead = {"kind": "dropout", "devices": "meters-00[12]", "from": f"{self.seconds / 3:g}s", "for": f"{_DEAD_S:g}s"}
        return {"seed": self.seed, "groups": groups, "faults": [dead] if rest >= 10 and self.seconds >= 15 else []}


def _at(port: int) -> dict[str, Any]:
    return {"address": f"127.0.0.1:{port}"}


def is_polled(protocol: str) -> bool:
    """Do devices of this protocol only speak when asked?"""
    return not ENDS[protocol].pushed
