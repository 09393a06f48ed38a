from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.inference.serving.world import START_NS, STEP_NS, Sums, rows

from holdfast.inference.serving.lanes import Lane
from holdfast.inference.serving.lasts import Lasts
from holdfast.inference.serving.pieces import Piece, newest_only
from holdfast.inference.serving.ports import Deployment
from holdfast.inference.serving.posts import Post
from holdfast.inference.serving.settings import ServingSettings


def lane(batch_rows: int = 10) -> Lane:
    return Lane("m", Sums(), ServingSettings(batch_rows=batch_rows))


def post(at: Lane, name: str = "pump") -> Post:
    return Post(Deployment(name, [("active", "m")]), "active", at, Lasts(), 60.0)


def told(pieces: object) -> Iterator[tuple[int, int]]:
    for piece in pieces:  # type: ignore[attr-defined]
        turns = (piece.rows.ts - START_NS) // STEP_NS
        yield from zip(piece.rows.key.tolist(), turns.tolist(), strict=True)


def test_a_batch_takes_rows_in_order_and_leaves_the_others() -> None:
    one = lane()
    whose = post(one)
    for turn in range(4):
        one.push(Piece(whose, rows([0, 1, 2, 3], turn=turn)))
    first = one.take(10)
    assert list(told(first)) == [(key, turn) for turn in range(2) for key in range(4)]
    assert one.rows == 8
    one.take(10)
    assert (one.rows, one.nbytes) == (0, 0)


def test_a_piece_larger_than_a_batch_is_cut_without_a_copy() -> None:
    one, given_rows = lane(), rows(list(range(25)))
    one.push(Piece(post(one), given_rows))
    sizes = []
    while one.acting:
        (piece,) = one.take(10)
        sizes.append(len(piece))
        assert np.shares_memory(piece.rows.values, given_rows.values)
    assert sizes == [10, 10, 5]


def test_what_is_put_back_is_first_again() -> None:
    one = lane()
    whose = post(one)
    for turn in range(3):
        one.push(Piece(whose, rows([turn], turn=turn)))
    taken = one.take(2)
    one.put_back(taken)
    assert list(told(one.take(3))) == [(0, 0), (1, 1), (2, 2)]
    assert (one.rows, one.nbytes) == (0, 0)


offers = st.lists(st.tuples(st.integers(0, 1), st.lists(st.integers(0, 5), min_size=1), st.integers(0, 9)), max_size=12)


@given(offers)
def test_newest_only_keeps_each_devices_newest_row_and_loses_none(what: list[tuple[int, list[int], int]]) -> None:
    posts = [post(lane(), "a"), post(lane(), "b")]
    pieces = [Piece(posts[at], rows(keys, turn=turn)) for at, keys, turn in what]
    kept, passed = newest_only(pieces)
    for at, whose in enumerate(posts):
        mine = list(told(piece for piece in kept if piece.post is whose))
        others = list(told(piece for piece in passed if piece.post is whose))
        came = [(key, turn) for n, keys, turn in what if n == at for key in keys]
        assert sorted(mine + others) == sorted(came)
        newest: dict[int, int] = {}
        for key, turn in came:
            newest[key] = max(newest.get(key, -1), turn)
        assert sorted(mine) == sorted(newest.items())
