"""The door's decisions, as a table: who may do what, and what a page of another site can't."""

import pytest

from holdfast.identity.people.roles import Role
from holdfast.identity.people.service import Caller
from holdfast.web.door import ADMIN, OPERATOR, VIEWER, Asked, Need, judge, need_of, needs, needs_token

JSON = "application/json"
HERE, ANYBODY = Caller("", Role.ADMIN, "local"), Caller("", Role.VIEWER, "open")
SAME = "http://127.0.0.1:8080"


def reason(asked: Asked, need: Need, caller: Caller | None, *, has_login: bool = True, names: str = "") -> str:
    found = judge(asked, need, caller, frozenset(names.split()), has_login=has_login)
    return "" if found is None else f"{found.reason} {found.status}"


def look(host: str = "127.0.0.1:8080", scheme: str = "http") -> Asked:
    return Asked("GET", scheme, is_here=True, host=host)


def change(
    origin: str = SAME, host: str = "127.0.0.1:8080", kind: str = JSON, scheme: str = "http", site: str = ""
) -> Asked:
    return Asked("POST", scheme, is_here=True, host=host, origin=origin, fetch_site=site, kind=kind)


def person(role: Role, via: str = "session") -> Caller:
    return Caller("ann", role, via)  # type: ignore[arg-type]  # one of them


@pytest.mark.parametrize("need", [VIEWER, OPERATOR, ADMIN])
@pytest.mark.parametrize("role", list(Role))
def test_a_role_does_what_it_covers_and_no_more(need: Role, role: Role) -> None:
    wanted = "" if role.covers(need) else "role 403"
    assert reason(look(), Need(need), person(role)) == wanted
    assert reason(change(), Need(need), person(role)) == wanted


def test_with_a_login_nobody_unknown_gets_in() -> None:
    assert reason(look(), Need(VIEWER), None) == "login 401"
    assert reason(change(), Need(OPERATOR), None) == "login 401"
    assert reason(look(), Need(None), None) == ""


def test_without_a_login_this_machine_does_everything_and_others_look() -> None:
    assert reason(change(""), Need(ADMIN), HERE, has_login=False) == ""
    assert reason(look("hub:8443", "https"), Need(VIEWER), ANYBODY, has_login=False) == ""
    assert (
        reason(change("https://hub:8443", "hub:8443", scheme="https"), Need(OPERATOR), ANYBODY, has_login=False)
        == "role 403"
    )


@pytest.mark.parametrize(
    ("origin", "host", "scheme", "wanted"),
    [
        (SAME, "127.0.0.1:8080", "http", ""),
        ("http://localhost", "localhost", "http", ""),
        ("http://localhost", "localhost:80", "http", ""),
        ("http://[::1]:8080", "[::1]:8080", "http", ""),
        ("https://hub.example", "hub.example:443", "https", ""),
        ("https://site.example", "site.example", "http", "host 403"),
        ("http://127.0.0.1:9090", "127.0.0.1:8080", "http", "origin 403"),
        ("http://localhost:8080", "127.0.0.1:8080", "http", "origin 403"),
        ("http://hub.example", "hub.example", "https", "origin 403"),
        ("https://evil.example", "hub.example", "https", "origin 403"),
        ("https://hub.example.evil.example", "hub.example", "https", "origin 403"),
        ("https://hub.example@evil.example", "hub.example", "https", "origin 403"),
        ("null", "127.0.0.1:8080", "http", "origin 403"),
        ("http://[", "127.0.0.1:8080", "http", "origin 403"),
        ("file://", "127.0.0.1:8080", "http", "origin 403"),
    ],
)
@pytest.mark.parametrize("caller", [HERE, person(Role.ADMIN)])
def test_a_change_comes_from_the_nodes_own_pages(
    origin: str, host: str, scheme: str, wanted: str, caller: Caller
) -> None:
    asked = change(origin, host, scheme=scheme)
    assert reason(asked, Need(OPERATOR), caller, has_login=caller is not HERE) == wanted
    assert reason(asked, Need(None), None) == wanted, "logging in is a change, too"


@pytest.mark.parametrize("has_login", [True, False])
def test_a_name_that_was_made_to_point_here_sees_nothing(*, has_login: bool) -> None:
    caller = person(Role.ADMIN) if has_login else HERE
    for asked in (
        look("evil.example"),
        look("127.0.0.1.evil.example:80"),
        look("evil.example:x"),
        change("http://evil.example", "evil.example"),
    ):
        assert reason(asked, Need(VIEWER), caller, has_login=has_login) == "host 403"
    assert reason(look("plant.example"), Need(VIEWER), caller, has_login=has_login, names="plant.example") == ""
    assert reason(look("evil.example", "https"), Need(VIEWER), caller, has_login=has_login) == "", (
        "its certificate says no"
    )
    assert reason(look("node.localhost:8080"), Need(VIEWER), caller, has_login=has_login) == ""
    assert reason(look(""), Need(VIEWER), caller, has_login=has_login) == ""


def test_a_cookie_without_an_origin_changes_nothing_but_a_token_does() -> None:
    assert reason(change(""), Need(OPERATOR), person(Role.ADMIN)) == "origin 403"
    assert reason(change(""), Need(OPERATOR), person(Role.ADMIN, "token")) == ""
    assert reason(change("", "plant.example"), Need(OPERATOR), person(Role.ADMIN, "token")) == ""


@pytest.mark.parametrize(
    ("site", "wanted"), [("same-origin", ""), ("none", ""), ("same-site", "origin 403"), ("cross-site", "origin 403")]
)
def test_what_the_browser_says_of_the_pages_site_counts(site: str, wanted: str) -> None:
    assert reason(change(site=site), Need(OPERATOR), person(Role.ADMIN)) == wanted
    assert reason(change("", site=site), Need(OPERATOR), HERE, has_login=False) == wanted


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_no_form_can_change_anything(kind: str) -> None:
    assert reason(change(kind=kind), Need(OPERATOR), person(Role.ADMIN)) == "kind 415"
    gone = Asked("DELETE", "http", is_here=True, host="localhost", origin="http://localhost", kind=kind)
    assert reason(gone, Need(OPERATOR), person(Role.ADMIN)) == ""


def test_a_socket_is_looked_at_like_a_change() -> None:
    foreign = Asked("GET", "ws", is_here=True, host="localhost:8080", origin="http://evil.example")
    assert reason(foreign, Need(VIEWER), person(Role.VIEWER)) == "origin 403"
    mine = Asked("GET", "ws", is_here=True, host="localhost:8080", origin="http://localhost:8080")
    assert reason(mine, Need(VIEWER), person(Role.VIEWER)) == ""
    secure = Asked("GET", "wss", is_here=False, host="hub.example", origin="https://hub.example")
    assert reason(secure, Need(VIEWER), person(Role.VIEWER)) == ""


def test_children_and_applications_are_their_routes_business() -> None:
    asked = Asked("POST", "https", is_here=False, host="hub", kind="application/octet-stream")
    assert reason(asked, Need(None, foreign=True), None) == ""


def test_a_route_that_says_nothing_needs_as_much_as_it_could() -> None:
    @needs(OPERATOR, tokens=True)
    def marked() -> None: ...

    @needs_token
    def foreign() -> None: ...

    assert need_of("/api/v1/x", {"GET"}, object()) == Need(VIEWER)
    assert need_of("/api/v1/x", {"POST"}, object()) == Need(ADMIN)
    assert need_of("/metrics", {"GET"}, object()) == Need(VIEWER)
    assert need_of("/", {"GET"}, object()) == Need(None)
    assert need_of("/static/app.js", {"GET"}, object()) == Need(None)
    assert need_of("/api/v1/x", {"POST"}, marked) == Need(OPERATOR, tokens=True)
    assert need_of("/api/v1/x", {"POST"}, foreign).foreign
