"""What a tab has picked, and what its browser is sent of it, in the format of docs/wire.md; pure, no screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from core.data.forget_selection import OPERATIONS, Ids, Selection, SelectionHistory
from core.data.images import Dataset
from core.evaluation.forget_suggestions import ImageFacts
from dashboard.presentation.wire.packet import pack, unpack
from dashboard.presentation.wire.scene import sprites

PAGE = 600  # thumbnails sent at a time


class SelectionState:
    """A History, and which moves of the browser it holds already."""

    def __init__(self) -> None:
        self.history = SelectionHistory()
        self.operation = "replace"  # what a move does unless it says otherwise
        self.revision = 0  # rises with every change
        self._nonce = 0.0  # of the last move taken
        self._acted = 0.0  # of the last button taken

    @property
    def now(self) -> Selection:
        return self.history.now

    def take(self, value: Mapping[str, Any], known: Ids) -> str | None:
        """Make the moves of a trigger that were not made yet; of ids that are not ``known`` nothing is kept.

        Returns what was asked for beside them, once: "forget", "add" or None.
        """
        for move in value.get("moves") or ():
            if move["nonce"] > self._nonce and move["operation"] in OPERATIONS:
                self._nonce = move["nonce"]
                ids = np.asarray(move["ids"], np.int64)
                self.do(move["operation"], ids[np.isin(ids, known)])
        if value.get("act") is None or value["nonce"] <= self._acted:
            return None
        self._acted = value["nonce"]
        return str(value["act"])

    def do(self, operation: str, ids: Iterable[int]) -> None:
        """One step that can be undone."""
        self._set(self.history.do(operation, ids))

    def undo(self) -> None:
        self._set(self.history.undo())

    def redo(self) -> None:
        self._set(self.history.redo())

    def choose(self, operation: str) -> None:
        """What a lasso does from now on."""
        self.operation = operation
        self.revision += 1

    def _set(self, history: SelectionHistory) -> None:
        self.history = history
        self.revision += 1

    def packet(self, run: str, shown: Ids, *, tell_operation: bool) -> bytes:
        """What is picked of the ids that the page ``shown``, and how many are picked in all."""
        header = {
            "kind": "picks",
            "run": run,
            "rev": self.revision,
            "nonce": self._nonce,
            "total": len(self.now),
            "operation": self.operation if tell_operation else None,
        }
        ids = np.unique(shown[self.now.mask(shown)]) if len(shown) else np.zeros(0, np.int64)
        return pack(header, {"ids": ids.astype(np.int32)})


def pick_run(token: str) -> str:
    """The name of the browser's store for the page Forget set: its picture has settings of its own."""
    return f"{token}-pick"


def pick_scene(scene: bytes) -> bytes:
    """The Lab's ``scene`` as a map to pick from: the original model's, on which nothing is forgotten."""
    header, arrays = unpack(scene)
    header = {k: v for k, v in header.items() if k != "arrays"}
    header |= {"run": pick_run(header["run"]), "stage": "pick", "forget": ""}
    if header["n"]:
        arrays["forget"] = np.zeros_like(arrays["forget"])
    return pack(header, arrays)


def gallery_page(dataset: Dataset, facts: ImageFacts | None, rows: Ids, page: int, run: str) -> bytes:
    """Thumbnails ``page`` (from 0) of ``rows`` of the training images, and what the original says of each."""
    shown = rows[page * PAGE : (page + 1) * PAGE]
    header: dict[str, Any] = {
        "kind": "gallery",
        "run": run,
        "classes": list(dataset.classes),
        "number": page,
        "first": page * PAGE,
        "n": len(shown),
        "n_all": len(rows),
        "facts": facts is not None,
    }
    if not len(shown):
        return pack(header, {})
    images = dataset.train.take(torch.from_numpy(shown))
    sheet, header["sprite"] = sprites(images.unlabelled())
    arrays = {
        "ids": images.ids.cpu().numpy().astype(np.int32),
        "label": images.y.cpu().numpy().astype(np.uint8),
        "sprite": np.frombuffer(sheet, np.uint8),
    }
    if facts is not None:
        arrays |= {
            "prediction": facts.predictions[shown].astype(np.uint8),
            "confidence": facts.confidences[shown].astype(np.float32),
            "loss": facts.losses[shown].astype(np.float32),
        }
    return pack(header, arrays)
