"""Where an application's node is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """Where a node's API is, and as whom. ca: PEM file of the CA that signed its certificate.

    url: `http://` only on this machine, else `https://`
    """

    url: str
    token_file: Path | str
    ca: Path | str | None = None
