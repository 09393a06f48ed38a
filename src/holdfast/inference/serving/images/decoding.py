"""A picture's bytes → the numbers of a row. Blocking, never on the loop; hostile bytes are refused, never a crash.

JPEG, PNG, WebP and BMP. A picture's size is read from its head and judged before a pixel is decoded: 100 kB of PNG
may be gigapixels. Large JPEGs are decoded at a half, a quarter or an eighth (by the DCT), as far as the result stays
at least twice as large as what's wanted. Cameras turn pictures by EXIF, so it's heeded.
"""

import io
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from holdfast.inference.card import Image
from holdfast.inference.serving.images.errors import ImageRefused, VisionMissing

Array = NDArray[Any]
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
Fit = Literal["stretch", "crop", "pad"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Larger ones are refused."""

    most_pixels: int
    most_bytes: int


def library() -> tuple[Any, Any]:
    """Pillow's `Image` and `ImageOps`.

    Raises:
        VisionMissing: when it isn't installed.
    """
    try:
        from PIL import Image as Pictures  # noqa: PLC0415  # a gateway without cameras does without
        from PIL import ImageOps  # noqa: PLC0415
    except ImportError:
        raise VisionMissing from None
    return Pictures, ImageOps


def row_of(data: bytes, want: Image, fit: Fit, limits: Limits) -> Array:
    """One row, shape (width · height · channels,), float64, as the card says.

    Raises:
        ImageRefused: when it's no picture, or too large.
        VisionMissing: when Pillow isn't installed.
    """
    pictures, ops = library()
    if len(data) > limits.most_bytes:
        raise ImageRefused(
            "too_large", f"{len(data):,} bytes; {limits.most_bytes:,} are taken", "raise `most_bytes`, or send less"
        )
    try:
        with warnings.catch_warnings():  # Pillow warns of sizes that are judged here
            warnings.simplefilter("ignore")
            with pictures.open(io.BytesIO(data), formats=FORMATS) as opened:
                _judge(opened.size, limits)
                return normalised(_pixels(opened, want, fit, pictures, ops), want)
    except ImageRefused:
        raise
    except pictures.DecompressionBombError:
        raise ImageRefused("too_large", "its head says more pixels than Pillow opens", "send smaller ones") from None
    except Exception as error:  # noqa: BLE001  # decoders raise anything of hostile bytes
        said = str(error).split("<", 1)[0].strip() or type(error).__name__
        kinds = ", ".join(FORMATS)
        raise ImageRefused("unreadable", f"it can't be decoded: {said[:120]}", f"{kinds} are taken") from None


def normalised(pixels: Array, want: Image) -> Array:
    """(pixel / scale - mean) / std for each channel, laid out and flattened. pixels: shape (h, w, c), uint8."""
    values = pixels / want.scale
    if want.mean:
        values -= np.array(want.mean)
    if want.std:
        values /= np.array(want.std)
    if want.layout == "nchw":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values, np.float64).reshape(-1)


def _judge(size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.most_pixels:
        raise ImageRefused(
            "too_large",
            f"{width} by {height} pixels; {limits.most_pixels:,} are taken",
            "raise `most_pixels`, or send smaller ones",
        )
    if width < 1 or height < 1:
        raise ImageRefused("unreadable", "it has no pixels")


def _pixels(opened: Any, want: Image, fit: Fit, pictures: Any, ops: Any) -> Array:
    side = max(want.width, want.height)
    opened.draft(None, (2 * side, 2 * side))  # JPEG only; nothing of others
    mode = "RGB" if want.channels == 3 else "L"
    image = ops.exif_transpose(opened).convert(mode)
    size, how = (want.width, want.height), pictures.Resampling.BILINEAR
    if fit == "crop":
        image = ops.fit(image, size, how)
    elif fit == "pad":
        image = ops.pad(image, size, how)
    elif image.size != size:
        image = image.resize(size, how)
    return np.asarray(image, np.uint8).reshape(want.height, want.width, want.channels)
