"""Few reads for many points: the same values as one by one, within the bounds, whatever the device refuses."""

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.modbus.blocks import FUNCTIONS, RETRY_S, Block, Group, blocks, scaled
from holdfast.adapters.modbus.maps import Encoding, MapFile, RegisterMap, RegisterPoint, Table, compiled, is_bits
from holdfast.adapters.modbus.values import Order
from holdfast.model.points import Scalar

ENCODINGS: list[Encoding] = ["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "text", "bool"]
ORDERS: list[Order] = ["ABCD", "CDAB", "BADC", "DCBA"]
TABLES: list[Table] = ["holding", "input", "coil", "discrete"]


@st.composite
def points(draw: st.DrawFn) -> RegisterPoint:
    table = draw(st.sampled_from(TABLES))
    at = draw(st.integers(0, 400))
    if is_bits(table):
        return RegisterPoint(at=at, table=table, metric="m")
    encoding = draw(st.sampled_from(ENCODINGS))
    length = draw(st.integers(1, 12)) if encoding == "text" else None
    bits = draw(st.sampled_from([None, 3, "4-7"])) if encoding == "u16" else None
    order = draw(st.sampled_from(ORDERS))
    return RegisterPoint(at=at, table=table, metric="m", as_=encoding, length=length, bits=bits, order=order)


@st.composite
def maps(draw: st.DrawFn) -> RegisterMap:
    some = draw(st.lists(points(), min_size=1, max_size=30))
    gap, most = draw(st.integers(0, 20)), draw(st.sampled_from([6, 20, 125]))
    return compiled("m", MapFile(points={f"p{i}": one for i, one in enumerate(some)}, gap=gap, most=most))


class Memory:
    """A device with holes: reads that touch one are refused."""

    def __init__(self, seed: int, holes: set[tuple[Table, int]]) -> None:
        rng = np.random.default_rng(seed)
        self.registers = rng.bytes(2 * 600)
        self.bits = rng.integers(0, 2, 600).astype(np.uint8)
        self.holes, self.asked = holes, 0

    def read(self, block: Block) -> bytes | None:
        self.asked += 1
        function, start, count = struct.unpack(">BHH", block.question.pdu)
        assert function == FUNCTIONS[block.table]
        if any((block.table, at) in self.holes for at in range(start, start + count)):
            return None
        if is_bits(block.table):
            return np.packbits(self.bits[start : start + count], bitorder="little").tobytes()
        return self.registers[2 * start : 2 * (start + count)]

    def poll(self, group: Group) -> tuple[dict[str, Scalar], set[str]]:
        found, bad = dict[str, Scalar](), {p.name for block in group.refused for p in block.points}
        todo = list(group.blocks)
        while todo:
            block = todo.pop()
            data = self.read(block)
            if data is not None:
                found |= block.decode(data)
                continue
            halves = group.refuse(block, 0.0)
            todo += halves
            bad |= set() if halves else {p.name for p in block.points}
        return found, bad


def same(one: dict[str, Scalar], other: dict[str, Scalar]) -> bool:
    return repr(sorted(one.items())) == repr(sorted(other.items()))  # not-a-numbers are equal here


@given(maps(), st.integers(0, 9))
def test_blocks_give_what_one_by_one_gives(found: RegisterMap, seed: int) -> None:
    memory = Memory(seed, set())
    together, _ = memory.poll(Group(blocks(list(found.points.values()), found)))
    apart: dict[str, Scalar] = {}
    for name, point in found.points.items():
        data = memory.read(Block([point]))
        assert data is not None
        apart |= {name: bool(data[0] & 1) if is_bits(point.table) else point.form.decode(data)}
    assert same(together, apart)


@given(maps())
def test_blocks_keep_to_what_the_device_gives_and_to_the_gap_and_hold_each_point_once(found: RegisterMap) -> None:
    # `compiled` takes what `load_map` refuses: a point longer than `most` stands alone
    made = blocks(list(found.points.values()), found)
    assert sorted(p.name for block in made for p in block.points) == sorted(found.points)
    for block in made:
        _, start, count = struct.unpack(">BHH", block.question.pdu)
        assert count <= found.most_of(block.table) or len({(p.start, p.end) for p in block.points}) == 1
        used = {at for p in block.points for at in range(p.start, p.end)}
        run = longest = 0
        for at in range(start, start + count):
            run = 0 if at in used else run + 1
            longest = max(longest, run)
        assert longest <= found.gap_of(block.table)


@given(maps(), st.sets(st.tuples(st.sampled_from(TABLES), st.integers(0, 410)), max_size=30), st.integers(0, 9))
def test_a_device_with_holes_loses_only_the_points_in_them_and_is_learnt(
    found: RegisterMap, holes: set[tuple[Table, int]], seed: int
) -> None:
    memory = Memory(seed, holes)
    group = Group(blocks(list(found.points.values()), found))
    values, bad = memory.poll(group)
    wrong = {n for n, p in found.points.items() if any((p.table, at) in holes for at in range(p.start, p.end))}
    assert (set(values), bad) == (found.points.keys() - wrong, wrong)
    memory.asked = 0
    again, still_bad = memory.poll(group)
    assert same(again, values)
    assert still_bad == wrong
    assert memory.asked == len(group.blocks)  # nothing is refused any more


def test_sixty_voltages_are_one_read_and_far_ones_another() -> None:
    made = {f"p{i}": RegisterPoint(at=2 * i, as_="f32", metric="m") for i in range(60)}
    far = RegisterPoint(at=5_000, as_="f32", metric="m")
    found = compiled("m", MapFile(points={**made, "far": far}))
    assert [len(block.points) for block in blocks(list(found.points.values()), found)] == [60, 1]


def test_a_refused_point_is_tried_again_after_a_while_and_taken_when_it_answers() -> None:
    found = compiled("m", MapFile(points={"a": RegisterPoint(at=0, metric="m"), "b": RegisterPoint(at=1, metric="m")}))
    group = Group(blocks(list(found.points.values()), found))
    for half in group.refuse(group.blocks[0], 0.0):
        if half.points[0].name == "b":
            assert group.refuse(half, 10.0) == ()
    assert group.due(10.0 + RETRY_S - 1) == []
    (due,) = group.due(10.0 + RETRY_S)
    assert group.refuse(due, 400.0) == ()
    assert group.due(400.0) == []
    group.accept(due)
    assert (len(group.blocks), group.refused) == (2, {})


def test_a_sunspec_value_is_multiplied_by_the_power_of_ten_that_stands_beside_it() -> None:
    power = RegisterPoint(at=1, as_="i16", metric="p", scale_at=2, missing=(-32768,))
    energy = RegisterPoint(at=3, as_="u32", metric="e", scale_at=5)
    found = compiled("m", MapFile(points={"power": power, "energy": energy, "volts": RegisterPoint(at=6, metric="v")}))
    (block,) = blocks(found.read_with(["power", "energy", "volts"]), found)
    sound = block.decode(struct.pack(">hhIhH", 1234, -1, 7, 3, 230))
    assert scaled(sound, found) == ({"power": 123.4, "energy": 7000, "volts": 230}, [])
    unsound = block.decode(struct.pack(">hhIhH", -32768, -1, 7, -32768, 230))
    assert scaled(unsound, found) == ({"power": -32768, "volts": 230}, ["energy"])
    assert [p.name for p in found.read_with(["volts"])] == ["volts"]
