"""One picture of any kind that people bring, as 8-bit pixels of the wanted size; decoded in memory, its size checked first."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from core.data.uploads.limits import IMAGE_BYTES, MB, PIXELS, SCANS
from core.data.uploads.parsed import Size
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
_ORIENTATION = 0x0112  # EXIF: how the camera was held
_DRAFT = 256  # pixels a side that a JPEG keeps at least while it is decoded; the largest target is a quarter
# bytes a pixel while an image of a mode becomes grey or RGB; any other mode takes 9
_BYTES = {"1": 2, "L": 2, "P": 5, "RGB": 5, "I;16": 8, "I;16B": 8}
_STRIP = 2**18  # pixels that are looked at or blended at once

_T = TypeVar("_T")


class ImageDecodingError(Exception):
    """A file that holds no picture that can be read; the text says what it is."""


class DecodedImage(NamedTuple):
    """Pixels (H, W) where they are grey, else (H, W, 3), uint8."""

    pixels: NDArray[np.uint8]
    remarks: tuple[str, ...]  # what was special, in a few words each
    made_grey: bool  # its file has no colours, where another with pixels (H, W) only shows none


class Header(NamedTuple):
    """What the header of a picture says: its size as it will be shown, and the pixels that decoding it counts as."""

    size: Size
    cost: int


def header_of(data: bytes, where: str) -> Header:
    """Read a picture's header. Raises NotAPicture, and DataError where decoding it would take too much memory."""

    def look() -> Header:
        image = _open(data, where)
        scans = data.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 1
        needed = _bytes(image)
        if needed > IMAGE_BYTES:
            raise DataError(
                f"{where}, an image that takes {needed // MB:,} MB to decode, more than {IMAGE_BYTES // MB} MB; make it smaller"
            )
        return Header(_upright(image), image.width * image.height * max(SCANS, scans) // SCANS)

    return _guarded(look, where)


def decode(data: bytes, where: str, common: Size, target: Size) -> DecodedImage:
    """The picture at ``target``: one of ``common`` size is scaled, another also cut to its middle. Raises as ``header_of``."""
    return _guarded(lambda: _decode(_open(data, where), common, target), where)


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


def _bytes(image: Image.Image) -> int:
    """Return the memory that decoding takes at its peak, estimated from the header."""
    pixels = image.width * image.height
    if image.format == "WEBP":  # two canvases and the frame, each in four channels
        return 16 * pixels
    if image.format in ("JPEG", "MPO"):
        fit = min(image.width, image.height) // _DRAFT
        scale = next((s for s in (8, 4, 2) if s <= fit), 1)
        held = 9 * pixels // scale**2
        if image.info.get("progressive"):  # all coefficients at once, two bytes each
            layers = [(h, v) for _, h, v, _ in getattr(image, "layer", [])] or [(1, 1)] * 3
            most = max(h for h, _ in layers) * max(v for _, v in layers)
            held += 2 * pixels * sum(h * v for h, v in layers) // max(1, most)
        return held
    return pixels * (9 if "transparency" in image.info else _BYTES.get(image.mode, 9))


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the row after the last of each strip."""
    step = max(1, _STRIP // max(1, width))
    for top in range(0, height, step):
        yield top, min(height, top + step)


def _is_grey_image(image: Image.Image) -> bool:
    """Return whether all channels of an RGB image agree, without a second copy of it."""
    strips = (image.crop((0, top, image.width, end)) for top, end in _strips(image.height, image.width))
    return all(is_grey(np.asarray(strip)) for strip in strips)


def _on_white(image: Image.Image) -> Image.Image:
    """Return an RGBA image as RGB on white, strip by strip."""
    made = Image.new("RGB", image.size)
    for top, end in _strips(image.height, image.width):
        strip = np.asarray(image.crop((0, top, image.width, end)))
        made.paste(Image.fromarray(on_white(strip)), (0, top))
    return made


def _guarded(work: Callable[[], _T], where: str) -> _T:
    try:
        return work()
    except (DataError, ImageDecodingError):
        raise
    except MemoryError as error:
        raise DataError(
            f"{where}, an image that takes more memory to decode than it may; make it smaller"
        ) from error
    except UnidentifiedImageError as error:
        raise ImageDecodingError("no image") from error
    except Exception as error:  # hostile bytes: decoders raise nearly every kind there is
        raise ImageDecodingError("a broken image") from error


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


def _decode(image: Image.Image, common: Size, target: Size) -> DecodedImage:
    remarks = []
    made_grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I;16")
    usual = _upright(image) == common
    if getattr(image, "is_animated", False) and image.format in ("GIF", "TIFF", "WEBP", "PNG"):
        remarks.append("Several pages, of which the first is taken")
    image.draft(image.mode, (4 * max(target), 4 * max(target)))  # a JPEG is decoded no larger than needed
    image.load()
    if _turned(image):
        image = ImageOps.exif_transpose(image)
    image, remark = _eight_bit(image)
    if remark:
        remarks.append(remark)
    if image.mode == "RGB" and _is_grey_image(image):
        image = image.getchannel(0)
    if image.size != target:
        how = Image.Resampling.BICUBIC
        image = image.resize(target, how) if usual else ImageOps.fit(image, target, how)
    return DecodedImage(np.array(image), tuple(remarks), made_grey)


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
        raise ImageDecodingError("an image of 32 bits a pixel, whose white nobody knows")
    if image.has_transparency_data:
        return _on_white(
            image if image.mode == "RGBA" else image.convert("RGBA")
        ), "Partly transparent, put on white"
    return image.convert("RGB"), ""
