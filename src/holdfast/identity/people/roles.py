"""What people may do: three steps, each with all of the one before it."""

from enum import StrEnum


class Role(StrEnum):
    """viewer: looks; operator: deals with what happens; admin: changes what the node is."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def covers(self, wanted: "Role") -> bool:
        """May this role do what `wanted` may?"""
        return _ORDER[self] >= _ORDER[wanted]


_ORDER = {role: place for place, role in enumerate(Role)}
