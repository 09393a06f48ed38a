"""Secrets by reference: node.yaml names a file or an environment variable, and holds no secret itself."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from holdfast.transport.errors import SecretUnusable


class SecretRef(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is. One of both; read anew at every use, so that a new one needs no restart."""

    file: str = ""
    """Relative to node.yaml; space around it is left out."""
    env: str = ""
    """Name of an environment variable."""


Secret = str | SecretRef
"""Plain text, or where it is."""
Found = tuple[tuple[str, ...], str]


def secret_findings(secret: Secret) -> Iterator[Found]:
    """What contradicts itself."""
    if isinstance(secret, SecretRef) and bool(secret.file) == bool(secret.env):
        yield (), "write one of `file` and `env`"


class Secrets:
    """Reads them. path: a path of node.yaml, absolute."""

    def __init__(self, path: Callable[[str], Path], environment: Mapping[str, str]) -> None:
        self._path, self._environment = path, environment

    def read(self, secret: Secret) -> str:
        """The secret as of now.

        Raises:
            SecretUnusable: when it isn't there.
        """
        if isinstance(secret, str):
            return secret
        if secret.env:
            text = self._environment.get(secret.env, "")
            if not text:
                raise SecretUnusable(f"the environment variable {secret.env} is empty")
            return text
        path = self._path(secret.file)
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it isn't UTF-8 text"
            raise SecretUnusable(f"{path} can't be read: {why}") from error
