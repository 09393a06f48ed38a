"""How a lake is opened: its folder, the key that its files are under, and where they go from there."""

from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.history.lake.cold import open_cold
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.settings import ColdSettings
from holdfast.kernel.clock import Clock
from holdfast.storage.folder import DiskFolder

if TYPE_CHECKING:
    from holdfast.history.lake.cipher import Cipher


def open_lake(folder: Path, key: bytes | None, cold: ColdSettings | None, clock: Clock) -> Lake:
    """The lake in a folder; nothing is read yet. key: the journal's; cold: resolved settings.

    Raises:
        StorageError: when the cold store's key or package isn't there.
    """
    return Lake(DiskFolder(folder), cipher=_cipher(key), cold=None if cold is None else open_cold(cold, clock))


def _cipher(key: bytes | None) -> "Cipher | None":
    if key is None:
        return None
    from holdfast.history.lake.cipher import Cipher  # noqa: PLC0415  # cryptography: 6 MiB that others needn't pay

    return Cipher(key)
