"""What can go wrong in this room, by who must act.

HoldfastError
├── SettingsInvalid       the operator must mend a profile file (kernel.documents)
├── UnitError             the operator wrote a unit that can't be meant (model.errors)
└── CodecsError

Payloads raise nothing: what is wrong with them is a `reject.Rejection`.
"""

from holdfast.kernel.errors import HoldfastError


class CodecsError(HoldfastError):
    """Anything this room refuses."""
