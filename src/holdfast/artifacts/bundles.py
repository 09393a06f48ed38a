"""A folder as one file, and back: a deterministic tar of plain files, packed with zstd.

The same folder gives the same bytes, and so the same digest, whoever packs it when and where: names in order, no
owners, no times, one set of rights. Unpacking believes nothing: names are checked, sizes bounded, nothing but plain
files is made, and the folder gets its name only when it's whole. Blocking.
"""

import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from holdfast.artifacts.errors import BundleInvalid
from holdfast.storage.errors import StorageUnusable
from holdfast.storage.files import make_directory, sync_directory

LEVEL = 10
MOST_FILES = 1_000
MOST_BYTES = 2 << 30
MOST_NAME = 255
ENDING = ".tar.zst"


def pack(folder: Path, out: BinaryIO) -> int:
    """Write a folder's files as a bundle; returns how many. Hidden files stay out.

    Raises:
        BundleInvalid: when it has none, too many, or something that's no plain file.
        StorageUnusable: when it can't be read or written.
    """
    import zstandard  # noqa: PLC0415  # most nodes never pack anything

    files = list(_files(folder))
    if not files:
        raise BundleInvalid(f"there are no files in {folder}")
    if len(files) > MOST_FILES:
        raise BundleInvalid(f"{folder} has more than {MOST_FILES} files")
    packer = zstandard.ZstdCompressor(level=LEVEL, threads=0, write_content_size=False)
    try:
        with (
            packer.stream_writer(out, closefd=False) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.USTAR_FORMAT) as tar,
        ):
            for name, path in files:
                about = tarfile.TarInfo(name)
                about.size, about.mode = path.stat().st_size, 0o644
                with path.open("rb") as file:
                    tar.addfile(about, file)
    except OSError as error:
        raise StorageUnusable(f"{folder} can't be packed: {error.strerror or error}") from error
    except ValueError as error:  # a name that USTAR has no room for
        raise BundleInvalid(f"{folder} can't be packed: {error}") from error
    return len(files)


def unpack(bundle: Path, into: Path) -> None:
    """Make a folder of a bundle; `into` must not exist, and does only when all is there.

    Raises:
        BundleInvalid: when it's none, or holds what may not be in one; nothing is left.
        StorageUnusable: when it can't be read or written.
    """
    import zstandard  # noqa: PLC0415  # as above

    beside = into.with_name(f".{into.name}.new")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        make_directory(beside)
        with (
            bundle.open("rb") as file,
            zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file) as packed,
            tarfile.open(fileobj=io.BufferedReader(_Bounded(packed)), mode="r|") as tar,
        ):
            for number, one in enumerate(tar):
                if number >= MOST_FILES:
                    raise BundleInvalid(f"more than {MOST_FILES} files")
                _take(tar, one, beside)
        beside.rename(into)
        sync_directory(into.parent)
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise BundleInvalid(f"{bundle.name} is no bundle: {error}") from error
    except OSError as error:
        raise StorageUnusable(f"{into} can't be made: {error.strerror or error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


class _Bounded(io.RawIOBase):
    """What is unpacked, counted: a small file may hold a large one."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed, self._left = packed, MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed's buffer has no len
        piece = self._packed.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0:
            raise BundleInvalid(f"it unpacks to more than {MOST_BYTES:,} bytes")
        buffer[: len(piece)] = piece
        return len(piece)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    if not folder.is_dir():
        raise BundleInvalid(f"there is no folder {folder}")
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") or part == "__pycache__" for part in name.split("/")):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BundleInvalid(f"{name} is no plain file")
        if path.is_file():
            yield name, path


def _take(tar: tarfile.TarFile, one: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(one.name)
    parts = name.parts
    if not one.isreg() or name.is_absolute() or not parts or len(one.name) > MOST_NAME:
        raise BundleInvalid(f"{one.name[:80]!r} is no plain file")
    if any(part in ("..", ".") or part.startswith(".") or not part.isprintable() for part in parts):
        raise BundleInvalid(f"{one.name[:80]!r} is no name for a file here")
    path = folder.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    found = tar.extractfile(one)
    if found is None or path.exists():
        raise BundleInvalid(f"{one.name[:80]!r} is there twice")
    with path.open("xb") as out:
        shutil.copyfileobj(found, out)
