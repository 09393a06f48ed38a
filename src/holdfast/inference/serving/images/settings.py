"""Where pictures come from, and what is done with them."""

from typing import Literal

from msgspec import Struct

from holdfast.kernel.scalars import Duration, Size

MIB = 1 << 20


class ImageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One deployment's pictures.

    folder:  watched for new files, in it and in folders directly below it; "" = pictures come as messages only
    camera:  whose they are: the device of the results; "" = the name of the folder that a file lies in
    every:   between two looks
    then:    what becomes of a file once its result is stored: moved to `done/` below `folder`, or deleted
    keep:    so many files stay in `done/`, and as many in `refused/`; older ones are deleted
    fit:     how another shape is made the model's: `stretch`, `crop` (the middle) or `pad` (with black)
    most_pixels, most_bytes: larger pictures are refused before they're decoded
    waiting: most pictures that came as messages and wait
    """

    folder: str = ""
    camera: str = ""
    every: Duration = 1.0
    then: Literal["move", "delete"] = "move"
    keep: int = 1000
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    most_pixels: int = 40_000_000
    most_bytes: Size = 20 * MIB
    waiting: int = 16
