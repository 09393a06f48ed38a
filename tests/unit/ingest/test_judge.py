from collections.abc import Sequence

from holdfast.ingest.hearing import Heard, hear
from holdfast.ingest.judge import Ask, Continue, Fork, Mint, Verdict, common_rows, judge
from holdfast.journal.records import Bound, Branch, Incarnation, Mark
from holdfast.model.lane import Lane
from holdfast.wire.messages import Hello, Position, Proof, Start


def chain(seq: int, history: str = "a") -> bytes:
    return f"{history}{seq}".encode().ljust(16, b".") if seq else bytes(16)


def mark(wm: int, seen: int, bounds: Sequence[int] = (), history: str = "a", fork: int = 0) -> Mark:
    return Mark(wm, chain(wm, history), seen, fork, bounds=tuple(Bound(b, chain(b, history)) for b in bounds))


NONE = (0,) * (len(Lane) - 3)
"""Of the lanes after bulk."""


def known(*starts: tuple[str, int], wm: int, seen: int, bounds: Sequence[int] = (), number: int = 0) -> Branch:
    incarnations = tuple(Incarnation(uuid, (0, 0, head, *NONE)) for uuid, head in starts)
    return Branch(
        "gw", number, incarnations=incarnations, marks=(Mark(), Mark(), mark(wm, seen, bounds), *(Mark() for _ in NONE))
    )


def hello(
    *starts: tuple[str, int], head: int, history: str = "a", proven: Sequence[int] = (), whole: bool = True
) -> Heard:
    told = Hello(
        "gw",
        starts[-1][0],
        (0, 0, head),
        (bytes(16), bytes(16), chain(head, history)),
        3,
        history=tuple(Start(uuid, (0, 0, at)) for uuid, at in starts),
        proofs=tuple(Proof(Lane.BULK, seq, found=True, chain=chain(seq, history)) for seq in proven),
        whole=whole,
    )
    return hear(told)


def asked(verdict: Verdict) -> list[int]:
    assert isinstance(verdict, Ask), verdict
    return [position.seq for position in verdict.positions]


def test_a_child_never_heard_of_begins_branch_0() -> None:
    verdict = judge([], hello(("x", 0), head=5), 1)
    assert isinstance(verdict, Continue)
    assert verdict.branch.number == 0
    assert verdict.branch.marks[2].head_seen == 5


def test_a_restart_goes_on_when_nothing_announced_is_missing() -> None:
    verdict = judge([known(("x", 0), wm=80, seen=100)], hello(("x", 0), ("y", 100), head=100, proven=[80]), 1)
    assert isinstance(verdict, Continue)
    assert not verdict.revived
    assert [one.uuid for one in verdict.branch.incarnations] == ["x", "y"]


def test_the_mark_must_be_proven_before_anything_goes_on() -> None:
    restart = hello(("x", 0), ("y", 100), head=100)
    assert judge([known(("x", 0), wm=80, seen=100)], restart, 1) == Ask((Position(Lane.BULK, 80),))


def test_an_unknown_history_must_be_shown_whole_first() -> None:
    assert judge([known(("x", 0), wm=80, seen=100)], hello(("y", 100), head=100, whole=False), 1) == Ask(whole=True)


def test_an_old_image_is_a_new_branch_from_where_it_was_taken() -> None:
    branches = [known(("x", 0), wm=80, seen=120, bounds=[40, 80])]
    image = hello(("x", 0), ("z", 60), head=60)
    assert asked(judge(branches, image, 1)) == [40]
    verdict = judge(branches, hello(("x", 0), ("z", 60), head=60, proven=[40]), 1)
    assert isinstance(verdict, Fork)
    assert verdict.branch.number == 1
    assert verdict.branch.parent == 0
    bulk = verdict.branch.marks[2]
    assert (bulk.wm, bulk.start, bulk.fork, bulk.chain) == (40, 40, 60, chain(40))
    assert verdict.held == (0, 0, 40, *NONE)
    assert verdict.unseen == (0, 0, 40, *NONE)


def test_an_image_from_several_starts_ago_forks_at_its_own_time() -> None:
    branches = [known(("w", 0), ("x", 50), wm=80, seen=120, bounds=[40, 80])]
    verdict = judge(branches, hello(("w", 0), ("z", 45), head=70, proven=[40]), 1)
    assert isinstance(verdict, Fork)
    assert verdict.branch.marks[2].fork == 45


def test_a_second_machine_that_runs_the_same_incarnation_must_mint_its_own() -> None:
    branches = [known(("x", 0), wm=80, seen=120, bounds=[80])]
    assert isinstance(judge(branches, hello(("x", 0), head=90, proven=[80]), 1), Mint)
    other = hello(("x", 0), head=130, history="b", proven=[80])
    assert isinstance(judge(branches, other, 1), Mint)


def test_a_running_clone_forks_where_the_chains_last_agree() -> None:
    branches = [known(("x", 0), wm=80, seen=120, bounds=[40, 80])]
    clone = Hello(
        "gw",
        "z",
        (0, 0, 130),
        (bytes(16), bytes(16), chain(130, "b")),
        3,
        history=(Start("x", (0, 0, 0)), Start("z", (0, 0, 130))),
        proofs=(
            Proof(Lane.BULK, 40, found=True, chain=chain(40)),
            Proof(Lane.BULK, 80, found=True, chain=chain(80, "b")),
        ),
    )
    verdict = judge(branches, hear(clone), 1)
    assert isinstance(verdict, Fork)
    bulk = verdict.branch.marks[2]
    assert (bulk.start, bulk.fork) == (40, 40)


def test_a_new_disk_under_an_old_name_starts_at_nothing() -> None:
    verdict = judge([known(("x", 0), wm=80, seen=120)], hello(("n", 0), head=3), 1)
    assert isinstance(verdict, Fork)
    assert verdict.branch.reason == "replaced"
    assert verdict.branch.marks[2].start == 0
    assert verdict.held == (0, 0, 80, *NONE)
    assert verdict.unseen == (0, 0, 40, *NONE)


def test_a_branch_that_was_thought_dead_is_revived_and_said_so() -> None:
    branches = [known(("x", 0), wm=80, seen=80, bounds=[80]), known(("x", 0), ("z", 60), wm=90, seen=90, number=1)]
    verdict = judge(branches, hello(("x", 0), ("y", 85), head=85, proven=[80]), 1)
    assert isinstance(verdict, Continue)
    assert verdict.revived
    assert verdict.branch.number == 0


def test_what_was_dropped_or_shed_cannot_be_proven_and_is_believed() -> None:
    child = Hello(
        "gw",
        "y",
        (0, 0, 100),
        (bytes(16), bytes(16), chain(100)),
        3,
        history=(Start("x", (0, 0, 0)), Start("y", (0, 0, 100))),
        proofs=(Proof(Lane.BULK, 80, found=True),),
    )
    assert isinstance(judge([known(("x", 0), wm=80, seen=100)], hear(child), 1), Continue)


def test_branches_share_what_came_before_they_left_each_other() -> None:
    def branch(number: int, parent: int, fork: int) -> Branch:
        return Branch("gw", number, parent, marks=(Mark(), Mark(), Mark(fork=fork)))

    tree = [branch(0, -1, 0), branch(1, 0, 60), branch(2, 0, 40), branch(3, 1, 90)]
    assert common_rows(tree, 0, 1, Lane.BULK) == 60
    assert common_rows(tree, 1, 2, Lane.BULK) == 40
    assert common_rows(tree, 3, 0, Lane.BULK) == 60
    assert common_rows(tree, 3, 1, Lane.BULK) == 90
    assert common_rows([*tree, branch(4, -1, 0)], 4, 1, Lane.BULK) == 0
