"""Run the edge job as a node: `python -m benchmarks.edge.launch INGRESS UPSTREAM FOLDER`.

Writes node.yaml and its files into FOLDER (the same before and after a kill) and becomes `holdfast run` there.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(ingress: str, upstream: str, folder: str) -> None:
    """Lay the files out, then run the node in this process' place, so that a kill meets the node itself."""
    there = Path(folder) / "node"
    there.mkdir(parents=True, exist_ok=True)
    for name in ("node.yaml", "profiles.yaml", "rules.yaml"):
        text = (HERE / name).read_text().replace("{ingress}", ingress).replace("{upstream}", upstream)
        (there / name).write_text(text)
    os.execv(sys.executable, [sys.executable, "-m", "holdfast", "run", str(there / "node.yaml")])  # noqa: S606  # ourselves


if __name__ == "__main__":
    main(*sys.argv[1:4])
