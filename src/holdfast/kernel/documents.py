"""Settings documents: YAML files checked against typed structs, every problem reported at once with its line.

`load(path, SomeStruct)` gives a `Document` or raises `SettingsInvalid` with *all* problems. A room that checks
more than types (does the SQL parse? is the unit known?) collects `document.problem(path, message)` and raises
`SettingsInvalid` with those.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import yaml

from holdfast.kernel.errors import HoldfastError
from holdfast.kernel.shape import Finding, Shape

T = TypeVar("T")
Where = tuple[str | int, ...]
MOST_DEEP = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing an operator must mend in a file."""

    file: str
    line: int
    where: Where
    message: str
    column: int = 0
    """From 1; 0 = it isn't known."""

    def __str__(self) -> str:
        place = ".".join(str(step) for step in self.where)
        return f"{self.file}:{self.line}: {place + ': ' if place else ''}{self.message}"


class SettingsInvalid(HoldfastError):
    """A settings file is wrong. Nothing was started. `problems` has every fault found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line)))
        count = len(self.problems)
        head = "1 problem in the settings" if count == 1 else f"{count} problems in the settings"
        super().__init__("\n".join([head + ":", *(f"  {p}" for p in self.problems)]))


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """A checked document that remembers where each value stood."""

    path: Path
    value: T
    lines: dict[Where, int] = field(default_factory=dict)
    columns: dict[Where, int] = field(default_factory=dict)

    def line(self, where: Where) -> int:
        """The line of the value at `where`, or of its nearest enclosing value."""
        return self.lines.get(self._known(where), 1)

    def _known(self, where: Where) -> Where:
        while where and where not in self.lines:
            where = where[:-1]
        return where

    def problem(self, where: Where, message: str) -> Problem:
        """A problem at `where`, for `SettingsInvalid`."""
        column = self.columns.get(self._known(where), 0)
        return Problem(str(self.path), self.line(where), where, message, column)


def load(path: Path, into: type[T]) -> Document[T]:
    """Read a YAML file into a struct type.

    Raises:
        SettingsInvalid: with every problem found: unreadable file, bad YAML, unknown key, wrong type, missing value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingsInvalid([Problem(str(path), 1, (), f"can't be read: {reason}")]) from None
    return parse(text, into, path)


def guard(text: str, path: Path) -> None:
    """Refuse text from afar that `parse` would choke on: aliases (they multiply), and nesting beyond all reason.

    Raises:
        SettingsInvalid: with the first such place.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEEP or isinstance(event, yaml.AliasEvent):
                line, column = (mark.line + 1, mark.column + 1) if (mark := event.start_mark) else (1, 0)
                said = "nested too deeply" if depth > MOST_DEEP else "aliases aren't taken here"
                raise SettingsInvalid([Problem(str(path), line, (), said, column)])
    except yaml.YAMLError:
        return  # what is wrong is said by `parse`


def parse(text: str, into: type[T], path: Path) -> Document[T]:
    """Like `load`, from text; `path` is what problems are reported under."""
    marks: dict[Where, yaml.Mark] = {}
    findings: list[Finding] = []
    try:
        tree = yaml.compose(text, Loader=yaml.CSafeLoader)
        raw = {} if tree is None else _plain(tree, (), marks, findings)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        detail = getattr(error, "problem", None) or str(error)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 0)
        raise SettingsInvalid([Problem(str(path), line, (), f"not YAML: {detail}", column)]) from None
    lines = {where: mark.line + 1 for where, mark in marks.items()}
    columns = {where: mark.column + 1 for where, mark in marks.items()}
    checked = Shape(into).check(raw, findings)
    document: Document[Any] = Document(path, None, lines, columns)
    if findings:
        raise SettingsInvalid([document.problem(where, message) for where, message in findings])
    try:
        value = msgspec.convert(checked, into)
    except msgspec.ValidationError as error:  # a bound that `Shape` does not know; still the operator's to mend
        where, message = _placed(str(error), marks)
        raise SettingsInvalid([document.problem(where, message)]) from None
    return Document(path, value, lines, columns)


def _placed(said: str, marks: Iterable[Where]) -> tuple[Where, str]:
    """Where msgspec means by "… - at `$.models.deploy[...].hybrid`", as far as one place of the document fits.

    A key of a mapping and an item of a list are both `[...]` or `[0]` there.
    """
    message, found, path = said.rpartition(" - at `$")
    if not found:
        return (), said
    steps: list[tuple[str, str]] = re.findall(r"\.([^.\[\]`]+)|(\[[^\]]*\])", path)
    wanted = [name or number[1:-1] for name, number in steps]
    fits = [
        where
        for where in marks
        if len(where) == len(wanted) and all(want in ("...", str(one)) for one, want in zip(where, wanted, strict=True))
    ]
    return (fits[0], message) if len(fits) == 1 else ((), said)


def _plain(node: yaml.Node, where: Where, marks: dict[Where, yaml.Mark], findings: list[Finding]) -> Any:
    marks[where] = node.start_mark
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, where, marks, findings)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*where, i), marks, findings) for i, item in enumerate(node.value)]
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except (ValueError, KeyError, AttributeError, OverflowError):  # 2015-00-04, !!bool maybe, !!timestamp soon
        findings.append((where, f"`{node.value}` isn't what it looks like to YAML: mend it, or put it in quotes"))
        return None


def _mapping(
    node: yaml.MappingNode, where: Where, marks: dict[Where, yaml.Mark], findings: list[Finding]
) -> dict[Any, Any]:
    out: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else str(key_node.value)
        here = (*where, key)
        if key in out:
            findings.append((here, f"`{key}` stands twice; keep one"))
        out[key] = _plain(value_node, here, marks, findings)
        marks[here] = key_node.start_mark
    return out
