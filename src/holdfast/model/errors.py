"""What can be wrong about the domain's nouns.

HoldfastError
└── UnitError
    ├── UnitUnknown   somebody wrote a unit that nobody knows
    └── UnitMismatch  somebody asked for degrees in percent
"""

from holdfast.kernel.errors import HoldfastError


class UnitError(HoldfastError):
    """A unit that can't be meant."""


class UnitUnknown(UnitError):
    """No unit is spelled like this, or more than one is."""

    def __init__(self, spelling: str, hint: str) -> None:
        self.spelling, self.hint = spelling, hint
        super().__init__(f"unknown unit `{spelling}`; {hint}")


class UnitMismatch(UnitError):
    """The two units measure different things."""

    def __init__(self, spelling: str, quantity: str, wanted: str, wanted_quantity: str) -> None:
        self.spelling, self.wanted = spelling, wanted
        super().__init__(
            f"`{spelling}` is a unit of {quantity}; it can't be turned into `{wanted}` ({wanted_quantity})"
        )
