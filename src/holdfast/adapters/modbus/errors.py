"""What Modbus devices say when they refuse (Modbus Application Protocol V1.1b3 §7), and what can't be used.

AdapterError
├── DeviceFaulted
│   ├── Refused        an exception answer: the device is there, and says no
│   └── Malformed      bytes that aren't an answer to the question
│       └── WrongUnit  another unit answered
└── DeviceUnreachable
    └── UnitSilent     the gateway answers, the unit behind it doesn't
"""

from holdfast.adapters.errors import DeviceFaulted, DeviceUnreachable

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
SERVER_FAILURE, ACKNOWLEDGED, BUSY = 4, 5, 6
NO_PATH, NO_ANSWER = 0x0A, 0x0B
NOT_THERE = (ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE)
"""It won't ever answer this question."""

WORDS = {
    ILLEGAL_FUNCTION: ("illegal function", "the device doesn't know this kind of register"),
    ILLEGAL_ADDRESS: ("illegal data address", "it has no such register: `at`, `table` and the map's `first`"),
    ILLEGAL_VALUE: ("illegal data value", "too many registers in one read (`most` in the map), or out of its range"),
    SERVER_FAILURE: ("server device failure", "the device says that something in it failed"),
    ACKNOWLEDGED: ("acknowledge", "the device needs longer than an answer may take"),
    BUSY: ("server device busy", "it's asked too often, or by others as well"),
    8: ("memory parity error", "the device's memory is broken"),
    NO_PATH: ("gateway path unavailable", "the gateway has no way to this unit: is `unit` right?"),
    NO_ANSWER: ("gateway target device failed to respond", "the unit behind the gateway doesn't answer"),
}


class Refused(DeviceFaulted):
    """An exception answer."""

    def __init__(self, code: int) -> None:
        said, hint = WORDS.get(code, ("an exception", "its manual says what it means"))
        super().__init__(f"the device answers {said} (exception {code})", hint)
        self.code = code


class Malformed(DeviceFaulted):
    """Bytes that aren't an answer."""


class WrongUnit(Malformed):
    """The question's number, and another unit."""

    def __init__(self, asked: int, answered: int) -> None:
        super().__init__(f"unit {asked} was asked, and unit {answered} answered", "is `unit` right?")


class UnitSilent(DeviceUnreachable):
    """Exceptions 0x0A and 0x0B."""

    def __init__(self, code: int) -> None:
        said, hint = WORDS[code]
        super().__init__(f"the gateway answers {said} (exception {code})", hint)
        self.code = code
