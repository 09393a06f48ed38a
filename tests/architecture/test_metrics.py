"""Every metric has a name, a help, a unit and labels as docs/reference/metrics.md says, and the page is current."""

import asyncio
import re
import ssl
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from prometheus_client.metrics_core import Metric
from scripts import metric_pages
from scripts.everything import everything, settle
from tests.running import running

from holdfast.web.counters import COUNTERS

SOURCES = Path(__file__).parents[2] / "src" / "holdfast"
COUNTED = re.compile(r"""(?:\.count\(|counts\[)\s*f?["']([a-z_]+)""")
MADE_UP = {"alerts_", "channel_", "quarantine_"}
"""Counters whose name is put together: `alerts_confirmed`, `channel_told`…"""
NOT_COMMITTED = {"sim"}


@cache
def families() -> tuple[Metric, ...]:
    with TemporaryDirectory() as folder:
        return tuple(asyncio.run(everything(Path(folder))))


def test_the_reference_is_what_a_node_with_every_part_tells() -> None:
    now = metric_pages.PAGE.read_text()
    assert metric_pages.page(families(), now) == now, "run python -m scripts.metric_pages"


def test_a_node_that_runs_tells_nothing_that_the_reference_lacks(tmp_path: Path) -> None:
    settle(tmp_path)
    (tmp_path / "shop.token").touch()  # its settings are there
    with running(tmp_path) as node:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        told = httpx.get(f"https://127.0.0.1:{node.port}/metrics", verify=trusted, timeout=20).text
    names = re.findall(r"^# TYPE (\S+) ", told, re.MULTILINE)
    page = metric_pages.PAGE.read_text()
    assert len(names) > 200
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_every_metric_is_named_after_our_program_or_its_process() -> None:
    assert [f.name for f in families() if not re.fullmatch(r"(holdfast|process)(_[a-z0-9]+)+", f.name)] == []


def test_no_name_is_given_twice() -> None:
    names = [family.name for family in families()]
    assert {name for name in names if names.count(name) > 1} == set()


def test_every_help_is_a_sentence() -> None:
    ours = [family for family in families() if family.name.startswith("holdfast_")]
    assert [f.name for f in ours if not re.fullmatch(r"[A-Z0-9].{8,}\.", f.documentation, re.DOTALL)] == []


def test_no_metric_has_a_name_from_settings_in_its_name() -> None:
    from_settings = ("plant", "orders", "ops", "everything")
    names = [family.name for family in families()]
    assert [name for name in names if any(word in name.split("_") for word in from_settings)] == []


def test_only_counters_end_as_counters_do() -> None:
    assert [f.name for f in families() if f.type != "counter" and f.name.endswith("_total")] == []


def test_no_metric_has_devices_or_series_as_labels() -> None:
    labels = {label for family in families() for label in metric_pages.labels(family)}
    assert labels.isdisjoint({"device", "series", "topic", "client"})


def test_every_counter_of_the_journal_is_described() -> None:
    found = {
        name
        for path in SOURCES.rglob("*.py")
        if path.relative_to(SOURCES).parts[0] not in NOT_COMMITTED
        for name in COUNTED.findall(path.read_text())
    }
    assert len(found) > 30
    assert found - set(COUNTERS) - MADE_UP == {"dropped"}  # a replay's own tally, no counter of the journal
