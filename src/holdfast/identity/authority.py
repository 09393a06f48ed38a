"""A site's own certificate authority, kept as two files: `ca.pem` (give it to every child) and `ca.key` (never leaves).

Nothing here overwrites a key: the old one may be the only thing that a running fleet trusts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast.crypto.certificates import Pair, make_authority, make_client_certificate, make_server_certificate
from holdfast.crypto.errors import NameUnusable
from holdfast.identity.errors import KeyExists, KeyMissing
from holdfast.kernel.clock import NS_PER_S, Clock, SystemClock
from holdfast.storage.files import read_bytes, write_atomic

SECRET = 0o600


@dataclass(frozen=True, slots=True)
class Files:
    """Where a certificate and its key lie."""

    certificate: Path
    key: Path


def create_authority(directory: Path, name: str = "Holdfast site CA", clock: Clock | None = None) -> Files:
    """Make a CA in `directory`.

    Raises:
        KeyExists: when one of its files is there already.
        StorageUnusable: when the directory can't be written.
    """
    files = authority_files(directory)
    _write(files, make_authority(name, _now(clock)))
    return files


def issue_certificate(directory: Path, name: str, hosts: Sequence[str], clock: Clock | None = None) -> Files:
    """Make `<name>.pem` and `<name>.key` in the authority's directory, for a server that is reached as `hosts`.

    Raises:
        KeyMissing: when there is no authority in `directory`.
        KeyExists: when this name has a key already.
        NameUnusable: when a host is neither a DNS name nor an IP address, or `name` is no file name.
        KeyUnusable: when the authority's files are damaged.
    """
    files = Files(directory / f"{_plain(name)}.pem", directory / f"{name}.key")
    _write(files, make_server_certificate(_authority(directory), name, hosts, _now(clock)))
    return files


def issue_client_certificate(directory: Path, name: str, clock: Clock | None = None) -> Files:
    """Make `<name>.pem` and `<name>.key` for a client, an MQTT device for instance, that is known as `name`.

    Raises:
        KeyMissing, KeyExists, NameUnusable, KeyUnusable: as `issue_certificate`.
    """
    files = Files(directory / f"{_plain(name)}.pem", directory / f"{name}.key")
    _write(files, make_client_certificate(_authority(directory), name, _now(clock)))
    return files


def _authority(directory: Path) -> Pair:
    files = authority_files(directory)
    if not (files.certificate.exists() and files.key.exists()):
        raise KeyMissing(f"there is no certificate authority in {directory}")
    return Pair(read_bytes(files.certificate), read_bytes(files.key))


def authority_files(directory: Path) -> Files:
    """Where a directory's authority lies, whether it exists or not."""
    return Files(directory / "ca.pem", directory / "ca.key")


def _write(files: Files, pair: Pair) -> None:
    for path in (files.key, files.certificate):
        if path.exists():
            raise KeyExists(f"{path} exists and is not overwritten")
    write_atomic(files.key, pair.key, SECRET)
    write_atomic(files.certificate, pair.certificate)


def _plain(name: str) -> str:
    if Path(name).name != name or name.startswith("."):
        raise NameUnusable(f"{name!r} can't name a file")
    return name


def _now(clock: Clock | None) -> float:
    return (clock or SystemClock()).wall_ns() / NS_PER_S
