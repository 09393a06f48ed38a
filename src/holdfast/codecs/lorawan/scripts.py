"""Vendors' scripts as files."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

from holdfast.codecs.lorawan.errors import ScriptUnusable

_SCRIPT_LIMIT = 1 << 20


@dataclass(frozen=True)
class Script:
    """A vendor's script. name: for people, as its path."""

    name: str
    source: str

    @cached_property
    def digest(self) -> bytes:
        """Which script it is, whatever it's called."""
        return blake2b(self.source.encode(errors="surrogatepass"), digest_size=16).digest()


class ScriptFolder:
    """The scripts in a folder and below."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*.js")):
            self._by_name.setdefault(path.name, []).append(path)
        self._read: dict[Path, Script] = {}

    def find(self, name: str) -> Script | None:
        """The script called `name`: of files of the same name the one whose folders agree most; None without one."""
        wanted = Path(name).parts
        found = self._by_name.get(wanted[-1], []) if wanted else []
        if not found:
            return None
        path = max(found, key=lambda p: _common_end(p.parts, wanted))
        if path not in self._read:
            self._read[path] = load_script(path)
        return self._read[path]


def load_script(path: Path) -> Script:
    """A script from its file.

    Raises:
        ScriptUnusable: when it can't be read, or is no text.
    """
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ScriptUnusable(f"{path}: {error.strerror}", "is the path right?") from None
    if len(source) > _SCRIPT_LIMIT:
        raise ScriptUnusable(f"{path} has {len(source)} bytes", f"a script may have {_SCRIPT_LIMIT}")
    try:
        return Script(str(path), source.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ScriptUnusable(f"{path} is not UTF-8", "save it as UTF-8") from None


def _common_end(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    n = 0
    while n < min(len(a), len(b)) and a[-1 - n] == b[-1 - n]:
        n += 1
    return n
