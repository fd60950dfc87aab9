"""An npz of images and labels: which arrays are which, and whether they fit each other."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.own.archives import Archive, read_array, shown
from core.data.own.found import IMAGES, Found, Progress, resized, target_size
from core.data.own.pictures import is_grey, on_white, scaled
from core.errors import DataError

Array = NDArray[Any]
_PARTS = {"train": False, "test": True, "": None}
_IMAGES, _LABELS = ("x", "images", "data"), ("y", "labels", "targets")


def read(archive: Archive, progress: Progress) -> Found:
    """All images of an npz, in the order of its rows, training before test. Raises DataError in a sentence that names the array."""
    arrays = {path.removesuffix(".npy"): path for path in archive.files}
    pairs, used = _pairs(archive, arrays)
    notes, xs, ys = [], [], []
    for i, (_, x_name, y_name) in enumerate(pairs):
        progress(i, len(pairs) + 1)
        y = _labels(archive, y_name, read_array(archive, arrays[y_name]))
        x, told = _images(archive, x_name, read_array(archive, arrays[x_name]))
        if len(x) != len(y):
            raise DataError(
                f"{archive.name} has {len(x):,} images in {x_name} and {len(y):,} labels in {y_name}; wanted one each"
            )
        xs.append(x)
        ys.append(y)
        notes += told
    if len({x.shape[1:] for x in xs}) > 1:
        shapes = " and ".join(f"{name} {x.shape[1:]}" for (_, name, _), x in zip(pairs, xs, strict=True))
        raise DataError(f"{archive.name} has training and test images of other shapes ({shapes}); wanted one")
    if sum(map(len, xs)) > IMAGES:
        raise DataError(
            f"{archive.name} has {sum(map(len, xs)):,} images; up to {IMAGES:,} can be read, leave some out"
        )
    unused = sorted(shown(name) for name in arrays if name not in used and name != "classes")
    if unused:
        notes.append(f"Left out, neither images nor labels: {', '.join(unused[:5])}.")
    height, width = xs[0].shape[1:3]
    if target_size((width, height)) != (width, height):
        notes.append(resized((width, height)))
    classes = _classes(archive, arrays, [(name, y) for (_, _, name), y in zip(pairs, ys, strict=True)])
    test = torch.cat(
        [torch.full((len(y),), bool(is_test)) for (is_test, _, _), y in zip(pairs, ys, strict=True)]
    )
    return Found(
        classes,
        _tensor(xs),
        torch.from_numpy(np.concatenate(ys)),
        test if len(pairs) > 1 else None,
        ((width, height, sum(map(len, xs))),),
        tuple(dict.fromkeys(notes)),
    )


def _pairs(archive: Archive, arrays: dict[str, str]) -> tuple[list[tuple[bool | None, str, str]], set[str]]:
    """(is it the test set; name of the images; name of the labels), training first; and all names that are used."""
    found: dict[bool | None, dict[str, str]] = {}
    for name in arrays:
        words = re.split(r"[_-]", name.casefold())
        part = next((p for p in ("train", "test") if p in words), "")
        rest = [w for w in words if w != part]
        kind = "x" if rest[0:1] and rest[0] in _IMAGES else "y" if rest[0:1] and rest[0] in _LABELS else ""
        if kind and len(rest) == 1:
            found.setdefault(_PARTS[part], {})[kind] = name
    parts = [p for p in (False, True) if p in found] if False in found else [None] if None in found else []
    for which in parts:
        if len(found[which]) < 2:
            has = next(iter(found[which].values()))
            raise DataError(
                f"{archive.name} has {shown(has)} without its {'labels' if 'x' in found[which] else 'images'}; add them"
            )
    if not parts:
        names = ", ".join(shown(n) for n in list(arrays)[:6])
        raise DataError(
            f"{archive.name} holds {names}; wanted x_train, y_train, x_test and y_test, or x and y"
        )
    pairs = [(p, found[p]["x"], found[p]["y"]) for p in parts]
    return pairs, {name for _, x, y in pairs for name in (x, y)}


def _labels(archive: Archive, name: str, y: Array) -> NDArray[np.int64]:
    """(N,) int64, not negative."""
    where = f"{archive.name} holds {shown(name)}"
    if y.dtype.kind not in "iu":
        raise DataError(f"{where} of type {y.dtype}; labels must be whole numbers (an integer type)")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(
            f"{where} of shape {y.shape}; wanted one label for each image, ({y.shape[0] if y.ndim else 'N'},)"
        )
    if int(y.min()) < 0 or int(y.max()) > IMAGES:
        wrong = int(y.min()) if int(y.min()) < 0 else int(y.max())
        raise DataError(
            f"{where} with label {wrong}, which is out of range; wanted 0 to the number of classes - 1"
        )
    return y.astype(np.int64)


def _images(archive: Archive, name: str, x: Array) -> tuple[NDArray[np.uint8], list[str]]:
    """(N, H, W) or (N, H, W, 3) uint8, and what had to be done."""
    where = f"{archive.name} holds {shown(name)}"
    notes = []
    if x.ndim == 4:
        if x.shape[3] not in (1, 3, 4) and x.shape[1] in (1, 3, 4):
            x = x.transpose(0, 2, 3, 1)
        if x.shape[3] == 1:
            x = x[..., 0]
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[3] not in (3, 4)):
        raise DataError(
            f"{where} of shape {x.shape}; wanted (N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels"
        )
    if x.dtype.kind == "f":
        if not np.isfinite(x).all():
            raise DataError(
                f"{where} with values that are no numbers (NaN or infinite); wanted pixels from 0 to 255"
            )
        if x.min() < 0 or x.max() > 1:
            raise DataError(
                f"{where} of type {x.dtype} outside 0 to 1; wanted uint8 from 0 to 255, or 0 to 1"
            )
        x = np.rint(x * x.dtype.type(255)).astype(np.uint8)
        notes.append("Pixels between 0 and 1 become whole numbers from 0 to 255.")
    elif x.dtype.kind in "iu" and x.dtype != np.uint8:
        if x.min() < 0 or x.max() > 255:
            raise DataError(f"{where} of type {x.dtype} outside 0 to 255; wanted uint8")
        x = x.astype(np.uint8)
    elif x.dtype != np.uint8:
        raise DataError(f"{where} of type {x.dtype}; wanted uint8 from 0 to 255")
    if x.ndim == 4 and x.shape[3] == 4:
        x = np.stack([on_white(one) for one in x])
        notes.append("Images are partly transparent: put on white.")
    return x, notes


def _classes(archive: Archive, arrays: dict[str, str], labels: list[tuple[str, Array]]) -> tuple[str, ...]:
    """Names of the classes, or the labels' numbers where there are none."""
    if "classes" not in arrays:
        return tuple(map(str, range(max(int(y.max()) for _, y in labels) + 1)))
    given = read_array(archive, arrays["classes"])
    where = f"{archive.name} holds classes"
    if given.ndim != 1 or given.dtype.kind not in "US":
        raise DataError(
            f"{where} of type {given.dtype} and shape {given.shape}; wanted one line of text for each class"
        )
    try:
        names = [n.decode() if isinstance(n, bytes) else str(n) for n in given.tolist()]
    except (ValueError, SystemError) as error:  # bytes that are no characters; numpy lets them through
        raise DataError(f"{where} with text that is no text; write it with numpy.savez again") from error
    if not all(n.strip() and n.isprintable() for n in names) or len({n.casefold() for n in names}) < len(
        names
    ):
        raise DataError(
            f"{where} with a name that is empty, unprintable or there twice; name each class once"
        )
    for name, y in labels:
        if int(y.max()) >= len(names):
            raise DataError(
                f"{archive.name} holds {shown(name)} with label {int(y.max())}, which is out of range: classes has {len(names)} names"
            )
    return tuple(names)


def _tensor(xs: list[NDArray[np.uint8]]) -> Tensor:
    """(N, C, H, W) uint8 at the size that the nets take: grey where all channels of all images agree."""
    if all(x.ndim == 4 and is_grey(x) for x in xs):
        xs = [x[..., 0] for x in xs]
    height, width = xs[0].shape[1:3]
    target = target_size((width, height))
    if target != (width, height):
        xs = [np.stack([scaled(np.ascontiguousarray(one), target) for one in x]) for x in xs]
    parts = [
        torch.from_numpy(np.require(x if x.ndim == 4 else x[..., None], requirements=["C", "W"])) for x in xs
    ]
    return torch.cat([p.permute(0, 3, 1, 2) for p in parts]).contiguous()
