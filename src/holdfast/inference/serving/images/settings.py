"""Where pictures come from, and what is done with them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from holdfast.kernel.scalars import Duration, Size

MIB = 1 << 20


class ImageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One deployment's pictures.

    folder:  watched for new files, in it and in folders directly below it; "" = pictures come as messages only
    topic:   where messages are pictures, as in profiles: `cameras/{device}/picture`; "" = pictures are files only
    camera:  whose they are: the device of the results; "" = the name of the folder that a file lies in, or what the
             topic's `{device}` holds
    every:   between two looks
    then:    what becomes of a file once its result is stored: moved to `done/` below `folder`, or deleted
    keep:    so many files stay in `done/`, and as many in `refused/`; older ones are deleted
    fit:     how another shape is made the model's: `stretch`, `crop` (the middle) or `pad` (with black)
    most_pixels, most_bytes: larger pictures are refused before they're decoded
    waiting, waiting_bytes: most pictures that came as messages and wait on disk for the model; more are refused
    """

    folder: str = ""
    topic: str = ""
    camera: str = ""
    every: Duration = 1.0
    then: Literal["move", "delete"] = "move"
    keep: int = 1000
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    most_pixels: int = 40_000_000
    most_bytes: Size = 20 * MIB
    waiting: Annotated[int, Meta(ge=1)] = 100
    waiting_bytes: Size = 256 * MIB
