"""The root of every error tree.

HoldfastError
├── SettingsInvalid    the operator must mend a file; carries every problem at once
├── <Room>Error        each room's own tree, in its `errors.py`, split by who must act
"""


class HoldfastError(Exception):
    """Something Holdfast can name. `hint` says what to do about it."""

    hint = ""
