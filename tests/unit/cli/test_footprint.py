"""What every command pays for at its start: on a small gateway, imports are most of what `holdfast status` takes."""

import json
import subprocess
import sys

HEAVY = {"apsw", "duckdb", "holdfast.node.settings", "numpy", "onnxruntime", "pyarrow", "pydantic", "rich", "sqlglot"}


def test_the_command_line_loads_what_a_command_needs_only_when_it_runs() -> None:
    said = subprocess.run(  # our own words
        [sys.executable, "-c", "import json, sys, holdfast.cli.main; print(json.dumps(list(sys.modules)))"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert not HEAVY & set(json.loads(said.stdout))
