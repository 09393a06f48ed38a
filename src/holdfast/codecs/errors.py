"""What can go wrong in this room, by who must act.

HoldfastError
├── SettingsInvalid       the operator must mend a profile file (kernel.documents)
└── CodecsError
    ├── UnitUnknown       the operator wrote a unit that nobody knows
    └── UnitMismatch      the operator asked for degrees in percent

Payloads raise nothing: what is wrong with them is a `reject.Rejection`.
"""

from holdfast.kernel.errors import HoldfastError


class CodecsError(HoldfastError):
    """Anything this room refuses."""


class UnitUnknown(CodecsError):
    """No unit is spelled like this, or more than one is."""

    def __init__(self, spelling: str, hint: str) -> None:
        self.spelling, self.hint = spelling, hint
        super().__init__(f"unknown unit `{spelling}`; {hint}")


class UnitMismatch(CodecsError):
    """The two units measure different things."""

    def __init__(self, spelling: str, quantity: str, wanted: str, wanted_quantity: str) -> None:
        self.spelling, self.wanted = spelling, wanted
        super().__init__(
            f"`{spelling}` is a unit of {quantity}; it can't be turned into `{wanted}` ({wanted_quantity})"
        )
