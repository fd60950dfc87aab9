"""One picture of any kind that people bring, as 8-bit pixels of the wanted size; decoded in memory, its size checked first."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from core.data.own.found import Size
from core.errors import DataError

FORMATS = (
    "PNG",
    "JPEG",
    "BMP",
    "GIF",
    "TIFF",
    "WEBP",
    "PPM",
)  # others run interpreters, or few have read them
PIXELS = 50_000_000  # of one picture: more than cameras make, and 150 MB once decoded
_ORIENTATION = 0x0112  # EXIF: how the camera was held

_T = TypeVar("_T")


class NotAPicture(Exception):
    """A file that holds no picture that can be read; the text says what it is."""


class Picture(NamedTuple):
    """Pixels (H, W) where they are grey, else (H, W, 3), uint8."""

    pixels: NDArray[np.uint8]
    remarks: tuple[str, ...]  # what was special, in a few words each
    made_grey: bool  # its file has no colours, where another with pixels (H, W) only shows none


def size_of(data: bytes, where: str) -> Size:
    """Width and height as the picture will be shown, from its header. Raises NotAPicture, and DataError for an image bomb."""
    return _guarded(lambda: _upright(_open(data, where)))


def decode(data: bytes, where: str, common: Size, target: Size) -> Picture:
    """The picture at ``target``: one of ``common`` size is scaled, another also cut to its middle. Raises as ``size_of``."""
    return _guarded(lambda: _decode(_open(data, where), common, target))


def scaled(pixels: NDArray[np.uint8], target: Size) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) pixels at ``target``."""
    return np.asarray(Image.fromarray(pixels).resize(target, Image.Resampling.BICUBIC))


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(..., 3) pixels of (..., 4) ones, whose last channel is how opaque they are."""
    share = pixels[..., 3:].astype(np.float32) / 255
    return np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether all three channels of (..., 3) pixels agree."""
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _guarded(work: Callable[[], _T]) -> _T:
    try:
        return work()
    except (DataError, NotAPicture):
        raise
    except UnidentifiedImageError as error:
        raise NotAPicture("no image") from error
    except Exception as error:  # hostile bytes: decoders raise nearly every kind there is
        raise NotAPicture("a broken image") from error


def _open(data: bytes, where: str) -> Image.Image:
    too_large = f"{where}, an image of more than {PIXELS // 1_000_000} million pixels; make it smaller"
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise DataError(too_large) from error
    if image.width * image.height > PIXELS:
        raise DataError(too_large)
    return image


def _turned(image: Image.Image) -> bool:
    """Whether a camera says that this picture has to be turned or mirrored."""
    return image.format in ("JPEG", "MPO", "WEBP") and image.getexif().get(_ORIENTATION, 1) != 1


def _upright(image: Image.Image) -> Size:
    lies = _turned(image) and image.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
    return (image.height, image.width) if lies else (image.width, image.height)


def _decode(image: Image.Image, common: Size, target: Size) -> Picture:
    remarks = []
    made_grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I;16")
    usual = _upright(image) == common
    if getattr(image, "n_frames", 1) > 1 and image.format in ("GIF", "TIFF", "WEBP", "PNG"):
        remarks.append("Several pages, of which the first is taken")
    image.draft(image.mode, (4 * max(target), 4 * max(target)))  # a JPEG is decoded no larger than needed
    image.load()
    if _turned(image):
        image = ImageOps.exif_transpose(image)
    image, remark = _eight_bit(image)
    if remark:
        remarks.append(remark)
    if image.mode == "RGB":
        bands = np.asarray(image)
        if is_grey(bands):
            image = Image.fromarray(np.ascontiguousarray(bands[..., 0]))
    if image.size != target:
        how = Image.Resampling.BICUBIC
        image = image.resize(target, how) if usual else ImageOps.fit(image, target, how)
    return Picture(np.array(image), tuple(remarks), made_grey)


def _eight_bit(image: Image.Image) -> tuple[Image.Image, str]:
    """As mode L or RGB, and what that took."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image, ""
    if image.mode == "1":
        return image.convert("L"), ""
    if image.mode.startswith("I;16"):
        return Image.fromarray(
            (np.asarray(image) >> 8).astype(np.uint8)
        ), "16 bits a pixel, of which the upper 8 are kept"
    if image.mode in ("I", "F"):
        raise NotAPicture("an image of 32 bits a pixel, whose white nobody knows")
    if image.has_transparency_data:
        return Image.fromarray(
            on_white(np.asarray(image.convert("RGBA")))
        ), "Partly transparent, put on white"
    return image.convert("RGB"), ""
