"""The device ends by protocol, imported when a scenario names them: a gateway pays for no library it doesn't use."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, cast, get_type_hints

from msgspec import Struct

from holdfast.kernel.errors import HoldfastError
from holdfast.sim.ends.port import DevicePlan, End


class _Where(NamedTuple):
    """extra: what `pip install 'holdfast[…]'` brings its library; pushed: devices send, nobody asks them."""

    module: str
    name: str
    extra: str = ""
    pushed: bool = False


ENDS: Mapping[str, _Where] = {
    "mqtt": _Where("holdfast.sim.ends.mqtt", "MqttEnd", pushed=True),
    "http": _Where("holdfast.sim.ends.http", "HttpEnd", pushed=True),
    "lorawan": _Where("holdfast.sim.ends.lorawan", "LorawanEnd", pushed=True),
    "sparkplug": _Where("holdfast.sim.ends.sparkplug", "SparkplugEnd", "protobuf", pushed=True),
    "modbus": _Where("holdfast.sim.ends.modbus", "ModbusEnd"),
    "opcua": _Where("holdfast.sim.ends.opcua", "OpcuaEnd", "opcua"),
    "bacnet": _Where("holdfast.sim.ends.bacnet", "BacnetEnd", "bacnet"),
    "coap": _Where("holdfast.sim.ends.coap", "CoapEnd", "coap"),
}


class EndMissing(HoldfastError):
    """There is no such protocol, or its library isn't installed."""


class EndKind(NamedTuple):
    """A protocol's end. settings: the struct of its own settings."""

    make: Any
    settings: type[Struct]
    pushed: bool

    def end(self, name: str, settings: Struct, devices: Mapping[str, DevicePlan]) -> End:
        """Make it; nothing is opened."""
        return cast("End", self.make(name, settings, devices))


def end_kind(protocol: str) -> EndKind:
    """The end of a protocol.

    Raises:
        EndMissing: with what to do about it.
    """
    where = ENDS.get(protocol)
    if where is None:
        raise EndMissing(f"`{protocol}` isn't a protocol that devices speak here; there are: {', '.join(ENDS)}")
    try:
        made = getattr(import_module(where.module), where.name)
    except ModuleNotFoundError as error:
        if error.name == where.module:
            raise EndMissing(f"this version of Holdfast has no simulated {protocol} devices") from error
        hint = f"pip install 'holdfast[{where.extra}]'" if where.extra else f"install {error.name}"
        raise EndMissing(f"simulated {protocol} devices need {error.name}: {hint}") from error
    # a constructor names its settings' type in its signature, so that nobody keeps a second list of them
    settings = cast("type[Struct]", get_type_hints(made.__init__)["settings"])
    return EndKind(made, settings, where.pushed)
