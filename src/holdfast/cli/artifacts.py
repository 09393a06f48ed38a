"""`holdfast artifact`: publishes files at a node, and has them from it."""

import contextlib
import http.client
import ssl
import tempfile
import time
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlencode

import msgspec
import typer

from holdfast.artifacts.bundles import ENDING, pack
from holdfast.artifacts.digests import digest_of, hashed
from holdfast.artifacts.entries import Entry
from holdfast.artifacts.ranges import told
from holdfast.artifacts.status import FetchStatus
from holdfast.cli.node_api import LONG_S, Api, Declined, Misused, Unanswered, api_at, api_of, as_json, settings_of
from holdfast.cli.words import lasting, many, plain, size, table
from holdfast.inference.card import load_card
from holdfast.kernel.clock import NS_PER_S, Clock, SystemClock
from holdfast.web.answers import Failure
from holdfast.web.artifacts import ArtifactList, ArtifactPin, ArtifactWanted

PIECE = 1 << 18
PAUSE_S = 1.0
_NAME = 40


def node_at(where: str, token_file: Path | None, ca: Path | None) -> Api:
    """The node to ask.

    Raises:
        Misused, AddressInvalid, SettingsInvalid: when that's nowhere.
    """
    if where.startswith(("https://", "http://")):
        return api_at(where, token_file, ca)
    api = api_of(settings_of(Path(where)))
    if api is None:
        raise Misused(f"{where} has no `api:` with a fixed port", "artifacts are asked of the running node")
    return api


def show(node: Api, *, json: bool) -> int:
    """Print what is there."""
    found = node.get("artifacts", ArtifactList)
    if json:
        typer.echo(as_json(found))
        return 0
    now_ns = SystemClock().wall_ns()
    if found.artifacts:
        head = ["digest", "name", "size", "pinned", "how", "used"]
        typer.echo("\n".join(table([head, *(_row(one, now_ns) for one in found.artifacts)], (2,))))
    typer.echo(f"{many(len(found.artifacts), 'artifact')}, {size(found.bytes)} of {size(found.max_bytes)}")
    for one in found.fetches:
        typer.echo(_on_its_way(one))
    return 0


def _row(one: Entry, now_ns: int) -> list[str]:
    used = lasting(max(0, now_ns - one.used_ns) / NS_PER_S) + " ago"
    return [one.digest, plain(one.name, _NAME) or "-", size(one.bytes), "yes" if one.pinned else "-", one.how, used]


def _on_its_way(one: FetchStatus) -> str:
    so_far = f"{size(one.held)} of {size(one.bytes)}" if one.bytes else "nothing yet"
    return f"{one.digest}  {one.state}: {so_far}{f'; {plain(one.detail, 200)}' if one.detail else ''}"


def publish(node: Api, file: Path, name: str, *, pin: bool) -> int:
    """Put a file there, unless it's there already.

    Raises:
        Misused: when it can't be read.
        Unanswered, Declined: when the node can't be asked, or won't.
    """
    try:
        with file.open("rb") as opened:
            digest = hashed(opened)
            opened.seek(0)
            entry = _upload(node, opened, file.stat().st_size, digest, name, pin=pin)
    except OSError as error:
        raise Misused(f"{file} can't be read: {error.strerror or error}", "name a file") from error
    typer.echo(f"sha256:{entry.digest}  {plain(entry.name, _NAME)}  {size(entry.bytes)}")
    return 0


def publish_folder(node: Api, folder: Path, *, pin: bool) -> int:
    """Put a model's folder there as a bundle.

    Raises:
        InferenceError, SettingsInvalid: when its card isn't there, or is none.
    """
    load_card(folder)
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / f"{folder.resolve().name}{ENDING}"
        with bundle.open("wb") as out:
            pack(folder, out)
        return publish(node, bundle, bundle.name, pin=pin)


def _upload(node: Api, file: BinaryIO, length: int, digest: str, name: str, *, pin: bool) -> Entry:
    query = urlencode({"name": name, "pin": "true" if pin else "false"})
    connection = node.opened(LONG_S)
    try:
        headers = node.headers(**{"Content-Type": "application/octet-stream", "Content-Length": str(length)})
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it took all
            connection.request("PUT", f"/api/v1/artifacts/{digest}?{query}", file, headers)
        reply = connection.getresponse()
        body = reply.read(1 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise Unanswered(f"{node} went away in the middle ({error})") from error
    finally:
        connection.close()
    if reply.status >= 400:
        raise declined(node, body)
    return msgspec.json.decode(body, type=Entry)


def declined(node: Api, body: bytes) -> Declined | Unanswered:
    """Why a node doesn't."""
    try:
        failure = msgspec.json.decode(body, type=Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Unanswered(f"what answers at {node} is no Holdfast node of this version")
    return Declined(f"{node} says: {failure.error}", failure.hint)


def download(node: Api, digest: str, file: Path, wait_s: float) -> int:
    """Have an artifact in a file, which gets its name when it's whole and right; returns 1 when it isn't in time.

    Raises:
        DigestInvalid, Misused, Unanswered, Declined: when it can't be had.
    """
    digest, clock = digest_of(digest), SystemClock()
    part = file.with_name(f"{file.name}.{digest[:12]}.part")
    until = clock.monotonic() + wait_s
    while (why := _some(node, digest, part)) is not None:
        if clock.monotonic() >= until:
            typer.echo(f"{why}; what came is in {part}: the same command goes on there", err=True)
            return 1
        time.sleep(PAUSE_S)
    with part.open("rb") as opened:
        if hashed(opened) != digest:
            part.unlink()
            raise Declined(f"what {node} gave isn't {digest[:12]}…", "nothing was kept; ask again, and see its log")
    part.replace(file)
    typer.echo(f"sha256:{digest}  {file}  {size(file.stat().st_size)}")
    return 0


def _some(node: Api, digest: str, part: Path) -> str | None:
    """Go on with a file; None = it's whole, else why it isn't."""
    try:
        connection = node.opened(60.0)
    except Unanswered as error:
        return str(error)
    try:
        had = part.stat().st_size if part.exists() else 0
        headers = node.headers(**({"Range": f"bytes={had}-", "If-Range": f'"{digest}"'} if had else {}))
        connection.request("GET", f"/api/v1/artifacts/{quote(digest)}", None, headers)
        reply = connection.getresponse()
        if reply.status == 416:  # it was whole when it was cut, or is another file's
            return None
        if reply.status in (429, 503):
            return str(declined(node, reply.read(1 << 16)))
        if reply.status >= 400:
            raise declined(node, reply.read(1 << 16))
        return _write(reply, part, had)
    except (OSError, http.client.HTTPException, ssl.SSLError) as error:
        return f"the connection to {node} was cut ({error or type(error).__name__})"
    finally:
        connection.close()


def _write(reply: http.client.HTTPResponse, part: Path, had: int) -> str | None:
    found = told(reply.getheader("Content-Range", "")) if reply.status == 206 else None
    if reply.status == 206 and (found is None or found[0].start != had):
        raise Unanswered("it answers other bytes than it was asked for")
    length = int(reply.getheader("Content-Length", "0"))
    with part.open("ab" if reply.status == 206 else "wb") as out:
        while piece := reply.read(PIECE):
            out.write(piece)
            length -= len(piece)
    return None if length == 0 else "the connection was cut"


def have_fetched(node: Api, digest: str, wait_s: float, clock: Clock | None = None) -> int:
    """Have the node fetch it; returns 1 when it isn't there in time."""
    digest, clock = digest_of(digest), clock or SystemClock()
    until = clock.monotonic() + wait_s
    while True:
        found = node.post(f"artifacts/{digest}/fetch", {}, ArtifactWanted)
        if found.artifact is not None:
            typer.echo(f"sha256:{digest}  {size(found.artifact.bytes)}, here")
            return 0
        if clock.monotonic() >= until:
            typer.echo("on its way" if found.fetch is None else _on_its_way(found.fetch))
            return 1 if wait_s else 0
        time.sleep(PAUSE_S)


def set_pin(node: Api, digest: str, *, on: bool) -> int:
    """Pin it, or don't."""
    found = node.post(f"artifacts/{digest_of(digest)}/pin", ArtifactPin(on), Entry)
    typer.echo(f"sha256:{found.digest}  {'pinned' if found.pinned else 'not pinned'}")
    return 0


def drop(node: Api, digest: str) -> int:
    """Remove it."""
    found = node.delete(f"artifacts/{digest_of(digest)}", Entry)
    typer.echo(f"sha256:{found.digest}  removed")
    return 0
