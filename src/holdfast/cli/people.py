"""`holdfast people`: who may log in, and who is in."""

import socket
from pathlib import Path

import typer

from holdfast.cli.node_api import Api, File, Misused, as_json, find, settings_of
from holdfast.cli.words import plain, table, when
from holdfast.identity.people.book import FILE_NAME, BookFile
from holdfast.identity.people.service import make_link
from holdfast.kernel.clock import SystemClock
from holdfast.kernel.scalars import parse_duration
from holdfast.node.settings import NodePlan
from holdfast.web.people import changed as changed_book
from holdfast.web.people_answers import (
    LinkRow,
    PeopleChange,
    PeopleChanged,
    PeopleList,
    PersonRow,
)


def show_people(where: Api | File, *, json: bool) -> int:
    """Print everybody. Returns 0."""
    found = where.get("people", PeopleList) if isinstance(where, Api) else _stored(where)
    if json:
        typer.echo(as_json(found))
        return 0
    lines = [where.note()] if isinstance(where, File) else []
    people = [[plain(one.name), one.role, when(one.made_ns), when(one.changed_ns)] for one in found.people]
    lines += table([["name", "role", "since", "password of"], *people]) if people else ["Nobody may log in."]
    if found.sessions:
        rows = [
            [one.id, plain(one.name), one.kind, when(one.made_ns), when(one.seen_ns), one.address, plain(one.agent, 40)]
            for one in found.sessions
        ]
        lines += ["", *table([["session", "name", "kind", "since", "last used", "from", "browser"], *rows])]
    if found.links:
        links = [
            [plain(one.name), one.kind, plain(one.owner) or "-", when(one.until_ns) if one.until_ns else "it's revoked"]
            for one in found.links
        ]
        lines += ["", *table([["link", "kind", "of", "good until"], *links])]
    typer.echo("\n".join(lines))
    return 0


def change(settings: Path, wanted: PeopleChange) -> PeopleChanged:
    """Have the running node change it, or change a stopped one's file.

    Raises:
        HoldfastError: when it can't be done.
    """
    plan = settings_of(settings)
    _require_login(plan, settings)
    where = _where(plan)
    if isinstance(where, Api):
        return where.post("people", wanted, PeopleChanged)
    if wanted.do == "end":
        raise Misused("sessions end at a running node", "start it first")
    book, now_ns = BookFile(plan.data / FILE_NAME), SystemClock().wall_ns()
    if wanted.do in ("kiosk", "token"):
        token, link = make_link(wanted.name, wanted.do, wanted.owner, wanted.for_s, now_ns)
        book.change(lambda known: known.linked(link, now_ns))
        return PeopleChanged(wanted.name, token.text)
    book.change(lambda known: changed_book(wanted, now_ns, known))
    return PeopleChanged(wanted.name)


def make_kiosk(settings: Path, name: str, for_s: float) -> int:
    """Print a kiosk's link. Returns 0."""
    made = change(settings, PeopleChange("kiosk", name, for_s=for_s))
    typer.echo(f"{_base(settings_of(settings))}/kiosk#{made.token}")
    return 0


def seconds(text: str) -> float:
    """A duration as typed; `ever` = 0.

    Raises:
        Misused: when it's none.
    """
    if text == "ever":
        return 0.0
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise Misused(f"--for {text}: {error}", "as in 30d, or `ever`") from error
    if found < 60:
        raise Misused(f"--for {text} is over at once", "as in 30d, or `ever`")
    return found


def _stored(where: File) -> PeopleList:
    book = BookFile(where.plan.data / FILE_NAME).read()
    people = [PersonRow(one.name, one.role, one.made_ns, one.changed_ns) for one in book.people]
    links = [LinkRow(one.name, one.kind, one.owner, one.made_ns, one.until_ns) for one in book.links]
    return PeopleList(people, [], links)


def _require_login(plan: NodePlan, settings: Path) -> None:
    if plan.people is None:
        raise Misused(f"nobody logs in at this node: {settings} has no `people`", "write `people: true` there")


def _where(plan: NodePlan) -> Api | None:
    """The running node; None: it's stopped, or never ran, and its file is what there is."""
    try:
        found = find(plan)
    except Misused:
        return None
    return found if isinstance(found, Api) else None


def _base(plan: NodePlan) -> str:
    """How a browser reaches the node, as far as its settings say."""
    api = plan.settings.api
    if api is None:
        raise Misused("this node has no `api`", "a kiosk shows its pages")
    host, port = api.address
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    name = api.names[0] if api.names else (f"[{host}]" if ":" in host else host)
    return f"{'http' if api.tls is None else 'https'}://{name}:{port}"
