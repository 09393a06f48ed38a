"""Rules changed through the API: tried as a whole with all others first, then kept on disk, then put in force."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import yaml

from holdfast.kernel.documents import Problem, SettingsInvalid, guard
from holdfast.node.happenings import RuleEdited
from holdfast.node.rule_versions import Did, Version, Versions, before
from holdfast.node.shelf import SWITCHES, Edit, Shelf, Sources, Switched
from holdfast.storage.errors import StorageUnusable
from holdfast.storage.files import sync_directory, write_atomic
from holdfast.stream.describing import explained
from holdfast.web.rule_answers import (
    RuleAbsent,
    RuleChanged,
    RuleDetail,
    RuleForeign,
    RuleMoved,
    RuleVersion,
    RuleWords,
    TextInvalid,
    TextProblem,
)

if TYPE_CHECKING:
    from holdfast.node.rulebook import RuleBook

MOST_TEXT = 64 << 10
_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class _Now:
    """A rule as it is. text: of one made from the page; is_foreign: it stands in a file of the operator's own."""

    text: str | None
    on: bool
    is_foreign: bool


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is to become of a rule. text: None = it goes, or, of an operator's own, stays as it is."""

    text: str | None
    on: bool
    did: Did


class RuleEditor:
    """Changes rules. Loop thread only; one change at a time."""

    def __init__(self, book: "RuleBook", sources: Sources) -> None:
        self._book, self._sources = book, sources
        self._versions = Versions(sources.page)

    async def put(self, name: str, text: str, revision: str, by: str, *, on: bool | None) -> RuleChanged:
        """Make or change a rule of the page. on: None = as it is; a new one is off.

        Raises:
            TextInvalid, RuleForeign, RuleMoved, StorageUnusable: and nothing has changed.
        """

        def wish(now: _Now | None) -> _Wish:
            if now is not None and now.is_foreign:
                raise RuleForeign(name, str(self._place(name)))
            is_on = on if on is not None else now is not None and now.on
            return _Wish(text, is_on, "made" if now is None or now.text is None else "changed")

        self._demand(name, text)
        return await self._change(name, revision, by, wish)

    async def switch(self, name: str, revision: str, by: str, *, on: bool) -> RuleChanged:
        """Switch a rule on or off, whoever's file it's in. revision: empty = whatever it is.

        Raises:
            RuleAbsent, RuleMoved, TextInvalid, StorageUnusable: and nothing has changed.
        """

        def wish(now: _Now | None) -> _Wish:
            if now is None:
                raise RuleAbsent(name)
            return _Wish(now.text, on, "switched on" if on else "switched off")

        return await self._change(name, revision, by, wish, is_picky=bool(revision))

    async def remove(self, name: str, revision: str, by: str) -> RuleChanged:
        """Remove a rule that was made from the page.

        Raises:
            RuleAbsent, RuleForeign, RuleMoved, TextInvalid, StorageUnusable: and nothing has changed.
        """

        def wish(now: _Now | None) -> _Wish:
            if now is None:
                raise RuleAbsent(name)
            if now.is_foreign:
                raise RuleForeign(name, str(self._place(name)))
            return _Wish(None, on=True, did="removed")

        return await self._change(name, revision, by, wish)

    async def undo(self, name: str, revision: str, by: str) -> RuleChanged:
        """Take the latest change back; done twice, it's there again.

        Raises:
            RuleAbsent, RuleForeign, RuleMoved, TextInvalid, StorageUnusable: and nothing has changed.
        """
        known = before(await asyncio.to_thread(self._versions.of, name))

        def wish(now: _Now | None) -> _Wish:
            if known is None:
                raise RuleAbsent(name)
            if now is not None and now.is_foreign:
                return _Wish(None, known.on, "undone")
            if now is None and known.text is None:
                raise RuleAbsent(name)
            return _Wish(known.text, known.on, "undone")

        return await self._change(name, revision, by, wish)

    async def detail(self, name: str) -> RuleDetail:
        """A rule with its text, what it means, and how it came to be.

        Raises:
            RuleAbsent: when there is none, and never was.
        """
        rows = [row for row in (await self._book.listed()).rules if row.rule == name]
        versions = await asyncio.to_thread(self._versions.of, name)
        if not rows and not versions:
            raise RuleAbsent(name)
        text = await asyncio.to_thread(self.text, name)
        told = [RuleVersion(v.n, v.at_ns, v.by, v.did, v.text, v.on) for v in reversed(versions)]
        return RuleDetail(name, rows, text, told, self.revision(name), self._words(name, text))

    def _words(self, name: str, text: str) -> list[RuleWords]:
        shelf, found = self._book.shelf, rules_in(text).get(name)
        written = found if isinstance(found, dict) else {}
        parts = [rule for rule in (*shelf.at_work, *shelf.off) if rule.name == name]
        return [RuleWords(name, rule.part, explained(rule, written)) for rule in parts]

    def revision(self, name: str) -> str:
        """What a change must name: another one after every change of the rule's file or switch; empty = no rule."""
        rule = self._book.shelf.rule(name)
        if rule is None:
            return ""
        stamp = self._book.stamp(self._book.shelf.places[name].file)
        said = f"{rule.version} {stamp} {name in self._book.shelf.switched}"
        return blake2b(said.encode(), digest_size=8).hexdigest()

    async def _change(
        self, name: str, revision: str, by: str, wish: Callable[[_Now | None], _Wish], *, is_picky: bool = True
    ) -> RuleChanged:
        async with self._book.one_at_a_time:
            if is_picky and revision != self.revision(name):
                raise RuleMoved(name, self.revision(name))
            now = await asyncio.to_thread(self._now, name, self._book.shelf)
            wanted = wish(now)
            edit = self._edit(name, wanted, by, is_foreign=now is not None and now.is_foreign)
            write = self._writer(name, wanted, by, edit)
            try:
                done = await self._book.put_in_force(edit, write)
            except SettingsInvalid as invalid:
                raise TextInvalid(problems_of(invalid, self._sources.file_of(name))) from None
            self._book.telemetry.emit(RuleEdited(rule=name, did=wanted.did, by=by))
        return RuleChanged(name, self.revision(name), done.rules, self._book.shelf.waits_for(name))

    def _edit(self, name: str, wanted: _Wish, by: str, *, is_foreign: bool) -> Edit:
        switched = dict(self._book.shelf.switched)
        if wanted.on:
            switched.pop(name, None)
        elif name not in switched:
            switched[name] = Switched(by, self._book.clock.wall_ns())
        return Edit({} if is_foreign else {self._sources.file_of(name): wanted.text}, switched)

    def _writer(self, name: str, wanted: _Wish, by: str, edit: Edit) -> Callable[[], None]:
        """What keeps it. A rule is never on for a moment that shall be off, nor after a power cut."""
        versions, sources, at_ns = self._versions, self._sources, self._book.clock.wall_ns()
        switched = edit.switched or {}

        def write() -> None:
            number = max((one.n for one in versions.of(name)), default=0) + 1
            versions.add(name, Version(number, at_ns, by, wanted.did, wanted.text, wanted.on))
            if not wanted.on:
                _write_switches(sources.page, switched)
            _write_texts(edit)
            if wanted.on:
                _write_switches(sources.page, switched)

        return write

    def _now(self, name: str, shelf: Shelf) -> _Now | None:
        place = shelf.places.get(name)
        if place is None:
            return None
        is_foreign = place.file.parent != self._sources.page
        return _Now(None if is_foreign else _read(place.file), name not in shelf.switched, is_foreign)

    def _place(self, name: str) -> Path:
        return self._book.shelf.places[name].file

    def text(self, name: str) -> str:
        """A rule's text as it stands in its file, as a file of its own."""
        place = self._book.shelf.places.get(name)
        if place is None:
            return ""
        whole = _read(place.file) or ""
        return whole if place.file.parent == self._sources.page else excerpt(whole, name)

    def _demand(self, name: str, text: str) -> None:
        if _NAME.fullmatch(name) is None:
            said = f"`{name}` is no rule name: lower-case letters, digits, - and _, at most 64"
            raise TextInvalid([TextProblem(1, 0, "", said, "")])
        try:
            guard(text, self._sources.file_of(name))
        except SettingsInvalid as invalid:
            raise TextInvalid(problems_of(invalid, self._sources.file_of(name))) from None
        found = _names(text)
        if found is not None and found != [name]:
            holds = ", ".join(found) or "no rule"
            said = f"this text holds {holds}; a rule made from the page stands alone, as `{name}`"
            raise TextInvalid([TextProblem(1, 0, "rules", said, "give each rule a text of its own")])


def problems_of(invalid: SettingsInvalid, path: Path) -> list[TextProblem]:
    """What is wrong with a text that stands for a file; what is wrong elsewhere is said with its file."""
    found = []
    for one in invalid.problems:
        is_here = one.file == str(path)
        said = one.message if is_here else str(one)
        place = _place_in(one) if is_here else ""
        hint = one.message.partition("; ")[2]
        found.append(TextProblem(one.line if is_here else 0, one.column if is_here else 0, place, said, hint))
    return found


def _place_in(one: Problem) -> str:
    return ".".join(str(step) for step in one.where)


def excerpt(whole: str, name: str) -> str:
    """The lines of one rule of a file, with the word that they stand under."""
    try:
        tree = yaml.compose(whole, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return ""
    for key, value in tree.value if isinstance(tree, yaml.MappingNode) else ():
        if key.value == "rules" and isinstance(value, yaml.MappingNode):
            lines = whole.split("\n")
            for i, (rule, _) in enumerate(value.value):
                if rule.value == name:
                    after = value.value[i + 1][0] if i + 1 < len(value.value) else None
                    end = value.end_mark.line if after is None else after.start_mark.line
                    end = end if end > rule.start_mark.line else rule.start_mark.line + 1
                    kept = lines[rule.start_mark.line : end if after is not None or end < len(lines) else len(lines)]
                    return "rules:\n" + "\n".join(kept).rstrip() + "\n"
    return ""


def rules_in(text: str) -> dict[str, object]:
    """The rules of a text that was read already, as YAML has them."""
    tree = yaml.safe_load(text) if text else None
    rules = tree.get("rules") if isinstance(tree, dict) else None
    return rules if isinstance(rules, dict) else {}


def _names(text: str) -> list[str] | None:
    """The rules in a text; None when it's no such text, which the checks say better."""
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return None
    rules = tree.get("rules") if isinstance(tree, dict) else None
    return [str(name) for name in rules] if isinstance(rules, dict) else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write_texts(edit: Edit) -> None:
    for path, text in edit.texts.items():
        if text is not None:
            write_atomic(path, text.encode())
            continue
        try:
            path.unlink(missing_ok=True)
            sync_directory(path.parent)
        except OSError as error:
            raise StorageUnusable(f"{path} can't be removed: {error.strerror}") from error


def _write_switches(page: Path, switched: Mapping[str, Switched]) -> None:
    write_atomic(page / SWITCHES, msgspec.json.format(msgspec.json.encode(switched), indent=1))
