"""How the fetching of artifacts stands, as people and programs see it."""

from typing import Literal

from msgspec import Struct

State = Literal["waiting", "fetching", "verifying", "done", "failed"]


class FetchStatus(Struct, frozen=True):
    """One artifact on its way.

    held, bytes: here, and in all (0 = not known yet); received: came since the start, repeated bytes too
    detail:      why it waits, or failed
    """

    digest: str
    state: State
    held: int
    bytes: int
    received: int
    detail: str = ""
