"""How a lake is opened: its folder, the key that its files are under, and where they go from there."""

from pathlib import Path

from holdfast.history.lake.cipher import Cipher
from holdfast.history.lake.cold import open_cold
from holdfast.history.lake.lake import Lake
from holdfast.history.lake.settings import ColdSettings
from holdfast.kernel.clock import Clock
from holdfast.storage.folder import DiskFolder


def open_lake(folder: Path, key: bytes | None, cold: ColdSettings | None, clock: Clock) -> Lake:
    """The lake in a folder; nothing is read yet. key: the journal's; cold: resolved settings.

    Raises:
        StorageError: when the cold store's key or package isn't there.
    """
    cipher = None if key is None else Cipher(key)
    return Lake(DiskFolder(folder), cipher=cipher, cold=None if cold is None else open_cold(cold, clock))
