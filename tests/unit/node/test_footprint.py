"""What a plain gateway has in memory: libraries of what it doesn't use stay on disk (G10)."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

STARTED = """
import asyncio, json, sys
from pathlib import Path
from holdfast.node.node import Node
from holdfast.node.settings import read_plan
from holdfast.kernel.clock import SystemClock
from holdfast.telemetry.happenings import Telemetry

async def start():
    clock = SystemClock()
    node = Node(read_plan(Path(sys.argv[1])), clock, Telemetry(clock))
    await node.start()
    loaded = sorted(sys.modules)
    await node.stop(1.0)
    print(json.dumps(loaded))

asyncio.run(start())
"""
PLAIN = """
node: gw
mqtt: {listen: '127.0.0.1:0', anonymous: true}
api: {listen: '127.0.0.1:0'}
profiles: ['builtin:rooms']
history: true
"""
NEVER = {"duckdb", "obstore", "pycrdt", "quickjs", "typer", "rich", "pygments", "pandas", "polars", "pyarrow.compute"}
FOR_OTHERS = {"httpx", "cryptography", "psutil"}
"""For a parent, for a journal key, for `host`."""


def loaded(folder: Path, settings: str) -> set[str]:
    (folder / "gw.yaml").write_text(settings)
    told = subprocess.run(  # our own words
        [sys.executable, "-c", STARTED, str(folder / "gw.yaml")], check=True, capture_output=True, timeout=60
    )
    return set(json.loads(told.stdout))


@pytest.mark.timeout(90)
def test_a_plain_gateway_loads_no_library_of_what_it_does_not_use(tmp_path: Path) -> None:
    assert not loaded(tmp_path, PLAIN) & {*NEVER, *FOR_OTHERS, "sqlglot"}


@pytest.mark.timeout(90)
def test_a_gateway_with_rules_loads_what_reads_them_and_nothing_else(tmp_path: Path) -> None:
    with_rules = loaded(tmp_path, PLAIN + "rules: ['builtin:rooms']\n")
    assert "sqlglot" in with_rules
    assert not with_rules & {*NEVER, *FOR_OTHERS}
