"""The models on this node's disk: `<data>/models/<name>/<version>/`, beside those that ship with Holdfast.

A folder that has its name is whole: it's copied to `.adding-…` first, tried through the door there, synced, and then
renamed. What a crash leaves half-done is swept away by the next who adds, removes or starts. A version never changes.
A model in use (`cache.ModelCache.hold`, in whichever process) has a claim on its folder, so it isn't removed.
"""

import difflib
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from holdfast.inference.card import CARD, FEATURES, MOST_CARD_BYTES, Card, load_card
from holdfast.inference.door import Trier, open_model
from holdfast.inference.errors import InferenceError, ModelExists, ModelInUse, ModelTooLarge, ModelUnknown
from holdfast.inference.loaded import Model
from holdfast.inference.runtimes.port import Options
from holdfast.kernel.documents import SettingsInvalid
from holdfast.storage.claims import Claim
from holdfast.storage.errors import InUse, StorageUnusable
from holdfast.storage.files import make_directory
from holdfast.storage.folder import DiskFolder, Folder

SHIPPED = Path(__file__).parent / "shipped"
BUILTIN = "builtin:"
DIGEST = "sha256:"
VERDICTS = ".verdicts"
"""Where `trials.Trials` keeps what it found, under a store's root."""
_ADDING, _REMOVING = ".adding-", ".removing-"
_SHORTEST_DIGEST = 8
_CHUNK = 1 << 20
_SHOWN = 8
"""Versions named when the one that was asked for isn't there."""
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-(.+))?\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that is there. card: None where it can't be read any more; `problem` says why."""

    name: str
    version: str
    origin: Literal["local", "builtin"]
    folder: Path
    card: Card | None = None
    problem: str = ""

    @property
    def ref(self) -> str:
        """How settings call it: `name@version` or `builtin:name`."""
        return f"{BUILTIN}{self.name}" if self.origin == "builtin" else f"{self.name}@{self.version}"

    @property
    def trusted(self) -> bool:
        """Ships with Holdfast, so it isn't tried in a process of its own."""
        return self.origin == "builtin"


class ModelStore:
    """See the module. Blocking; any thread, any number of processes."""

    def __init__(self, root: Path, shipped: Path = SHIPPED, disk: Folder | None = None) -> None:
        """root: `<data>/models`, made when something is added. shipped: a folder for each built-in model."""
        self._root, self._shipped = root, shipped
        self._disk = disk or DiskFolder(root)

    @property
    def verdicts(self) -> Path:
        """For `trials.Trials`."""
        return self._root / VERDICTS

    def entries(self) -> list[Entry]:
        """All models, local ones first; by name, the highest version first."""
        local = [
            _entry("local", folder.parent.name, folder.name, folder)
            for folder in _folders(self._root)
            for folder in _folders(folder)
        ]
        builtin = [_entry("builtin", folder.name, "", folder) for folder in _folders(self._shipped)]
        local.sort(key=lambda one: order(one.version), reverse=True)
        return [*sorted(local, key=lambda one: one.name), *sorted(builtin, key=lambda one: one.name)]

    def resolve(self, ref: str) -> Entry:
        """The model that settings mean by `name` (its highest version), `name@version`, `builtin:name`, `sha256:hex`.

        Raises:
            ModelUnknown: when there is none, with the nearest names.
        """
        entries = self.entries()
        if ref.startswith(DIGEST):
            digest = ref.removeprefix(DIGEST)
            fits = [one for one in entries if one.card is not None and one.card.sha256.startswith(digest)]
            fits = fits if len(digest) >= _SHORTEST_DIGEST else []
        elif ref.startswith(BUILTIN) or "@" in ref:
            fits = [one for one in entries if one.ref == ref]
        else:
            fits = [one for one in entries if one.origin == "local" and one.name == ref]
            fits = [one for one in fits if "-" not in one.version] or fits  # 2.0.0-rc1 is asked for by its version
        if not fits:
            raise ModelUnknown(f"there is no model {ref}", _near(ref, entries))
        return fits[0]

    def add(self, source: Path, options: Options | None = None, trier: Trier | None = None) -> tuple[Entry, Model]:
        """Take a model into the store: copied, tried, and then there as a whole or not at all.

        Args:
            source: its folder, or its card or model file in it.
            options: how it's tried.
            trier: tries it in a process of its own first; None = its file is trusted.

        Returns:
            Where it is now, and the model as it was loaded for its trial.

        Raises:
            ModelExists: when this version is there, and is another one. The very same one is there already: fine.
            InferenceError, SettingsInvalid: as of `door.open_model`.
            StorageError: when the disk refuses.
        """
        options = options or Options()
        origin = source if source.is_dir() else source.parent
        card = load_card(origin)
        if not source.is_dir() and source.name not in {CARD, card.file}:
            raise ModelUnknown(f"{origin / CARD} is the card of {card.file}, not of {source.name}", "give that file")
        _make(self._root)
        self.sweep()
        adding = Claim(self._root)
        staged = f"{_ADDING}{secrets.token_hex(8)}"
        try:
            self._copied(origin, staged, card, options)
            model = open_model(self._root / staged, options, trier)
            self._published(staged, model.card)
        finally:
            self._disk.remove(staged)
            adding.release()
        entry = self.resolve(f"{card.model}@{card.version}")
        model.folder = entry.folder
        return entry, model

    def remove(self, ref: str, *, force: bool = False) -> Entry:
        """Remove a model. force: although it's at work (which goes on with what is in memory until it ends).

        Raises:
            ModelUnknown: when there is none, or it ships with Holdfast.
            ModelInUse: when a process holds it.
            StorageError: when the disk refuses.
        """
        entry = self.resolve(ref)
        if entry.origin != "local":
            raise ModelUnknown(f"{entry.ref} ships with Holdfast", "it costs nothing as long as nobody deploys it")
        try:
            alone = None if force else Claim(entry.folder, alone=True)
        except InUse:
            raise ModelInUse(f"{entry.ref} is at work") from None
        removing = Claim(self._root)
        gone = f"{_REMOVING}{secrets.token_hex(8)}"
        self._disk.rename(entry.folder.relative_to(self._root).as_posix(), gone)
        self._disk.remove(gone)
        with suppress(OSError):  # other versions are there
            entry.folder.parent.rmdir()
        removing.release()
        if alone is not None:
            alone.release()
        return entry

    def sweep(self) -> int:
        """Remove what a crash left half-added or half-removed, unless somebody is at it now; how many folders."""
        if not self._root.is_dir():
            return 0
        try:
            alone = Claim(self._root, alone=True)
        except InUse:
            return 0
        left = [path.name for path in self._root.iterdir() if path.name.startswith((_ADDING, _REMOVING))]
        for name in left:
            self._disk.remove(name)
        alone.release()
        return len(left)

    def _copied(self, origin: Path, staged: str, card: Card, options: Options) -> None:
        for name, most in ((card.file, options.largest_file), (FEATURES, MOST_CARD_BYTES), (CARD, MOST_CARD_BYTES)):
            try:
                source = (origin / name).open("rb", buffering=0)
            except FileNotFoundError:
                if name == FEATURES:
                    continue  # the caller says so where it matters
                raise ModelUnknown(f"there is no {origin / name}", "it lies beside the card") from None
            except OSError as error:
                raise StorageUnusable(f"{origin / name} can't be read: {error.strerror}") from error
            size = 0
            with source, self._disk.create(f"{staged}/{name}") as target:
                while chunk := source.read(_CHUNK):
                    size += len(chunk)
                    if size > most:
                        sentence = f"{origin / name} has more than the {most:,} bytes that are allowed"
                        raise ModelTooLarge(sentence, size, most)
                    target.write(chunk)
                self._disk.keep(f"{staged}/{name}", target)

    def _published(self, staged: str, card: Card) -> None:
        place = f"{card.model}/{card.version}"
        if (self._root / place).exists():
            if _entry("local", card.model, card.version, self._root / place).card == card:
                return
            raise ModelExists(f"{card.ref} is there already, and isn't this one")
        self._disk.rename(staged, place)


def order(version: str) -> tuple[int, int, int, bool, list[tuple[bool, int, str]]]:
    """What versions are sorted by: their numbers; what comes before a release (1.0.0-rc1) is lower than it."""
    found = _VERSION.match(version)
    if found is None:
        return -1, 0, 0, False, []
    before = found[4] or ""
    parts = [(not one.isdigit(), int(one) if one.isdigit() else 0, one) for one in re.findall(r"\d+|[^\d.]+", before)]
    return int(found[1]), int(found[2]), int(found[3]), not before, parts


def _make(root: Path) -> None:
    try:
        make_directory(root)
    except OSError as error:
        raise StorageUnusable(f"{root} can't be made: {error.strerror}") from error


def _folders(above: Path) -> list[Path]:
    try:
        return [one for one in above.iterdir() if one.is_dir() and not one.name.startswith((".", "_"))]
    except OSError:
        return []


def _entry(origin: Literal["local", "builtin"], name: str, version: str, folder: Path) -> Entry:
    try:
        card = load_card(folder)
    except (InferenceError, SettingsInvalid) as error:
        return Entry(name, version, origin, folder, None, str(error))
    if card.model != name or (origin == "local" and card.version != version):
        return Entry(name, version, origin, folder, None, f"its card is that of {card.ref}")
    return Entry(name, card.version, origin, folder, card)


def _near(ref: str, entries: list[Entry]) -> str:
    name, _, version = ref.partition("@")
    if version and (here := [one.version for one in entries if one.name == name and one.origin == "local"]):
        return f"of {name} there {'is' if len(here) == 1 else 'are'} {', '.join(here[:_SHOWN])}; {ModelUnknown.hint}"
    known = dict.fromkeys([one.ref for one in entries] + [one.name for one in entries if one.origin == "local"])
    near = difflib.get_close_matches(ref, known, 1, 0.5) or [one for one in known if ref and ref in one][:1]
    return f"did you mean {near[0]}? {ModelUnknown.hint}" if near else ModelUnknown.hint
