"""Writes the tables of docs/reference/metrics.md from a node that has every part: python -m scripts.metric_pages.

tests/architecture checks that the page is what this makes.
"""

import asyncio
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.metrics_core import Metric

from scripts.everything import everything

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
BEGIN = "<!-- what follows is written by scripts/metric_pages.py -->"
UNITS = ("bytes_per_second", "timestamp_seconds", "seconds", "bytes", "ratio", "rows", "messages", "info")
"""Longest first: a name ends with its unit."""
_SAID = {
    "bytes_per_second": "bytes/s",
    "timestamp_seconds": "s since 1970, UTC",
    "seconds": "s",
    "ratio": "0 to 1",
    "info": "always 1",
}
ROOMS = (
    ("ack decide inbox messages payload readings events replies quarantine dedupe skew last", "Intake"),
    ("adapter adapters mqtt http coap broker codec edge poll polls opcua bacnet serial ble", "Devices' side"),
    ("devices device series", "Devices"),
    ("journal rows groups disk backup backups clock", "Journal, disk and clock"),
    ("uplink backlog ledger parent", "To the parent"),
    ("child children ingest sync", "Children"),
    ("rule rules child_rules stream", "Rules"),
    ("alert alerts channel silences silence maintenance", "Alerts and people"),
    ("command commands", "Commands"),
    ("queue app", "Queues and applications"),
    ("document documents", "Shared documents"),
    ("artifact artifacts hybrid", "Artifacts, and questions to models above"),
    ("route", "Routes"),
    ("history", "The site's memory"),
    ("filter residency", "What stays here"),
    ("report reports export exported trace traces", "Log, traces and the collector"),
    ("build node metrics web process people audit log live maintenance", "The program"),
)


def unit(name: str) -> str:
    """What a metric's numbers are, by its name."""
    plain = name.removesuffix("_total")
    found = next((unit for unit in UNITS if plain.endswith(f"_{unit}")), "")
    return _SAID.get(found, found)


def labels(family: Metric) -> tuple[str, ...]:
    """The labels of its rows, without a histogram's `le`."""
    named = getattr(family, "_labelnames", ())
    found = dict.fromkeys((*named, *(label for sample in family.samples for label in sample.labels)))
    return tuple(label for label in found if label != "le")


def shown(family: Metric) -> str:
    """The name as it's scraped."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def room(name: str) -> str:
    """Which part of the page it's on."""
    first = name.removeprefix("holdfast_").partition("_")[0]
    return next((title for words, title in ROOMS if first in words.split()), "Other")


def tables(families: Iterable[Metric]) -> Iterator[str]:
    """The page below its introduction, line by line."""
    found = list(families)
    for title in (*(title for _, title in ROOMS), "Other"):
        mine = [family for family in found if room(family.name) == title]
        if not mine:
            continue
        yield from ("", f"## {title}", "", "| Name | Type | Labels | Unit | |", "|---|---|---|---|---|")
        for family in mine:
            name, said = shown(family), ", ".join(f"`{label}`" for label in labels(family))
            text = family.documentation.replace("|", "\\|").replace("\n", " ")
            yield f"| `{name}` | {family.type} | {said} | {unit(name)} | {text} |"


def page(families: Iterable[Metric], now: str) -> str:
    """The whole page; now: as it is."""
    head = now.partition(BEGIN)[0]
    return head + BEGIN + "\n" + "\n".join(tables(families)) + "\n"


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as folder:
        families = asyncio.run(everything(Path(folder)))
    PAGE.write_text(page(families, PAGE.read_text()))


if __name__ == "__main__":
    main()
