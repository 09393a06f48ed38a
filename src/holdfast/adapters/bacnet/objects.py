"""Objects by their standard names (clause 21, BACnetObjectType), and the properties that matter here. Pure."""

from typing import NamedTuple

TYPES = {
    "analog-input": 0,
    "analog-output": 1,
    "analog-value": 2,
    "binary-input": 3,
    "binary-output": 4,
    "binary-value": 5,
    "device": 8,
    "loop": 12,
    "multi-state-input": 13,
    "multi-state-output": 14,
    "multi-state-value": 19,
    "life-safety-point": 21,
    "accumulator": 23,
    "pulse-converter": 24,
    "access-door": 30,
    "bitstring-value": 39,
    "characterstring-value": 40,
    "integer-value": 45,
    "large-analog-value": 46,
    "octetstring-value": 47,
    "positive-integer-value": 48,
    "lighting-output": 54,
    "binary-lighting-output": 55,
}
NAMES = {number: name for name, number in TYPES.items()}
ANALOG = {0, 1, 2, 12, 24, 46, 54}
BINARY = {3, 4, 5, 55}
MULTI_STATE = {13, 14, 19}
WHOLE = {23, 45, 48}
TEXT = {40}
OUTPUTS = {1, 4, 14, 54, 55}
MAY_BE_COMMANDED = OUTPUTS | {2, 5, 19, 30, 40, 45, 46, 48}
"""With a priority array always, or when the device has it so (clause 19.2)."""
DEVICE = 8
LARGEST_INSTANCE = 0x3F_FFFE
LARGEST_TYPE = 1023
OBJECT_HELP = "an object as `analog-input,1` (type and instance; a maker's own type by its number: `130,1`)"

ACTIVE_TEXT, INACTIVE_TEXT, STATE_TEXT = 4, 46, 110
COV_INCREMENT, DESCRIPTION, OBJECT_LIST, OBJECT_NAME = 22, 28, 76, 77
PRESENT_VALUE, PRIORITY_ARRAY, RELIABILITY, STATUS_FLAGS, UNITS = 85, 87, 103, 111, 117
MODEL_NAME, VENDOR_NAME, TIME_OF_RESTART = 70, 121, 203


class Ref(NamedTuple):
    """A property of an object. array: an index of it, None = whole."""

    type: int
    instance: int
    prop: int = PRESENT_VALUE
    array: int | None = None

    @property
    def object(self) -> tuple[int, int]:
        """Type and instance."""
        return self.type, self.instance

    def of(self, prop: int, array: int | None = None) -> "Ref":
        """Another property of the same object."""
        return Ref(self.type, self.instance, prop, array)

    def __str__(self) -> str:
        return written(self.type, self.instance)


def written(type_: int, instance: int) -> str:
    """As people write it: `analog-input,1`."""
    return f"{NAMES.get(type_, type_)},{instance}"


def ref(text: str) -> Ref:
    """An object's present value.

    Raises:
        ValueError: it isn't written as one.
    """
    kind, comma, instance = text.replace(" ", "").partition(",")
    number = TYPES.get(kind, int(kind) if kind.isascii() and kind.isdigit() else -1)
    is_number = instance.isascii() and instance.isdigit()
    if not comma or not 0 <= number <= LARGEST_TYPE or not is_number or int(instance) > LARGEST_INSTANCE:
        raise ValueError(f"expected {OBJECT_HELP}")
    return Ref(number, int(instance))
