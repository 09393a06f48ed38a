"""Which past a command looks at, as typed: of a node, a data folder, or a file."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from holdfast.backtesting.past import Files
from holdfast.backtesting.readings import Readings, Wants, of_node
from holdfast.cli.node_api import Api, File, Misused, file_of, settings_of
from holdfast.cli.readings import of_api, of_file
from holdfast.cli.where import at_hand, open_node
from holdfast.journal.journal import FILE_NAME
from holdfast.kernel.clock import Clock
from holdfast.node.settings import NodePlan, NodeSettings
from holdfast.web.errors import Refused
from holdfast.web.times import parse_time


class Wanted(msgspec.Struct, frozen=True):
    """Which past, as typed: of a node, a data folder, or a file. columns: `COLUMN=METRIC[:UNIT]` of a wide file."""

    start: str = ""
    end: str = ""
    node: str = ""
    data: Path | None = None
    file: Path | None = None
    device: str = ""
    columns: tuple[str, ...] = ()
    token_file: Path | None = None
    ca: Path | None = None


def past(wanted: Wanted, wants: Wants, patterns: Sequence[str], clock: Clock) -> AbstractContextManager[Readings]:
    """The readings that are asked for. wants, patterns: the series, of a node's files and of a node elsewhere.

    Raises:
        Misused: when it isn't said where they are, or a time is none.
    """
    if [bool(wanted.node), wanted.data is not None, wanted.file is not None].count(True) > 1:
        raise Misused("give one of --node, --data and a file", "as in `last-month.csv`")
    now = clock.wall_ns()
    if wanted.file is not None:
        start = time_of("--from", wanted.start, now) if wanted.start else None
        end = time_of("--to", wanted.end, now) if wanted.end else None
        return of_file(wanted.file, wanted.device, _columns(wanted.columns), start, end)
    start, end = time_of("--from", wanted.start or "-24h", now), time_of("--to", wanted.end or "now", now)
    if start >= end:
        raise Misused("--from is not before --to", "as in --from -7d --to now")
    where = _where(wanted)
    if isinstance(where, Api):
        return of_api(where, patterns, str(start / 1e9), str(end / 1e9))
    return of_node(where.files, wants, start, end)


def files_of(wanted: Wanted) -> Files | None:
    """The node's files that are meant; None where it's no node of this machine.

    Raises:
        Misused: when none is named and none is at hand.
    """
    where = None if wanted.file is not None else _where(wanted)
    return None if where is None or isinstance(where, Api) else where.files


def _where(wanted: Wanted) -> Api | File:
    """A node elsewhere, or the files of one here, which may run."""
    if wanted.data is not None:
        return _folder(wanted.data)
    where = open_node(wanted.node or at_hand(), wanted.token_file, wanted.ca)
    if isinstance(where, Api) and "://" not in wanted.node:
        return file_of(settings_of(Path(wanted.node or at_hand())), "the past is read from the files")
    return where


def _folder(data: Path) -> File:
    if not (data / FILE_NAME).exists():
        raise Misused(f"there is no journal in {data}", "the folder that `data:` in node.yaml names")
    has_lake = (data / "lake").is_dir()
    plan = NodePlan(NodeSettings(node="past", data=str(data.absolute()), history=has_lake), data.absolute(), (), ())
    return file_of(plan, "a folder was named")


def _columns(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, metric = text.partition("=")
        if not (name and equals and metric):
            raise Misused(f"--column {text} isn't COLUMN=METRIC", "as in --column 'Temperature=motor.temperature:Cel'")
        found[name] = metric
    return found


def time_of(name: str, text: str, now_ns: int) -> int:
    """A time as typed.

    Raises:
        Misused: when it is none.
    """
    try:
        return parse_time(name, text, now_ns)
    except Refused as error:
        raise Misused(str(error), error.hint) from error
