"""The selection of a browser tab, and its packets in the format of docs/wire.md."""

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

PAGE = 600  # thumbnails in a packet


class SelectionState:
    """A selection history that knows which of the browser's moves it contains."""

    def __init__(self) -> None:
        self.history = SelectionHistory()
        self.operation = "replace"  # default operation of a move
        self.revision = 0  # rises with every change
        self._begun = Selection()  # the selection that the user began with
        self._nonce = 0.0  # of the last applied move
        self._acted = 0.0  # nonce of the last button press

    @property
    def now(self) -> Selection:
        """The selection after all applied moves."""
        return self.history.now

    def take(self, value: Mapping[str, Any], known: Ids) -> str | None:
        """Apply the moves of a trigger that were not applied yet; ids that are not ``known`` are dropped.

        Return the action that came with them, once: "forget", "add" or None.
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
        """Apply one operation that can be undone."""
        self._set(self.history.do(operation, ids))

    def begin_with(self, ids: Iterable[int]) -> None:
        """Set the selection that the user begins with. It is no step to undo, and replaces nothing that the user picked."""
        wanted = Selection(ids)
        untouched = self.history == SelectionHistory(self._begun)
        if untouched and wanted != self._begun:
            self._begun = wanted
            self._set(SelectionHistory(wanted))

    def undo(self) -> None:
        """Take back the last operation, if there is one."""
        self._set(self.history.undo())

    def redo(self) -> None:
        """Repeat the operation that was taken back last, if there is one."""
        self._set(self.history.redo())

    def choose(self, operation: str) -> None:
        """Set the default operation of later moves."""
        self.operation = operation
        self.revision += 1

    def _set(self, history: SelectionHistory) -> None:
        self.history = history
        self.revision += 1

    def packet(self, run: str, shown: Ids, *, tell_operation: bool) -> bytes:
        """Return the picked ids among those ``shown``, and the number of all picked ids."""
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
    """Return the name of the browser's store for the page Forget set, whose map has its own settings."""
    return f"{token}-pick"


def pick_scene(scene: bytes) -> bytes:
    """Return the Lab's ``scene`` as a map to pick from: that of the original model, with nothing forgotten."""
    header, arrays = unpack(scene)
    header = {k: v for k, v in header.items() if k != "arrays"}
    header |= {"run": pick_run(header["run"]), "stage": "pick", "forget": ""}
    if header["n"]:
        arrays["forget"] = np.zeros_like(arrays["forget"])
    return pack(header, arrays)


def gallery_page(dataset: Dataset, facts: ImageFacts | None, rows: Ids, page: int, run: str) -> bytes:
    """Return page ``page`` (from 0) of the training images ``rows``, with the original model's answers."""
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
