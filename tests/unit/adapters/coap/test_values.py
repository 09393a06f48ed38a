import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.coap.errors import CoapFaulted
from holdfast.adapters.coap.values import NUMBERS, Read, Scalar, WriteFormat, read, written

NOW = 1_700_000_000 * 10**9
PACK = (
    b'[{"bn":"urn:dev:x:","bt":1700000000,"n":"temp","u":"Cel","v":21.5},'
    b'{"n":"open","vb":true,"t":1},{"n":"s","vs":"on"}]'
)


def of(payload: bytes, kind: int | None, **records: str) -> dict[str, Scalar]:
    return {point: one.value for point, one in read(payload, kind, records, NOW).items()}


@pytest.mark.parametrize(
    ("payload", "value"), [(b"21", 21), (b" 21.5\n", 21.5), (b"-1e3", -1000.0), (b"on", "on"), (b"", "")]
)
def test_text_is_a_number_where_it_is_one(payload: bytes, value: Scalar) -> None:
    assert of(payload, 0, p="") == {"p": value}
    assert of(payload, None, p="") == {"p": value}


def test_scalars_and_fields_of_json_and_cbor() -> None:
    assert of(b"21.5", 50, p="") == {"p": 21.5}
    tree = {"air": {"t": 21.5, "ok": True}, "n": 3}
    assert of(cbor2.dumps(tree), 60, t="air.t", ok="air.ok", n="n", gone="air.x") == {"t": 21.5, "ok": True, "n": 3}


def test_records_of_a_pack_by_their_names_with_and_without_the_base() -> None:
    found = read(PACK, 110, {"t": "temp", "o": "urn:dev:x:open", "s": "s", "gone": "x"}, NOW)
    assert found == {
        "t": Read(21.5, 1_700_000_000 * 10**9),
        "o": Read(True, 1_700_000_001 * 10**9),
        "s": Read("on", 1_700_000_000 * 10**9),
    }


def test_a_pack_in_cbor_with_a_base_value_and_a_time_from_now() -> None:
    payload = cbor2.dumps([{-2: "d/", -5: 20.0, 0: "t", 2: 1.5, 6: -10}])
    assert read(payload, 112, {"t": "t"}, NOW) == {"t": Read(21.5, NOW - 10 * 10**9)}


def test_the_only_record_of_a_pack_needs_no_name() -> None:
    assert of(b'[{"n":"temp","v":3}]', 110, p="") == {"p": 3}


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"{", 50),
        (b"\xff\xff", 60),
        (b"\xff", 0),
        (b"[1]", 110),
        (b'[{"n":"p","v":"x"},{"n":"p","bt":"x"}]', 110),
        (b'{"p": [1]}', 50),
        (b"nan", 0),
        (b'{"p": 99999999999999999999}', 50),
        (b"[" * 5_000, 50),
        (b"\x81" * 5_000, 60),
    ],
)
def test_what_is_not_what_its_format_says_is_told(payload: bytes, kind: int) -> None:
    with pytest.raises(CoapFaulted):
        read(payload, kind, {"p": "" if payload == b"nan" else "p", "q": "x"}, NOW)


@pytest.mark.parametrize("form", NUMBERS)
@pytest.mark.parametrize("value", [True, 21, -3.25, "on"])
def test_what_is_written_reads_back(form: WriteFormat, value: Scalar) -> None:
    got = of(written(value, form, "set"), NUMBERS[form], p="set" if "senml" in form else "")["p"]
    assert got == (str(value).lower() if form == "text" and value is True else value)


@given(st.binary(max_size=300), st.sampled_from([None, 0, 42, 50, 60, 110, 112]))
def test_any_bytes_are_values_or_a_fault(payload: bytes, kind: int | None) -> None:
    try:
        found = read(payload, kind, {"a": "", "b": "n", "c": "x.y"}, NOW)
    except CoapFaulted:
        return
    assert all(isinstance(one.value, bool | int | float | str) for one in found.values())


Tree = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([-5, -3, -2, 0, 2, 6, "n"]), inner),
    max_leaves=12,
)


@given(Tree, st.sampled_from([60, 112]))
def test_any_tree_is_values_or_a_fault(tree: object, kind: int) -> None:
    try:
        read(cbor2.dumps(tree), kind, {"a": "", "b": "n", "c": "n.n"}, NOW)
    except CoapFaulted:
        return


@pytest.mark.parametrize("field", ["bt", "t", "bv", "v"])
@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 400, "1e305"])
def test_a_number_beyond_all_bounds_is_no_value_or_no_time(field: str, number: str) -> None:
    """JSON's whole numbers have no end (found by tests/unit/fuzz)."""
    said = {"n": '"a"', "v": "1", field: number}
    pack = "[{" + ", ".join(f'"{key}": {value}' for key, value in said.items()) + "}]"
    try:
        found = read(pack.encode(), 110, {"a": "a"}, NOW)
    except CoapFaulted:
        return
    assert found["a"].ts_ns is None
