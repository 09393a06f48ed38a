"""`holdfast support-bundle`: all that somebody needs who helps, in one file, without the node's secrets.

Every piece is made by itself; one that can't be made leaves a note in its place. What only a running node knows is
asked over its API; the rest comes from its files, which are only read.
"""

import io
import os
import platform
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import typer
import yaml
import zstandard

from holdfast import __version__
from holdfast.cli.bundle_journal import integrity_piece, journal_piece
from holdfast.cli.ledger import from_file as ledger_from_file
from holdfast.cli.node_api import Api, File, Misused, as_json, file_of, find
from holdfast.cli.status import from_api, from_file
from holdfast.cli.traces import files_of
from holdfast.cli.words import many, size
from holdfast.kernel.clock import Clock
from holdfast.kernel.errors import HoldfastError
from holdfast.node.doctor import run_checks
from holdfast.node.machine import filesystem_of, is_clock_synchronised
from holdfast.node.secrets_of import secrets_of
from holdfast.node.settings import NodePlan
from holdfast.reporting.questions import LinesWanted, TracesWanted
from holdfast.reporting.redacting import Redactor
from holdfast.storage.files import write_atomic
from holdfast.web.report_answers import LogAnswer, TraceList

MOST_LINES, MOST_TRACES, MOST_REFUSED = 5_000, 200, 200
ASKED = {
    "clock": {"limit": "200"},
    "adapters": {},
    "devices": {},
    "rules": {},
    "alerts": {"state": "all", "limit": "200"},
    "silences": {},
    "channels": {},
    "history": {},
    "documents": {},
}
"""What only a running node tells: paths under /api/v1, each a file."""
README = """\
A support bundle of the Holdfast node {node}, made {at} by Holdfast {version}.

In it:
{contents}

Secrets are taken out: in settings by the names of their keys, then everywhere each secret that the settings hold or
name a file of, what follows words such as Bearer or password=, private keys, and logins in URLs ({removed} places).
Left in: names of nodes, devices, series, topics, people and hosts, alerts with the values they were decided on, and log
lines. Not in it: readings, payloads of refused messages, tokens, keys, certificates, comments of settings. Look through
it before you send it.
"""
Piece = tuple[str, Callable[[], str]]


def make_bundle(plan: NodePlan, settings: Path, target: Path, clock: Clock) -> int:
    """Write the bundle; 0, also when some pieces couldn't be made, which it says."""
    if target.exists():
        raise Misused(f"{target} is there already", "name another file with -o")
    redactor = Redactor(secrets_of(plan))
    where = _where(plan)
    files, failed = dict[str, bytes](), list[str]()
    for name, make in _pieces(plan, settings, where, redactor, clock):
        try:
            files[name] = make().encode()
        except (HoldfastError, OSError, ValueError, msgspec.MsgspecError) as error:
            failed.append(name)
            files[f"{name}.failed.txt"] = f"{error}\n{getattr(error, 'hint', '')}\n".encode()
    redacted = {name: redactor.text(data.decode()).encode() for name, data in files.items()}
    contents = "\n".join(f"  {name:<22} {size(len(data)):>8}" for name, data in redacted.items())
    readme = README.format(
        node=plan.settings.node, at=_at(clock), version=__version__, contents=contents, removed=redactor.removed
    )
    packed = _packed(target, {"README.txt": readme.encode(), **redacted}, f"{plan.settings.node}-support")
    write_atomic(target, packed, mode=0o600)
    note = f"; could not be made: {', '.join(failed)}" if failed else ""
    typer.echo(f"{target}: {size(len(packed))}, {many(len(redacted) + 1, 'file')}{note}")
    typer.echo("README.txt in it says what is in it and what was taken out. Look through it before you send it.")
    return 0


def _where(plan: NodePlan) -> Api | File | None:
    try:
        return find(plan)
    except HoldfastError:
        return None  # a node that never ran: its settings and its machine are all there is


def _pieces(
    plan: NodePlan, settings: Path, where: Api | File | None, redactor: Redactor, clock: Clock
) -> Iterator[Piece]:
    # settings come first: their secrets are learnt there, and taken out of everything at the end
    yield "node.yaml", lambda: _settings(settings, redactor)
    for i, path in enumerate(_named_files(plan)):
        yield f"files/{i:02d}-{path.name}", partial(_settings, path, redactor)
    yield "versions.json", lambda: as_json(_versions())
    yield "machine.json", lambda: as_json(_machine(plan, clock))
    is_running = isinstance(where, Api) or (isinstance(where, File) and where.is_running)
    yield "doctor.json", lambda: as_json(run_checks(plan.data, [] if is_running else plan.ports(), clock, plan))
    if where is not None:
        file = where if isinstance(where, File) else file_of(plan, "")
        yield "status.json", lambda: as_json(from_api(where) if isinstance(where, Api) else from_file(where))
        yield "ledger.json", lambda: as_json(ledger_from_file(file, verify=False))
        yield "journal.json", lambda: as_json(journal_piece(file))
        yield "integrity.json", lambda: as_json(integrity_piece(file, clock))
        yield "quarantine.json", lambda: as_json(_refused(file))
    if isinstance(where, Api):
        api = where
        absent = {"history": plan.history is None, "documents": plan.settings.documents is None}
        for name, params in ASKED.items():
            if absent.get(name):
                continue
            yield f"{name}.json", partial(_asked, api, name, params)
        yield "full-status.json", lambda: as_json(api.get("status", object))
        yield "metrics.txt", api.metrics
        # it knows the last seconds, too, which aren't on disk yet
        lines, traces = {"limit": str(MOST_LINES)}, {"limit": str(MOST_TRACES)}
        yield "log.jsonl", lambda: _lines(api.get("logs", LogAnswer, lines).lines)
        yield "traces.jsonl", lambda: _lines(api.get("traces", TraceList, traces).traces)
    else:
        reports = files_of(plan)
        yield "log.jsonl", lambda: _lines(reports.log(LinesWanted(limit=MOST_LINES)))
        yield "traces.jsonl", lambda: _lines(reports.traces(TracesWanted(limit=MOST_TRACES)))


def _asked(api: Api, path: str, params: Mapping[str, str]) -> str:
    return as_json(api.get(path, object, params))


def _settings(path: Path, redactor: Redactor) -> str:
    """A YAML file without secrets; without comments, too, as nobody knows what is in those."""
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        # the text itself may hold what can't be told apart from secrets
        raise ValueError(f"not YAML, and so not shown: {getattr(error, 'problem', error)}") from None
    return str(yaml.safe_dump(redactor.settings(tree), sort_keys=False, allow_unicode=True))


def _named_files(plan: NodePlan) -> Iterator[Path]:
    for text in (*plan.settings.profiles, *plan.settings.rules):
        if not text.startswith("builtin:"):
            yield plan.path(text)


def _versions() -> dict[str, Any]:
    found = sorted(f"{one.metadata['Name']} {one.version}" for one in metadata.distributions())
    return {"holdfast": __version__, "python": sys.version, "platform": platform.platform(), "packages": found}


def _machine(plan: NodePlan, clock: Clock) -> dict[str, Any]:
    import psutil

    folder = plan.data if plan.data.exists() else plan.folder
    usage, memory, stat = shutil.disk_usage(folder), psutil.virtual_memory(), os.statvfs(folder)
    return {
        "cpus": psutil.cpu_count(),
        "load": psutil.getloadavg(),
        "memory": {"bytes": memory.total, "available": memory.available},
        "disk": {
            "folder": str(folder),
            "filesystem": filesystem_of(folder),
            "bytes": usage.total,
            "free": usage.free,
            "free_inodes": stat.f_favail,
        },
        "clock": {
            "wall_ns": clock.wall_ns(),
            "boottime_ns": clock.boottime_ns(),
            "boot_id": clock.boot_id(),
            "synchronised": is_clock_synchronised(),
        },
    }


def _refused(file: File) -> list[Mapping[str, Any]]:
    """Refused messages without their bytes."""
    reader = file.reader()
    try:
        rows = reader.quarantined(MOST_REFUSED)
    finally:
        reader.close()
    return [
        {
            "id": row.id,
            "received_ns": row.received_ns,
            "source": row.source,
            "topic": row.topic,
            "reason": str(row.reason),
            "detail": row.detail,
            "bytes": len(row.payload),
        }
        for row in rows
    ]


def _lines(items: list[Any]) -> str:
    return "".join(msgspec.json.encode(one).decode() + "\n" for one in items)


def _packed(target: Path, files: Mapping[str, bytes], folder: str) -> bytes:
    out = io.BytesIO()
    if target.name.endswith(".zip"):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(f"{folder}/{name}", data)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return zstandard.compress(out.getvalue(), 10)


def default_target(node: str, clock: Clock) -> Path:
    """Where a bundle goes that wasn't told: into the folder that the command runs in."""
    return Path(f"{node}-support-{_at(clock).replace(':', '')}.tar.zst")


def _at(clock: Clock) -> str:
    from holdfast.cli.words import when

    return when(clock.wall_ns())
