"""Units by their UNECE codes; what went wrong, in words with what to do; the map that browsing writes."""

import errno

import msgspec
import pytest
from asyncua.ua.uaerrors import UaStatusCodeError

from holdfast.adapters.opcua import binary
from holdfast.adapters.opcua.addresses import Address
from holdfast.adapters.opcua.browsing import Found, devices_yaml, tree
from holdfast.adapters.opcua.errors import ServerSaid
from holdfast.adapters.opcua.eu import _CODES, code_of, unit_of
from holdfast.adapters.opcua.settings import OpcuaSettings
from holdfast.adapters.opcua.words import in_plain
from holdfast.model.units import payload_unit


@pytest.mark.parametrize(
    ("number", "shown", "wanted"),
    [
        (4_408_652, "°C", "Cel"),
        (4_338_743, "kN", "kN"),
        (-1, "mm/s", "mm/s"),
        (-1, "parsecs per fortnight", ""),
        (0, "", ""),
        (2**31 - 1, "bar", "bar"),
    ],
)
def test_a_unit_is_known_by_its_code_else_as_it_is_shown(number: int, shown: str, wanted: str) -> None:
    assert unit_of(number, shown) == wanted


def test_codes_are_packed_as_the_standard_has_it_and_all_are_units_of_ours() -> None:
    assert code_of(4_408_652) == "CEL"
    unknown = []
    for code, unit in _CODES.items():
        try:
            payload_unit(unit, None)
        except Exception:  # noqa: BLE001  # counted
            unknown.append((code, unit))
    assert not unknown


@pytest.mark.parametrize(
    ("error", "said", "hint"),
    [
        (UaStatusCodeError(0x80210000), "BadIdentityTokenRejected", "`user` and `password_file`"),
        (UaStatusCodeError(0x80130000), "BadSecurityChecksFailed", "rejected to the trusted"),
        (UaStatusCodeError(0x80340000), "BadNodeIdUnknown", "holdfast opcua browse"),
        (TimeoutError(), "didn't answer within 2 s", "firewall"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "nothing listens there", "its port"),
        (ConnectionError("Connection is closed"), "the connection was lost", ""),
        (ExceptionGroup("", [TimeoutError()]), "didn't answer", ""),
        (ValueError("odd"), "ValueError: odd", ""),
        (ServerSaid("already told", "do this"), "already told", "do this"),
    ],
)
def test_whatever_the_library_raises_is_said_with_what_to_do(error: Exception, said: str, hint: str) -> None:
    found = in_plain(error, "opc.tcp://h:4840", 2)
    assert said in str(found)
    assert hint in getattr(found, "hint", "")


def test_what_can_be_read_becomes_devices_with_lasting_ids_units_and_limits_as_stored() -> None:
    spaces = ["http://opcfoundation.org/UA/", "urn:plant"]
    found = [
        Found(("Hall", "Press 1"), Address(1, "s", "P"), is_variable=False),
        Found(("Hall", "Press 1", "MainForce"), Address(1, "s", "F"), is_variable=True, type=binary.DOUBLE, access=3,
              unit="kN", shown="kN", low=0.0, high=5.0),
        Found(("Hall", "Press 1", "Main Force"), Address(1, "i", "7"), is_variable=True, type=binary.INT32, access=1,
              names={0: "Off"}),
        Found(("Hall", "Press 1", "3D"), Address(1, "i", "8"), is_variable=True, type=binary.FLOAT, access=1,
              is_array=3),
        Found(("Hall", "Press 1", "Secret"), Address(1, "i", "9"), is_variable=True, type=binary.FLOAT),
        Found(("Hall", "Press 1", "Struct"), Address(1, "i", "9"), is_variable=True, type=binary.OBJECT, access=1),
    ]  # fmt: skip
    text = devices_yaml(found, spaces)
    nodes = msgspec.yaml.decode(text)["devices"]["Hall-Press_1"]["nodes"]
    assert nodes == {
        "MainForce": {"id": "nsu=urn:plant;s=F", "metric": "hall_press_1.main_force", "unit": "kN", "min": 0.0,
                      "max": 5000.0},
        "Main_Force": {"id": "nsu=urn:plant;i=7", "metric": "hall_press_1.main_force_2", "type": "text"},
        "n_3D": {"id": "nsu=urn:plant;i=8", "metric": "hall_press_1.3_d", "array": 3},
    }  # fmt: skip
    said = msgspec.yaml.decode(f"url: opc.tcp://h\n{text}")
    assert not list(msgspec.convert(said, OpcuaSettings).findings())
    assert tree(found)[1] == "    MainForce  ns=1;s=F  Double kN  may be written"
    assert "can't be read" in tree(found)[4]
