"""How it goes with a deployment's pictures, as it's told."""

from typing import Literal, get_args

from msgspec import Struct

ImageState = Literal["ok", "resting", "folder_unusable", "no_model"]
STATES: tuple[str, ...] = get_args(ImageState)


class ImageStatus(Struct, frozen=True):
    """Since the start.

    state:      resting: one got no result, and it's tried again; no_model: it isn't here (yet, or any more)
    taken:      pictures whose result is on disk; refused: at the door or when they were decoded
    unanswered: tries that brought no result
    waiting:    pictures that came as messages and are on disk; waiting_bytes: of them
    """

    deployment: str
    state: ImageState
    taken: int = 0
    refused: int = 0
    unanswered: int = 0
    waiting: int = 0
    waiting_bytes: int = 0
    last_error: str = ""
