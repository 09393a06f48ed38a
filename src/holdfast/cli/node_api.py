"""Ask the running node, or open its journal file: what the commands over a node's core share.

A node that answers knows more than its file (its link, what it's about to commit), so it's asked first. When none
does, the file is read as it was last committed, and the command says so.
"""

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from holdfast.backtesting.past import Files
from holdfast.identity.people.local import LOCAL_FILE
from holdfast.journal.journal import FILE_NAME
from holdfast.journal.opening import Access, read_key
from holdfast.journal.reader import JournalReader
from holdfast.kernel.documents import load
from holdfast.kernel.errors import HoldfastError
from holdfast.node.settings import NodePlan, NodeSettings
from holdfast.storage.files import read_bytes
from holdfast.storage.lock import is_locked
from holdfast.storage.sqlite import is_plain
from holdfast.transport.addresses import Address, is_loopback, require_https
from holdfast.transport.errors import AddressInvalid
from holdfast.web.answers import Failure, Status
from holdfast.web.settings import TlsSettings

T = TypeVar("T")
Params = Mapping[str, str | list[str]]
TIMEOUT_S = 10.0
LONG_S = 3600.0
"""Silence allowed while a node does much before it answers: a replay, or a verified ledger."""
MOST_REPLY = 256 << 20
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Unanswered(HoldfastError):
    """No node could be asked."""

    hint = "is it running, and is this the address of its `api:`?"


class Declined(HoldfastError):
    """The node answered that it won't or can't."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


class Misused(HoldfastError):
    """The command was given something that doesn't fit."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Api:
    """A node's HTTP API. tls: None = plain HTTP, on this machine only."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    token: str = ""

    def __str__(self) -> str:
        return f"{'http' if self.tls is None else 'https'}://{Address(self.host, self.port)}"

    def get(self, path: str, kind: type[T], params: Params | None = None, wait_s: float = TIMEOUT_S) -> T:
        """GET a path; the answer as a `kind`.

        Raises:
            Unanswered: when nobody is there, or somebody who is no Holdfast node.
            Declined: when the node refuses.
        """
        query = urlencode({k: v for k, v in (params or {}).items() if v}, doseq=True)
        return self._call("GET", f"/api/v1/{path}" + (f"?{query}" if query else ""), None, kind, wait_s)

    def metrics(self) -> str:
        """What Prometheus reads; errors as for `get`."""
        status, answer = self._exchange("GET", "/metrics", None, TIMEOUT_S)
        if status != 200:
            raise Unanswered(f"{self}/metrics answered {status}")
        return answer.decode()

    def post(self, path: str, body: object, kind: type[T]) -> T:
        """POST a value as JSON, and wait long for the answer; errors as for `get`."""
        return self._call("POST", f"/api/v1/{path}", msgspec.json.encode(body), kind, LONG_S)

    def delete(self, path: str, kind: type[T]) -> T:
        """DELETE a path; errors as for `get`."""
        return self._call("DELETE", f"/api/v1/{path}", None, kind, TIMEOUT_S)

    def _call(self, method: str, path: str, body: bytes | None, kind: type[T], wait_s: float) -> T:
        status, answer = self._exchange(method, path, body, wait_s)
        try:
            if status >= 400:
                failure = msgspec.json.decode(answer, type=Failure)
                raise Declined(f"{self} says: {failure.error}", failure.hint)
            return msgspec.json.decode(answer, type=kind)
        except msgspec.MsgspecError as error:
            raise Unanswered(f"what answers at {self} is no Holdfast node of this version") from error

    def _exchange(self, method: str, path: str, body: bytes | None, wait_s: float) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection = self._connection()
        try:
            connection.timeout = TIMEOUT_S
            connection.connect()
            connection.sock.settimeout(wait_s)
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read(MOST_REPLY + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(f"no node answers at {self} ({_cause(error)})") from error
        finally:
            connection.close()
        if len(content) > MOST_REPLY:
            raise Unanswered(f"{self} answers more than {MOST_REPLY} bytes")
        return answer.status, content

    def opened(self, wait_s: float = TIMEOUT_S) -> http.client.HTTPConnection:
        """A connection for bodies that are too large for `get` and `post`; close it.

        Raises:
            Unanswered: when nobody is there.
        """
        connection = self._connection()
        try:
            connection.timeout = TIMEOUT_S
            connection.connect()
            connection.sock.settimeout(wait_s)
        except OSError as error:
            connection.close()
            raise Unanswered(f"no node answers at {self} ({_cause(error)})") from error
        return connection

    def headers(self, **more: str) -> dict[str, str]:
        """Of a request over such a connection."""
        return {**({"Authorization": f"Bearer {self.token}"} if self.token else {}), **more}

    def _connection(self) -> http.client.HTTPConnection:
        if self.tls is None:
            return http.client.HTTPConnection(self.host, self.port)
        return http.client.HTTPSConnection(self.host, self.port, context=self.tls)


@dataclass(frozen=True, slots=True)
class File:
    """A node's journal file. is_running: some process writes to it now. why: why no node was asked."""

    plan: NodePlan
    access: Access
    is_running: bool
    why: str

    def __str__(self) -> str:
        return f"{self.access.path}"

    @property
    def files(self) -> Files:
        """Where its past lies."""
        return Files(self.plan.settings.node, self.access, self.plan.data, self.plan.history)

    def reader(self) -> JournalReader:
        """See `Files.reader`."""
        return self.files.reader()

    def note(self) -> str:
        """What a person should know about where the answer comes from."""
        state = "the node runs; this is" if self.is_running else "the node is stopped; this is"
        return f"{self.why[:1].upper()}{self.why[1:]}; {state} what {self} has committed."


def settings_of(path: Path) -> NodePlan:
    """node.yaml without its profiles and rules: a mistake in those must not hide the node's state.

    Raises:
        SettingsInvalid: with every problem of the file.
    """
    return NodePlan(load(path, NodeSettings).value, path.absolute().parent, (), ())


def find(plan: NodePlan) -> Api | File:
    """The node of these settings when it answers, else its journal file.

    Raises:
        Misused: when there is no journal either.
        Unanswered: when another node answers at its address.
    """
    api = api_of(plan)
    if api is None:
        return file_of(plan, "there is no `api:` with a fixed port in node.yaml")
    try:
        name = api.get("status", Status).node
    except Unanswered as error:
        return file_of(plan, str(error))
    if name != plan.settings.node:
        raise Unanswered(f"{api} is the node {name}, not {plan.settings.node}")
    return api


def api_of(plan: NodePlan) -> Api | None:
    """Where the node of these settings answers; None when that can't be known."""
    settings = plan.settings.api
    if settings is None or settings.findings() or settings.address.port == 0:
        return None
    host, port = settings.address
    tls = None if settings.tls is None else _pinned(plan, settings.tls)
    return Api(_EVERYWHERE.get(host, host), port, tls, _local_token(plan))


def _local_token(plan: NodePlan) -> str:
    """What shows a node with `people` that this is its own machine; whoever may read the journal may read it."""
    path = plan.data / LOCAL_FILE
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def api_at(url: str, token_file: Path | None, ca: Path | None) -> Api:
    """The API at an address that was typed.

    Raises:
        AddressInvalid, StorageUnusable, Misused: when address, token or CA can't be used.
    """
    token = "" if token_file is None else read_bytes(token_file).decode("ascii", "replace").strip()
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError as error:
        raise AddressInvalid(f"{url!r} is not a URL: {error}") from error
    if parts.path.strip("/"):
        raise AddressInvalid(f"{url!r} has a path; write https://HOST:PORT")
    if parts.scheme == "http":
        if parts.hostname is None or not is_loopback(parts.hostname):
            raise AddressInvalid(f"{url!r}: plain HTTP is for this machine only; write https://HOST:PORT")
        return Api(parts.hostname, port or 80, None, token)
    require_https(url)
    try:
        tls = ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise Misused(f"{ca} can't be used as a CA: {error}", "a PEM file with the certificate that signed") from error
    return Api(parts.hostname or "", port or 443, tls, token)


def file_of(plan: NodePlan, why: str) -> File:
    """The node's journal file.

    Raises:
        Misused: when it isn't there.
        KeyMissing, KeyUnusable: when its key isn't.
    """
    path = plan.data / FILE_NAME
    if not path.exists():
        raise Misused(f"{why}, and there is no journal at {path}", "has this node ever run? see `data:` in node.yaml")
    key = None if is_plain(path) else read_key(plan.settings.journal.key, plan.folder, path)
    return File(plan, Access(path, key), is_locked(path), why)


def _pinned(plan: NodePlan, tls: TlsSettings) -> ssl.SSLContext:
    """Trust the node's own certificate and nothing else; its name needn't be the one it's called by here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    text = read_bytes(plan.path(tls.certificate)).decode("ascii", "replace")
    end = "-----END CERTIFICATE-----"
    try:
        context.load_verify_locations(cadata=text.partition(end)[0] + end)
    except (ssl.SSLError, ValueError) as error:
        raise Misused(f"{plan.path(tls.certificate)} is no certificate: {error}", "see api.tls in node.yaml") from error
    return context


def _cause(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def as_json(value: Any) -> str:
    """A value as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
