"""`site:` in node.yaml: what this place is called, and where it is."""

from typing import Annotated

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Zone


class SiteSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The place that this node stands at; told to the parent, and shown to people."""

    name: Annotated[str, Meta(max_length=200)] = ""
    """What people call it; absent = the node's name."""
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    """Degrees, north is positive."""
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    """Degrees, east is positive."""
    zone: Zone | None = None
    """Its time zone, as in `Europe/London`; absent = not said."""
    note: Annotated[str, Meta(max_length=200)] = ""
    """A few words for whoever looks: who to call, what stands there."""

    def __post_init__(self) -> None:
        """Refuse half a place."""
        if (self.latitude is None) != (self.longitude is None):
            msg = "give both `latitude` and `longitude`, or neither"
            raise ValueError(msg)
