"""`holdfast monitoring export`: what Prometheus and Grafana need to watch nodes, as files."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

SHIPPED = Path(__file__).parents[1] / "telemetry" / "shipped"
EXAMPLE = "node=http://127.0.0.1:8080"
_HEAD = "# Written by `holdfast monitoring export`. Check it: promtool check config prometheus.yml\n"


class Target(msgspec.Struct, frozen=True):
    """A node to scrape."""

    name: str
    scheme: str
    address: str


class TargetInvalid(ValueError):
    """Not of the form NAME=URL."""


def target(text: str) -> Target:
    """`NAME=http[s]://HOST:PORT` as a target.

    Raises:
        TargetInvalid: when it is none.
    """
    name, _, url = text.partition("=")
    parts = urlsplit(url)
    has_port = parts.netloc.rpartition(":")[2].isdecimal()
    if not name or parts.scheme not in ("http", "https") or not has_port or parts.path.strip("/"):
        raise TargetInvalid(f"{text!r} is not of the form NAME=http[s]://HOST:PORT")
    return Target(name, parts.scheme, parts.netloc)


def scrape_config(targets: Sequence[Target], ca: str, token_file: str) -> bytes:
    """prometheus.yml: `instance` is the node's name, so that alerts and dashboards name it."""
    jobs: list[dict[str, object]] = []
    for scheme in sorted({one.scheme for one in targets}):
        job: dict[str, object] = {"job_name": "holdfast" if not jobs else f"holdfast-{scheme}", "scheme": scheme}
        if scheme == "https" and ca:
            job["tls_config"] = {"ca_file": ca}
        if token_file:
            job["authorization"] = {"type": "Bearer", "credentials_file": token_file}
        job["static_configs"] = [
            {"targets": [one.address], "labels": {"instance": one.name, "job": "holdfast"}}
            for one in targets
            if one.scheme == scheme
        ]
        jobs.append(job)
    config = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["rules/*.yaml"],
        "scrape_configs": jobs,
    }
    return _HEAD.encode() + msgspec.yaml.encode(config, order=None)


def export(folder: Path, targets: Sequence[Target], ca: str = "", token_file: str = "") -> list[Path]:
    """Write everything; files that are there are replaced. Returns what was written."""
    files = [(SHIPPED / kind, file) for kind in ("rules", "dashboards") for file in sorted((SHIPPED / kind).iterdir())]
    shipped = [_put(folder / kind.name / file.name, file.read_bytes()) for kind, file in files]
    return [_put(folder / "prometheus.yml", scrape_config(targets, ca, token_file)), *shipped]


def _put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
