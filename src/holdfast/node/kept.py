"""The small files of the data folder that go with a backup of the journal, and how they come back.

Rules made from the page with their switches and histories, and who may log in. Everything else that changes while a
node runs (alerts, silences, maintenance, labels, quarantine, devices, commands, audit) is in the journal itself. Not
kept: settings and keys, which are the operator's, and sessions and the machine's own token, which are made anew.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from msgspec import Struct

from holdfast.identity.people.book import FILE_NAME as PEOPLE
from holdfast.node.rule_versions import HISTORY
from holdfast.node.shelf import FOLDER as RULES
from holdfast.node.shelf import SWITCHES
from holdfast.storage.files import write_atomic

MOST_BYTES = 64 << 20
"""Of all of them; what is older of the rules' histories stays out first."""
_SECRET, _PLAIN = 0o600, 0o644


class Returned(Struct, frozen=True):
    """What became of a backup's files: written; the same as what is there; left as they are there, being others."""

    written: list[str]
    same: list[str]
    others: list[str]


def kept_of(data: Path) -> tuple[dict[str, bytes], int]:
    """The files by their names below the data folder, and how many found no room. Blocking."""
    kept, size, left_out = dict[str, bytes](), 0, 0
    for path in _wanted(data):
        try:
            content = path.read_bytes()
        except OSError:
            continue  # removed meanwhile: then it isn't part of now
        size += len(content)
        if size > MOST_BYTES:
            left_out, size = left_out + 1, size - len(content)
            continue
        kept[path.relative_to(data).as_posix()] = content
    return kept, left_out


def _wanted(data: Path) -> Iterator[Path]:
    rules = data / RULES
    yield from (file for file in (data / PEOPLE, rules / SWITCHES) if file.exists())
    yield from sorted(file for file in rules.glob("*.yaml") if not file.name.startswith("."))
    histories = [(file.stat().st_mtime_ns, file) for file in (rules / HISTORY).glob("*.json")]
    yield from (file for _, file in sorted(histories, reverse=True))


def give_back(kept: Mapping[str, bytes], data: Path) -> Returned:
    """Write the files that aren't there; what is there stays: it's newer, and people who were removed stay removed.

    Raises:
        StorageUnusable: when one can't be written.
    """
    written, same, others = list[str](), list[str](), list[str]()
    for name, content in kept.items():
        if not _is_ours(name):
            continue
        path = data / name
        if path.exists():
            (same if path.read_bytes() == content else others).append(name)
        else:
            write_atomic(path, content, _SECRET if name == PEOPLE else _PLAIN)
            written.append(name)
    return Returned(written, same, others)


def _is_ours(name: str) -> bool:
    """A backup may come from anywhere: it mustn't write anywhere."""
    match PurePosixPath(name).parts:
        case (one,):
            return one == PEOPLE
        case (folder, one):
            return folder == RULES and one != ".." and (one == SWITCHES or one.endswith(".yaml"))
        case (folder, history, one):
            return (folder, history) == (RULES, HISTORY) and one.endswith(".json")
        case _:
            return False
