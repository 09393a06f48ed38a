"""Ask a node about the past from a notebook or a script; answers are Arrow tables. Knows nothing of a node's insides.

    from holdfast.client import Client

    node = Client("https://gateway.local:8443", ca="ca.pem")
    table = node.query("room-07/temperature", "-7d", step="5m", aggregates=["mean", "p95"])

What is to be said about an answer (sources, missing, truncated) is JSON in the table's metadata: `told(table)`.
"""

import http.client
import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from holdfast.kernel.errors import HoldfastError
from holdfast.transport.addresses import is_loopback, require_https
from holdfast.transport.errors import AddressInvalid
from holdfast.transport.tls import client_context

ARROW = "application/vnd.apache.arrow.stream"
_KEY = b"holdfast"
_MOST_JSON = 64 << 20
Time = str | datetime
"""ISO 8601, unix seconds, `now`, `-7d`; or a datetime (UTC when it has no zone)."""


class NodeRefused(HoldfastError):
    """The node can't or won't answer, or half its answer is missing. hint: what to do."""

    def __init__(self, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.hint = hint


class Client:
    """One node's HTTP API. Opens a connection for each question; any thread."""

    def __init__(self, url: str, *, ca: str | Path | None = None, token: str = "", timeout_s: float = 60.0) -> None:
        """ca: PEM file of the authority to trust, None = the system's; timeout_s: silence allowed.

        Raises:
            AddressInvalid, TlsUnusable: when the address or the file can't be used. Plain http:// is for this machine.
        """
        parts = urlsplit(url)
        if parts.scheme == "http":
            if not is_loopback(parts.hostname or ""):
                raise AddressInvalid(f"{url!r}: plain HTTP is for this machine only; write https://HOST:PORT")
            tls = None
        else:
            require_https(url)
            tls = ssl.create_default_context() if ca is None else client_context(Path(ca))
        self._host, self._port = parts.hostname or "", parts.port or (80 if tls is None else 443)
        self._tls, self._token, self._timeout_s = tls, token, timeout_s

    @classmethod
    def over(cls, host: str, port: int, tls: ssl.SSLContext | None, token: str = "") -> "Client":
        """A client with a TLS context of one's own; None = plain HTTP, on this machine only."""
        client = cls("http://localhost")
        client._host, client._port, client._tls, client._token = host, port, tls, token
        return client

    def query(
        self,
        series: str | Sequence[str],
        start: Time = "-1h",
        end: Time = "now",
        *,
        step: str | None = None,
        aggregates: Sequence[str] = (),
        limit: int | None = None,
    ) -> pa.Table:
        """Readings in [start, end), or aggregates a step; by series and time.

        series: names and patterns, as in `room-07/*`; step: as in `5m`; aggregates: of them, as in `mean`, `p95`

        Raises:
            NodeRefused: when the node can't answer, with what to do.
        """
        batches: list[pa.RecordBatch] = []
        schema, said = self.pour(batches.append, series, start, end, step=step, aggregates=aggregates, limit=limit)
        return in_order(pa.Table.from_batches(batches, schema)).replace_schema_metadata({_KEY: json.dumps(said)})

    def pour(
        self,
        take: Callable[[pa.RecordBatch], object],
        series: str | Sequence[str],
        start: Time = "-1h",
        end: Time = "now",
        *,
        step: str | None = None,
        aggregates: Sequence[str] = (),
        limit: int | None = None,
        begin: Callable[[pa.Schema], object] = lambda _: None,
    ) -> tuple[pa.Schema, dict[str, Any]]:
        """As `query`, in the memory of one batch: each goes to `take` as it comes, in the node's order.

        begin: called with the schema before the first batch

        Returns: the schema and what is to be said about the answer.
        """
        params = {
            "series": [series] if isinstance(series, str) else list(series),
            "from": _told_time(start),
            "to": _told_time(end),
            **({"step": step} if step else {}),
            **({"aggregates": ",".join(aggregates)} if aggregates else {}),
            **({"limit": str(limit)} if limit is not None else {}),
        }
        with self._answer("query", params, ARROW) as answer:
            try:
                reader = pa.ipc.open_stream(answer)
                begin(reader.schema)
                return reader.schema, _poured(reader, take)
            except (OSError, http.client.HTTPException, pa.ArrowInvalid) as error:
                raise NodeRefused(f"the answer broke off: {error!r}", "ask again, for less at once") from error

    def last(self, match: str | Sequence[str] = "*", *, as_of: Time | None = None, **filters: str) -> pa.Table:
        """Each series' newest reading, or the newest at or before a time. filters: unit, kind, node, device."""
        when = {} if as_of is None else {"as_of": _told_time(as_of)}
        return self._listed("last", match, {**when, **filters})

    def series(self, match: str | Sequence[str] = "*", **filters: str) -> pa.Table:
        """The series there are. filters: unit, kind (float, int, bool, text), node, device."""
        return self._listed("series", match, filters)

    def _listed(self, path: str, match: str | Sequence[str], params: dict[str, str]) -> pa.Table:
        pages: list[pa.Table] = []
        wanted = {"match": [match] if isinstance(match, str) else list(match), "limit": "5000", **params}
        while True:
            offset = str(sum(map(len, pages)))
            with self._answer(path, {**wanted, "offset": offset}, f"{ARROW}, application/json;q=0.5") as answer:
                page, total = _page(answer)
            pages.append(page)
            if sum(map(len, pages)) >= total or not len(page):
                return pa.concat_tables(pages, promote_options="permissive")

    @contextmanager
    def _answer(self, path: str, params: dict[str, Any], accept: str) -> Iterator[http.client.HTTPResponse]:
        where = (self._host, self._port)
        connection = (
            http.client.HTTPConnection(*where, timeout=self._timeout_s)
            if self._tls is None
            else http.client.HTTPSConnection(*where, timeout=self._timeout_s, context=self._tls)
        )
        headers = {"Accept": accept, **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
        try:
            try:
                connection.request("GET", f"/api/v1/{path}?{urlencode(params, doseq=True)}", headers=headers)
                answer = connection.getresponse()
                failure = answer.read(_MOST_JSON) if answer.status >= 400 else None
            except (OSError, http.client.HTTPException) as error:
                raise NodeRefused(
                    f"no node answers at {self._host}:{self._port}: {error!r}", "is it running?"
                ) from error
            if failure is not None:
                raise _refusal(answer.status, failure)
            yield answer
        finally:
            connection.close()


def told(table: pa.Table) -> dict[str, Any]:
    """What is to be said about an answer: `sources`, `missing`, `truncated`, `rows`."""
    found: dict[str, Any] = json.loads((table.schema.metadata or {})[_KEY])
    return found


def in_order(table: pa.Table) -> pa.Table:
    """The rows of an answer by series and time; of equal times in the order they came."""
    if not len(table):
        return table
    series = table.column("series").unify_dictionaries().combine_chunks()
    rank = pc.rank(series.dictionary, tiebreaker="dense").take(series.indices)
    keys = pa.table({"series": rank, "ts": table.column("ts")})
    return table.take(pc.sort_indices(keys, [("series", "ascending"), ("ts", "ascending")]))


def _poured(reader: pa.ipc.RecordBatchStreamReader, take: Callable[[pa.RecordBatch], object]) -> dict[str, Any]:
    said: dict[str, Any] | None = None
    while True:
        try:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            break
        if metadata is not None and _KEY in metadata:
            said = json.loads(metadata[_KEY])
            if "error" in said:
                raise NodeRefused(f"the node gave up half-way: {said['error']}", said["hint"])
        else:
            take(batch)
    if said is None:
        raise NodeRefused("the answer broke off", "ask again")
    return said


def _page(answer: http.client.HTTPResponse) -> tuple[pa.Table, int]:
    """A page of series, and how many there are; as Arrow, or as JSON of what has no other form."""
    body = answer.read(_MOST_JSON)
    if not answer.headers.get("Content-Type", "").startswith(ARROW):
        said = json.loads(body)
        return _as_table(said["series"]), said["total"]
    table = pa.ipc.open_stream(body).read_all()
    total = json.loads((table.schema.metadata or {})[_KEY])["total"]
    plain = [pa.field(one.name, pa.string() if pa.types.is_dictionary(one.type) else one.type) for one in table.schema]
    return table.cast(pa.schema(plain)), total


def _as_table(rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as columns; `value` is a number, and a text's is in `text`."""
    for row in rows:
        value = row.pop("value")
        row["ts"] = row["ts"]
        row["value"] = None if value is None or isinstance(value, str) else float(value)
        row["text"] = value if isinstance(value, str) else None
    whole = {"ts": pa.timestamp("ns", "UTC"), "value": pa.float64(), "rows": pa.int64()}
    names = list(rows[0]) if rows else []
    return pa.table({name: pa.array([row[name] for row in rows], whole.get(name, pa.string())) for name in names})


def _refusal(status: int, body: bytes) -> NodeRefused:
    try:
        said = json.loads(body)
        return NodeRefused(said["error"], said["hint"])
    except (ValueError, KeyError, TypeError):
        return NodeRefused(f"status {status}, from something that is no Holdfast node", "is this its `api:`?")


def _told_time(time: Time) -> str:
    return time.isoformat() if isinstance(time, datetime) else time
