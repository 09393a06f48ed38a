"""`holdfast init`: a folder that runs, for somebody's first device."""

import re
import socket
from pathlib import Path

_NODE = """\
# A gateway on this machine. Every key: docs/reference/node-yaml.md; `holdfast check node.yaml` tells mistakes.
node: {node}
mqtt: {{listen: "127.0.0.1:1883", anonymous: true}}    # devices elsewhere: docs/how-to/mqtt-security.md
api: {{listen: "127.0.0.1:8080"}}                      # its pages, too
host: {{every: 5s}}                                    # this machine's own CPU, memory, disk, temperature
history: true
profiles: ["builtin:any", "builtin:host"]            # any JSON, for a first look; then: holdfast profile infer
rules: [rules.yaml]
"""
_RULES = """\
# Ten lines a rule; docs/how-to/cookbook.md has thirty more. `holdfast rules reload node.yaml` after an edit.
rules:
  warm:
    select: avg(temperature) as mean
    window: sliding 3 samples
    when: mean > 30
    clear_when: mean < 28
    severity: warning
    message: "{device} is warm: {mean:.1f} degrees"
"""


class FolderTaken(Exception):
    """There are settings already; nothing was written."""


def begin(folder: Path, name: str = "") -> Path:
    """Write node.yaml and rules.yaml into a folder; returns the former. name: the node's; empty = this machine's.

    Raises:
        FolderTaken: when one of the files is there.
        OSError: when the folder can't be written.
    """
    files = {"node.yaml": _NODE.format(node=name or _named_here()), "rules.yaml": _RULES}
    for one in files:
        if (folder / one).exists():
            raise FolderTaken(f"{folder / one} is there already: nothing was written")
    folder.mkdir(parents=True, exist_ok=True)
    for one, text in files.items():
        (folder / one).write_text(text)
    return folder / "node.yaml"


def _named_here() -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("-._")
    return plain[:63] or "gateway-1"
