"""A node's rules as its files have them: those of node.yaml, those made from the page, and which are switched off.

Rules made from the page lie in `rules/` of the data folder, one file each with the text as it was written, so that what
a person wrote (comments, too) is what they see again, a problem's line is the line on their screen, and an edit of one
rule replaces one file. `rules/switched.json` says which rules are off, whoever's file they stand in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from holdfast.kernel.documents import Problem, SettingsInvalid
from holdfast.stream.plans import READINGS
from holdfast.stream.rules import CompiledRule, Loaded, Place

FOLDER, SWITCHES = "rules", "switched.json"
MOST_PAGE_RULES = 1_000
Check = Callable[[Sequence[CompiledRule]], Iterable[Problem]]


class Switched(msgspec.Struct, frozen=True):
    """Who switched a rule off, and when."""

    by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """Rules, compiled. at_work, off: of these the latter aren't judged; switched: those that somebody switched off."""

    at_work: tuple[CompiledRule, ...] = ()
    off: tuple[CompiledRule, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    switched: Mapping[str, Switched] = field(default_factory=dict)

    def rule(self, name: str) -> CompiledRule | None:
        """The rule of that name, of its first window; None when there is none."""
        return next((one for one in (*self.at_work, *self.off) if one.name == name), None)

    def documents(self) -> dict[str, bytes]:
        """Every rule's document by name."""
        return {one.name: one.document for one in (*self.at_work, *self.off)}

    def waits_for(self, name: str) -> str:
        """The rule that a rule reads from and that is switched off; empty = it's switched off itself, or on."""
        above = name
        while above and above not in self.switched:
            one = self.rule(above)
            above = "" if one is None or one.stage.source == READINGS else one.stage.source
        return "" if above == name else above


@dataclass(frozen=True, slots=True)
class Edit:
    """How the files are going to be. texts: of the page's files, None = removed; switched: None = as it is."""

    texts: Mapping[Path, str | None] = field(default_factory=dict)
    switched: Mapping[str, Switched] | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the rules lie.

    files: those of node.yaml; page: the folder of those made from the page; made: texts that node.yaml is short for
    """

    files: Sequence[Path]
    page: Path
    made: Mapping[Path, str] = field(default_factory=dict)

    def page_files(self) -> list[Path]:
        """The files of rules made from the page."""
        return sorted(file for file in self.page.glob("*.yaml") if not file.name.startswith("."))

    def every(self) -> list[Path]:
        """All files that decide what is at work."""
        return [*self.files, *self.page_files(), self.page / SWITCHES]

    def file_of(self, name: str) -> Path:
        """Where a rule of that name would lie, made from the page."""
        return self.page / f"{name}.yaml"

    def switched(self) -> dict[str, Switched]:
        """Which rules are switched off.

        Raises:
            SettingsInvalid: when that can't be read.
        """
        path = self.page / SWITCHES
        try:
            return msgspec.json.decode(path.read_bytes(), type=dict[str, Switched])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            said = f"can't be read: {error}; without this file every rule is on"
            raise SettingsInvalid([Problem(str(path), 1, (), said)]) from None


def read_shelf(sources: Sources, check: Check = lambda _: (), edit: Edit | None = None) -> Shelf:
    """The rules of the files, perhaps as they would be after an edit. Blocking.

    Raises:
        SettingsInvalid: with every problem of all files.
    """
    edit = edit or Edit()
    switched = sources.switched() if edit.switched is None else dict(edit.switched)
    made = dict.fromkeys([*sources.page_files(), *edit.texts])
    files = [*sources.files, *sources.made, *(file for file in made if edit.texts.get(file, "") is not None)]
    if not files:
        return Shelf()
    if len(files) - len(sources.files) - len(sources.made) > MOST_PAGE_RULES:
        said = f"more than {MOST_PAGE_RULES} rules were made from the page; put some into a file of your own"
        raise SettingsInvalid([Problem(str(sources.page), 1, (), said)])
    from holdfast.stream.language.loading import load_placed  # noqa: PLC0415  # sqlglot: 8 MiB, for those with rules

    texts = {**sources.made, **{file: text for file, text in edit.texts.items() if text is not None}}
    loaded = load_placed(files, texts, sources.page)
    if problems := list(check(loaded.rules)):
        raise SettingsInvalid(problems)
    return _sorted(loaded, switched)


def _sorted(loaded: Loaded, switched: Mapping[str, Switched]) -> Shelf:
    """Rules that read from one that is off are off, too. Sources come before those that read from them."""
    off = set[str]()
    for rule in loaded.rules:
        if rule.name in switched or rule.stage.source in off:
            off.add(rule.name)
    return Shelf(
        tuple(rule for rule in loaded.rules if rule.name not in off),
        tuple(rule for rule in loaded.rules if rule.name in off),
        loaded.places,
        {name: one for name, one in switched.items() if name in loaded.places},
    )
