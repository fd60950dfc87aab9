"""Homes for purge tests: kept data of every kind, and searches for traces of images and names."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import torch

from core.config import EvalConfig, replace
from core.data import load
from core.data.uploads import store
from core.methods import LAF
from core.models.base import outputs
from core.projection.projection import Projection
from core.runs import original_models, reference_models
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import record
from core.runs.storage.frame_store import read_frame
from core.runs.unlearned_models import unlearned_model
from core.runtime.packing import rounded_rows
from core.runtime.progress import run_to_end
from tests import toys

FEW = replace(
    toys.QUICK, epochs=1
)  # steps: each leaves a frame, and what is left is searched for every image


def contents(root: Path) -> dict[str, bytes]:
    """Return every file under ``root``, every member of each zip and npz, and the arrays packed in frames."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file():
            data = found[str(path.relative_to(root))] = path.read_bytes()
            if zipfile.is_zipfile(io.BytesIO(data)):
                with zipfile.ZipFile(io.BytesIO(data)) as archive:
                    found |= {f"{path.name}/{name}": archive.read(name) for name in archive.namelist()}
            if path.parent.name == "frames":
                found[f"{path.relative_to(root)}/unpacked"] = b"".join(
                    a.tobytes() for a in read_frame(path)[1].values()
                )
    return found


def traces(root: Path, needles: list[bytes]) -> list[str]:
    return [name for name, data in contents(root).items() if any(n in data for n in needles)]


def lay(brought: str, ids: tuple[int, ...]):
    """Fill the home with models, maps and a run of this dataset; return split, original and observer."""
    setup = Setup(dataset=brought, task="indices", classes=(), ids=ids)
    split = setup.split(load(brought))
    model = run_to_end(original_models.original(split, LAF(FEW)))
    run_to_end(reference_models.retraining(split, model))
    run_to_end(unlearned_model(split, model, LAF(FEW)))
    return split, model, _record_run(setup, split, model)


def lay_run(setup: Setup, data) -> None:
    """Record a finished run with frames and states."""
    split = setup.split(data)
    _record_run(setup, split, run_to_end(original_models.original(split, LAF(FEW))))


def _record_run(setup: Setup, split, model) -> Observer:
    observer = Observer(split, model, EvalConfig(frames=1000))
    observer.projection = Projection.fit(observer.original.train.representations, seed=0, umap=toys.Flat())
    run = Run(LAF(FEW), model, split, observer=observer, checkpoints=Checkpoints(every=3))
    record(run, setup)
    finish(run)
    run.recorder.close()
    return observer


def needles_of(split, model, rows) -> list[bytes]:
    """Return bytes that give images away: pixels, floats, and representations in each kept precision."""
    images = split.train.take(rows)
    said = outputs(model, images).representations.numpy()
    return [
        *(x.numpy().tobytes() for x in images.x),
        *(x.numpy().tobytes() for x in images.floats(slice(None))),
        *(r.tobytes() for r in said),
        *(r.astype(np.float16).tobytes() for r in said),
        *(r.tobytes() for r in rounded_rows(said)),
    ]


def purge_elsewhere(brought: str, ids: list[int], path: Path) -> None:
    """Purge in another process, as a user does in a terminal beside a running Lab."""
    path.write_text("\n".join(map(str, ids)))
    done = subprocess.run(
        [sys.executable, "-m", "dashboard.cli", "purge", "--dataset", brought, "--ids", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


SUBJECT = "Zoë Marlowe"


NAMED = [b"marlowe", "zoë".encode(), b"zo\\u00eb"]  # in small letters, in UTF-8 and as json escapes it


def bring(x: np.ndarray, y: np.ndarray, title: str, csv: list[str] | None = None) -> str:
    """Upload images x (N, H, W) or (N, H, W, 3) without a test set; return the key."""
    file = io.BytesIO()
    np.savez_compressed(file, x=x, y=y)
    table = None if csv is None else "\n".join(["id,subject", *csv]).encode()
    return store.keep(store.inspect(file.getvalue(), name=f"{title}.npz", subjects=table))


def pictures(seed: int, per_class: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Return different images (N, 8, 8) of three patterns under noise, with their classes (N,)."""
    draw = np.random.default_rng(seed)
    y = np.arange(3).repeat(per_class)
    x = draw.integers(0, 200, (3, 8, 8))[y] + draw.integers(0, 56, (len(y), 8, 8))
    return x.astype(np.uint8), y


def packed(data: bytes) -> list[bytes]:
    """Return ``data`` and all that zip, zlib or gzip packed anywhere in it."""
    found = [data]
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    view = memoryview(data)  # no copy of the rest for each place that looks like a beginning
    for found_at in re.finditer(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08", data):
        start = found_at.start()
        try:
            zlib.decompressobj(47).decompress(view[start : start + 200])  # cheap where it is none
            out = zlib.decompressobj(47).decompress(view[start:])
        except zlib.error:
            continue
        if len(out) >= 32:
            found.append(out)
    return found


def is_named(data: bytes) -> bool:
    small = data.lower()
    return any(n in small for n in NAMED)


def givers(root: Path, needles: list[bytes]) -> set[str]:
    """Return the files under ``root`` whose name, bytes or packed contents have a needle or SUBJECT."""
    found, needles = set(), list(dict.fromkeys(needles))
    for path in root.rglob("*"):
        shown = str(path.relative_to(root))
        if is_named(shown.encode()):
            found.add(shown)
        if path.is_file() and any(
            is_named(data) or any(n in data for n in needles) for data in packed(path.read_bytes())
        ):
            found.add(shown)
    return found


def pixels_of(data, ids: set[int]) -> list[bytes]:
    """Return bytes of images as kept and as a network reads them."""
    found = []
    for part in (data.train, data.test):
        rows = torch.tensor([i in ids for i in part.ids.tolist()])
        if rows.any():
            images = part.take(rows)
            found += [x.numpy().tobytes() for x in images.x]
            found += [x.numpy().tobytes() for x in images.floats(slice(None))]
    return found


def lists_of_ids(value) -> list[tuple[str, list[int]]]:
    """Return (dataset, ids) of all settings and lists in a JSON value."""
    if isinstance(value, list):
        return [found for v in value for found in lists_of_ids(v)]
    if not isinstance(value, dict):
        return []
    here = [(str(value["dataset"]), value["ids"])] if {"dataset", "ids"} <= value.keys() else []
    return here + [found for v in value.values() for found in lists_of_ids(v)]
