"""Who may become what: against a model of ten lines, and the sentences that refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.inference.lifecycle.dealing import SLOTS
from holdfast.inference.lifecycle.errors import ActRefused, LifecycleError, VersionUnknown
from holdfast.inference.lifecycle.states import NEXT, Book, Command, Do, State, apply, declare

A, B, C = "pump@1", "pump@2", "pump@3"


def book_of(*commands: Command, start: Book | None = None) -> Book:
    book = start or Book("pump")
    for at, one in enumerate(commands, 1):
        book = apply(book, one, at)
    return book


RUNNING = book_of(Command("add", A), Command("promote", A, force=True), Command("add", B))


class Model:
    """The ten lines: states by version, the stack of former ones, who ran in shadow, who was taken back."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.percent: dict[str, float] = {}
        self.former: list[str] = []
        self.tried: set[str] = set()
        self.marked: set[str] = set()

    def active(self) -> str:
        return next((ref for ref, state in self.state.items() if state == "active"), "")

    def may(self, do: str, ref: str, percent: float, *, force: bool) -> bool:
        state = self.state.get(ref, "")
        if do == "add":
            return not state
        if do == "rollback":
            return "canary" in self.state.values() or bool(self.former)
        if state in ("", "active") or (do == "retire" and state == "retired") or (do == "shadow" and state == "shadow"):
            return False
        acts = do in ("canary", "promote") and state != "canary" and not force
        if acts and (ref in self.marked or (ref not in self.tried and state != "shadow")):
            return False
        others = sum(p for one, p in self.percent.items() if one != ref)
        return do != "canary" or (bool(self.active()) and 0 < percent <= 100 - others)

    def do(self, do: str, ref: str, percent: float, *, force: bool) -> None:
        if do == "rollback":
            self.back()
            return
        self.percent.pop(ref, None)
        if do == "promote":
            self.former = [one for one in (*self.former, self.active()) if one not in ("", ref)]
            self.state |= {one: "retired" for one in self.state if one == self.active()}
        self.percent |= {ref: percent} if do == "canary" else {}
        self.tried |= {ref} if do == "shadow" else set()
        self.marked -= {ref} if force else set()
        after = {"add": "candidate", "shadow": "shadow", "canary": "canary", "promote": "active", "retire": "retired"}
        self.state[ref] = after[do]

    def back(self) -> None:
        canaries = [one for one, state in self.state.items() if state == "canary"]
        for one in canaries or [self.active()]:
            self.state[one] = "retired"
            self.marked.add(one)
        self.percent.clear()
        if not canaries:
            restored = self.former.pop()
            self.state[restored] = "active"
            self.marked.discard(restored)


ACTS = st.tuples(
    st.sampled_from(["add", "shadow", "canary", "promote", "rollback", "retire"]),
    st.sampled_from([A, B, C]),
    st.sampled_from([0.0, 5.0, 40.0, 70.0]),
    st.booleans(),
)


@given(st.lists(ACTS, max_size=40))
def test_any_sequence_of_commands_does_what_the_model_says_or_changes_nothing(
    acts: list[tuple[Do, str, float, bool]],
) -> None:
    book, model = Book("pump"), Model()
    for now, (do, ref, percent, force) in enumerate(acts, 1):
        wish = Command(do, "" if do == "rollback" else ref, percent, "ann", force=force)
        if model.may(do, ref, percent, force=force):
            book = apply(book, wish, now)
            model.do(do, ref, percent, force=force)
        else:
            with pytest.raises(LifecycleError):
                apply(book, wish, now)
        assert {one.ref: one.state.value for one in book.versions} == model.state
        assert {one.ref: one.percent for one in book.of(State.CANARY)} == model.percent
        assert list(book.former) == model.former
        share = {ref: sum(n for n, one in book.slots if one == ref) for ref in {one for _, one in book.slots}}
        expected = {ref: round(p * SLOTS / 100) for ref, p in model.percent.items()}
        if model.active():
            expected[model.active()] = SLOTS - sum(expected.values())
            assert share == {ref: n for ref, n in expected.items() if n}


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(NEXT) == set(State)


@pytest.mark.parametrize(
    ("wish", "said", "hint"),
    [
        (Command("promote", B), "pump@2 never ran in shadow", "--force"),
        (Command("canary", B, 10), "pump@2 never ran in shadow", "`shadow pump@2` first"),
        (Command("retire", A), "pump@1 is active: it can't be told to retire", "promote another version"),
        (Command("promote", A), "pump@1 is active", "rollback"),
        (Command("canary", B, 101, force=True), "101 % is not allowed", "at most 100"),
        (Command("canary", B, float("nan"), force=True), "nan % is not allowed", "above 0"),
        (Command("rollback"), "pump had no other active version", "promote one"),
        (Command("rollback", B), "pump@2 was never active before", "those that were: none"),
        (Command("add", "two words"), "names no version", "pump-anomaly@2.0.0"),
        (Command("add", A), "pump@1 is there already: active", ""),
    ],
)
def test_a_refusal_says_what_it_takes(wish: Command, said: str, hint: str) -> None:
    with pytest.raises(ActRefused) as refused:
        apply(RUNNING, wish, 9)
    assert said in str(refused.value)
    assert hint in refused.value.hint


def test_an_unknown_version_is_named_with_those_there_are() -> None:
    with pytest.raises(VersionUnknown, match=r"no version 'pump@9'") as refused:
        apply(RUNNING, Command("shadow", "pump@9"), 9)
    assert "pump@1, pump@2" in refused.value.hint


def test_rollback_restores_the_former_active_version_and_remembers_who_when_and_why() -> None:
    book = book_of(Command("shadow", B), Command("promote", B, by="ann"), start=RUNNING)
    book = apply(book, Command("rollback", by="bob", why="false alarms"), 99)
    assert book.active == A
    last = book.history[-1]
    assert (last.at_ns, last.by, last.do, last.version, last.before, last.after, last.why) == (
        99, "bob", "rollback", A, "retired", "active", "false alarms",
    )  # fmt: skip
    with pytest.raises(ActRefused, match=r"pump@2 was taken back: false alarms"):
        apply(book, Command("promote", B), 100)
    assert apply(book, Command("promote", B, force=True), 101).active == B


def test_rollback_takes_a_canary_back_first_and_only_then_the_active_version() -> None:
    book = book_of(Command("shadow", B), Command("promote", B), Command("add", C), start=RUNNING)
    book = apply(book, Command("canary", C, 10, force=True), 5)
    book = apply(book, Command("rollback"), 6)
    assert (book.active, book.find(C).state) == (B, State.RETIRED)
    assert apply(book, Command("rollback"), 7).active == A
    named = apply(apply(book, Command("canary", C, 10, force=True), 8), Command("rollback", A), 9)
    assert (named.active, named.find(C).state) == (A, State.RETIRED)


def test_what_the_settings_say_is_a_command_once_so_a_rollback_outlives_a_restart() -> None:
    book = declare(Book("pump"), A, "", ("", 0), 1)
    assert (book.active, book.history[-1].by) == (A, "node.yaml")
    book = declare(book, B, C, ("", 0), 2)
    assert (book.active, book.find(C).state) == (B, State.SHADOW)
    back = apply(book, Command("rollback"), 3)
    assert declare(back, B, C, ("", 0), 4) == back
    assert declare(back, B, "", (C, 20), 5).find(C).percent == 20
    assert declare(back, B, "", ("", 0), 6).find(C).state is State.RETIRED


def test_the_history_and_the_versions_are_bounded() -> None:
    book = book_of(Command("add", A), Command("promote", A, force=True))
    for n in range(300):
        book = apply(book, Command("add", f"pump@x{n}"), n)
        book = apply(book, Command("retire", f"pump@x{n}"), n)
    assert len(book.history) == 200
    assert len(book.versions) == 32
    assert book.active == A
