"""Settings of a node that reads a whole simulated site. Pure: text in, texts out.

Each end gives, as YAML, keys of node.yaml by which its devices are read (`modbus: {…}`); under `profiles` what its
payloads mean, which goes to a file of its own; under `files` further files beside it (maps).
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml

from holdfast.kernel.errors import HoldfastError
from holdfast.sim.ends.broker import BrokerEndSettings
from holdfast.sim.ends.http import HttpEndSettings
from holdfast.sim.ends.port import End
from holdfast.sim.site.loading import Scenario

WRITTEN = "# Written by `holdfast sim --node`"
PROFILES = "sim-profiles.yaml"
_MQTT_PORT, _API = 1883, "127.0.0.1:8080"


class Unreadable(HoldfastError):
    """Two ends want different things of the one node."""


def node_files(scenario: Scenario, ends: Mapping[str, End], source: str, name: str) -> dict[str, str]:
    """The texts of the files, by name; node.yaml, called `name`, is the first. source: what is read.

    Raises:
        Unreadable: when two groups can't be read by one node.
    """
    keys: dict[str, Any] = {}
    for group, end in ends.items():
        _merge(keys, yaml.safe_load(end.map_yaml()) or {}, group)
    profiles, files = keys.pop("profiles", {}), keys.pop("files", {})
    node = {"node": "sim-site", **_listeners(scenario), "api": {"listen": api_of(scenario)}}
    if profiles:
        node["profiles"] = [PROFILES]
        files = {PROFILES: {"profiles": profiles}, **files}
    head = f"{WRITTEN}: reads the simulated site {source}.\n"
    return {each: head + _text(said) for each, said in {name: node | keys, **files}.items()}


def api_of(scenario: Scenario) -> str:
    """Where the node's pages are: there, where HTTP devices post to."""
    urls = [p.end_settings.url for p in scenario.groups if isinstance(p.end_settings, HttpEndSettings)]
    return urlsplit(urls[0]).netloc if urls else _API


def _listeners(scenario: Scenario) -> dict[str, Any]:
    """The first address that devices publish to is this node's own listener; others are brokers that it reads."""
    brokers = [p.end_settings.url for p in scenario.groups if isinstance(p.end_settings, BrokerEndSettings)]
    urls = list(dict.fromkeys(brokers))
    if not urls:
        return {}
    own = urlsplit(urls[0])
    found: dict[str, Any] = {"mqtt": {"listen": f"{own.hostname}:{own.port or _MQTT_PORT}", "anonymous": True}}
    if urls[1:]:
        found["brokers"] = {f"sim-{i}": {"url": url, "subscribe": {"#": 1}} for i, url in enumerate(urls[1:], 1)}
    return found


def _merge(into: dict[str, Any], more: Mapping[str, Any], group: str, where: str = "") -> None:
    for key, value in more.items():
        there = into.get(key)
        if isinstance(value, Mapping):
            if not isinstance(there, dict):
                there = into[key] = {}
            _merge(there, value, group, f"{where}{key}.")
        elif key in into and there != value and not isinstance(value, list):
            raise Unreadable(f"{group}: `{where}{key}` is `{there}` for another group and `{value}` for this one")
        elif isinstance(value, list):
            into[key] = [*(there or []), *(one for one in value if one not in (there or []))]
        else:
            into[key] = value


def _text(keys: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(keys), sort_keys=False, allow_unicode=True, width=120)
