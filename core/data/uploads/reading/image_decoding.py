"""Decoding of an uploaded image to 8-bit pixels of a given size, after a check of the memory that it takes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from core.data.uploads.reading.limits import IMAGE_BYTES, MB, PIXELS, SCANS
from core.data.uploads.reading.parsed import Size
from core.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # decoders of other formats are less tested
_ORIENTATION = 0x0112  # EXIF tag of the camera's orientation
_DRAFT = 256  # least pixels a side of a JPEG after decoding; the largest target is a quarter
# bytes per pixel during the conversion of a mode to grey or RGB; other modes take 9
_BYTES_PER_PIXEL = {"1": 2, "L": 2, "P": 5, "RGB": 5, "I;16": 8, "I;16B": 8}
_STRIP = 2**18  # pixels that are compared or blended at once

_T = TypeVar("_T")


class ImageDecodingError(Exception):
    """A file that is no readable image; the text says what it is."""


class DecodedImage(NamedTuple):
    """A decoded image. ``pixels`` is uint8, (H, W) for a grey image, else (H, W, 3)."""

    pixels: NDArray[np.uint8]
    remarks: tuple[str, ...]  # about conversions, a few words each
    made_grey: bool  # the file stores no colours; False for a colour file with equal channels


class Header(NamedTuple):
    """Values from the header of an image: its upright size, and the cost of decoding it in pixels."""

    size: Size
    cost: int


def read_header(data: bytes, where: str) -> Header:
    """Return the values of an image's header.

    Raises ImageDecodingError for a file that is no image, DataError when decoding would take too much memory.
    """

    def header() -> Header:
        image = _open(data, where)
        scans = data.count(b"\xff\xda") if image.format in ("JPEG", "MPO") else 1
        needed = _decoding_bytes(image)
        if needed > IMAGE_BYTES:
            raise DataError(
                f"{where}, an image that takes {needed // MB:,} MB to decode, more than {IMAGE_BYTES // MB} MB; make it smaller"
            )
        return Header(_upright_size(image), image.width * image.height * max(SCANS, scans) // SCANS)

    return _guarded(header, where)


def decode(data: bytes, where: str, common: Size, target: Size) -> DecodedImage:
    """Return the image scaled to ``target``.

    One of another size than ``common`` is also cropped to its middle.
    Raises as ``read_header`` does.
    """
    return _guarded(lambda: _decode(_open(data, where), common, target), where)


def scaled(pixels: NDArray[np.uint8], target: Size) -> NDArray[np.uint8]:
    """Return pixels (H, W) or (H, W, 3) scaled to ``target``."""
    return np.asarray(Image.fromarray(pixels).resize(target, Image.Resampling.BICUBIC))


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return RGB pixels (..., 3) of RGBA pixels (..., 4) on a white background."""
    share = pixels[..., 3:].astype(np.float32) / 255
    return np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Return whether all three channels of pixels (..., 3) are equal."""
    return bool((pixels[..., 0] == pixels[..., 1]).all() and (pixels[..., 0] == pixels[..., 2]).all())


def _decoding_bytes(image: Image.Image) -> int:
    """Return the peak memory of decoding in bytes, estimated from the header."""
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
    return pixels * (9 if "transparency" in image.info else _BYTES_PER_PIXEL.get(image.mode, 9))


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the row after the last of each strip."""
    step = max(1, _STRIP // max(1, width))
    for top in range(0, height, step):
        yield top, min(height, top + step)


def _is_grey_image(image: Image.Image) -> bool:
    """Return whether all channels of an RGB image are equal, without a second copy of the image."""
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
    """Call ``work`` and return its result.

    Raises ImageDecodingError or DataError in place of any decoder's error.
    """
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
    except Exception as error:  # on hostile bytes decoders raise nearly every type
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


def _needs_turning(image: Image.Image) -> bool:
    """Return whether the EXIF orientation says that the image must be rotated or mirrored."""
    return image.format in ("JPEG", "MPO", "WEBP") and image.getexif().get(_ORIENTATION, 1) != 1


def _upright_size(image: Image.Image) -> Size:
    """Return the size after the rotation that the EXIF orientation asks for."""
    sideways = _needs_turning(image) and image.getexif().get(_ORIENTATION) in (5, 6, 7, 8)
    return (image.height, image.width) if sideways else (image.width, image.height)


def _decode(image: Image.Image, common: Size, target: Size) -> DecodedImage:
    remarks = []
    made_grey = image.mode in ("1", "L", "LA") or image.mode.startswith("I;16")
    usual = _upright_size(image) == common
    if getattr(image, "is_animated", False) and image.format in ("GIF", "TIFF", "WEBP", "PNG"):
        remarks.append("Several pages, of which the first is taken")
    image.draft(image.mode, (4 * max(target), 4 * max(target)))  # decodes a JPEG no larger than needed
    image.load()
    if _needs_turning(image):
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
    """Return the image in mode L or RGB, and a remark about the conversion ("" when there is none)."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image, ""
    if image.mode == "1":
        return image.convert("L"), ""
    if image.mode.startswith("I;16"):
        upper = (np.asarray(image) >> 8).astype(np.uint8)
        return Image.fromarray(upper), "16 bits a pixel, of which the upper 8 are kept"
    if image.mode in ("I", "F"):
        raise ImageDecodingError("an image of 32 bits a pixel, whose value for white is unknown")
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        return _on_white(rgba), "Partly transparent, put on white"
    return image.convert("RGB"), ""
