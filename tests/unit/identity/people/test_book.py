"""The file of people: who is in it, what is refused, and that it's replaced whole."""

import threading
from pathlib import Path

import pytest

from holdfast.crypto.passwords import NOBODY, hashed, is_right
from holdfast.identity.people.book import Book, BookFile, Link
from holdfast.identity.people.errors import PeopleError, PeopleUnusable, PersonThere, PersonUnfit, PersonUnknown
from holdfast.identity.people.roles import Role
from holdfast.identity.people.service import make_link

HASH = hashed(b"correct horse")


def test_roles_are_steps_each_with_all_of_the_one_before() -> None:
    covers = [[mine.covers(wanted) for wanted in Role] for mine in Role]
    assert covers == [[True, False, False], [True, True, False], [True, True, True]]


def test_a_person_is_added_changed_and_removed() -> None:
    book = Book().add("ann", Role.OPERATOR, HASH, 5)
    ann = book.person("ann")
    assert ann is not None
    assert is_right(b"correct horse", ann.password)
    new = "battery staple"
    changed = book.change("ann", 9, password=new).person("ann")
    assert changed is not None
    assert (changed.changed_ns, changed.role, is_right(new.encode(), changed.password)) == (9, "operator", True)
    other = book.change("ann", 9, role=Role.ADMIN).person("ann")
    assert other is not None
    assert (other.role, other.changed_ns) == ("admin", 5), "another role ends no session"
    assert book.without("ann") == Book()


@pytest.mark.parametrize(
    ("name", "password", "error"),
    [
        ("", "long enough", PersonUnfit),
        ("a" * 61, "long enough", PersonUnfit),
        (" ann", "long enough", PersonUnfit),
        ("a\nb", "long enough", PersonUnfit),
        ("a/b", "long enough", PersonUnfit),
        ("bob", "short", PersonUnfit),
        ("bob", "x" * 257, PersonUnfit),
        ("ann", "long enough", PersonThere),
    ],
)
def test_what_can_not_be_a_person_is_refused(name: str, password: str, error: type[PeopleError]) -> None:
    with pytest.raises(error):
        Book().add("ann", Role.VIEWER, HASH, 0).add(name, Role.VIEWER, password, 0)


def test_links_are_found_by_their_text_and_go_with_their_owner() -> None:
    token, link = make_link("nightly", "token", "ann", 60, 0)
    _, wall = make_link("hall", "kiosk", "", 0, 0)
    book = Book().add("ann", Role.VIEWER, HASH, 0).linked(link, 0).linked(wall, 0)
    assert book.link(token.text) == link
    assert book.link(token.text + "x") is None
    assert token.text not in str(book)
    assert book.without("ann").links == (wall,)
    assert book.unlinked("hall").links == (link,)
    assert link.is_over(60 * 10**9)
    assert not wall.is_over(10**20)
    with pytest.raises(PersonThere):
        book.linked(Link("hall", "kiosk", "", "00", 0, 0), 0)
    with pytest.raises(PersonUnknown):
        Book().linked(link, 0)
    with pytest.raises(PersonUnknown):
        book.unlinked("door")
    assert [one.name for one in book.linked(make_link("new", "kiosk", "", 0, 0)[1], 60 * 10**9).links] == [
        "hall",
        "new",
    ]


def test_the_file_is_private_and_read_again_when_another_process_replaced_it(tmp_path: Path) -> None:
    mine, theirs = BookFile(tmp_path / "people.json"), BookFile(tmp_path / "people.json")
    assert mine.read() == Book()
    theirs.change(lambda book: book.add("ann", Role.VIEWER, HASH, 0))
    assert [one.name for one in mine.read().people] == ["ann"]
    assert mine.path.stat().st_mode & 0o777 == 0o600
    mine.path.write_text("{")
    with pytest.raises(PeopleUnusable):
        mine.read()


def test_changes_at_the_same_time_all_count(tmp_path: Path) -> None:
    def add(name: str) -> None:
        BookFile(tmp_path / "people.json").change(lambda book: book.add(name, Role.VIEWER, HASH, 0))

    threads = [threading.Thread(target=add, args=(f"p{n}",)) for n in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {one.name for one in BookFile(tmp_path / "people.json").read().people} == {f"p{n}" for n in range(8)}


def test_no_password_fits_nobody() -> None:
    assert not is_right(b"", NOBODY)
    assert not is_right(bytes(32), NOBODY)
