"""RunWidget: a run in a notebook, played live or again, with the Lab's map, timeline and read-outs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from core.errors import LabError
from core.methods.step import Step
from core.models.base import Net
from core.runs.engine.keeper import Keeper
from core.runs.records import Frame
from core.runs.run import Run
from core.runs.storage import KeptRun
from core.runtime.progress import Progress
from dashboard.presentation.progress_bars import StageBars
from dashboard.presentation.widget.bundle import script
from dashboard.presentation.widget.shown_run import ShownRun
from dashboard.presentation.wire.near import near
from dashboard.presentation.wire.outbox import Outbox
from dashboard.presentation.wire.scene import scene

LEAST_S = 0.2  # between two messages that bring no frame
HEIGHT = 640  # px of the map
MOST = 10**6  # frames in a packet of all that there is


class RunWidget(anywidget.AnyWidget):
    """A run with its map, timeline, read-outs and curves, in Jupyter, VS Code and other programs that show anywidgets.

    It follows a run that has not begun while the notebook takes its steps, and replays one that is done. ``held`` has all frames so
    far, each time their number has doubled and at the end: a view that opens late, or in a saved notebook, needs no kernel.
    """

    _esm = script()
    scene = traitlets.Bytes(help="the map and its images (docs/wire.md, Scene)").tag(sync=True)
    held = traitlets.Bytes(help="all frames so far in one packet (docs/wire.md, Feed)").tag(sync=True)
    height = traitlets.Int(HEIGHT, min=300, help="of the map, in px").tag(sync=True)

    def __init__(
        self,
        run: Run | KeptRun | str,
        *,
        references: int | Sequence[Net] = 1,
        height: int = HEIGHT,
        progress: bool = True,
    ) -> None:
        """Show ``run``: a Run before its first step or with frames, or a kept run or its id, as `laf runs list` prints it.

        references: retrained models to compare with, or how many to retrain; a KeptRun brings those that are in the cache.
        height: of the map, in px. progress: show a bar while models are retrained.
        Raises RequestError for a run that has begun without frames, LabError where images or models of a KeptRun are not there.
        """
        bars = StageBars({"retrain": "retraining"}, on=progress)
        try:
            self.shown = ShownRun.of(run, references, bars)
        finally:
            bars.close()
        self._token = secrets.token_hex(12)
        self._news = Outbox()
        self._sent_s = 0.0
        self._held_frames, self._is_held_over = 0, False
        super().__init__(
            scene=scene(self.shown, self._token, watch=True), held=self._everything(), height=height
        )
        self.on_msg(self._hear)
        self._follow(self.shown.run)

    @property
    def run(self) -> Run:
        """The run that is shown; of a KeptRun, a copy that changes no file."""
        return self.shown.run

    def update(self, *, at_once: bool = True) -> None:
        """Send what is new of the run to all views; not ``at_once``: only frames, or after a while."""
        frames = len(self.run.frames)
        if not at_once and not self._news.is_behind(self.shown) and time.monotonic() - self._sent_s < LEAST_S:
            return
        self._sent_s = time.monotonic()
        if frames >= 2 * self._held_frames or self.run.phase.over != self._is_held_over:
            self.held = self._everything()
        while True:
            self.send({"kind": "packet"}, buffers=[self._news.packet(self.shown, self._token)])
            if not self._news.is_behind(self.shown):
                return

    def _everything(self) -> bytes:
        self._held_frames, self._is_held_over = len(self.run.frames), self.run.phase.over
        everything = Outbox(window=MOST, readings=self._news.readings)
        return everything.packet(self.shown, self._token)

    def _begin_life(self) -> None:
        """Let the views drop the frames that the run has dropped."""
        self.shown.life += 1
        self.shown.kept_frames = self._held_frames = len(self.run.frames)

    def _hear(self, _: Any, content: Any, buffers: Any) -> None:
        """Answer a view: send again what it lacks, or the neighbours of its pinned image."""
        if content.get("lack"):
            self._news.heard(content["lack"])
            self.update()
        elif content.get("near"):
            asked = content["near"]
            question = {"id": int(asked["id"]), "seq": int(asked["seq"]), "life": int(asked["life"])}
            self.send({"near": near(self.shown, question)})

    def _follow(self, run: Run) -> None:
        """Send each new frame of ``run``, whichever loop takes its steps."""
        before = run.on_progress

        def told(progress: Progress) -> None:
            if before is not None:
                before(progress)
            self.update(at_once=False)

        run.on_progress = told
        run.recorder = _Teller(self, run.recorder)


class _Teller:
    """The Keeper of a run that is shown: it passes everything on to the run's own Keeper, and tells the widget."""

    def __init__(self, widget: RunWidget, keeper: Keeper[Any] | None) -> None:
        self._widget = widget
        self._keeper = keeper

    def begin(self, run: Any) -> None:
        if self._keeper is not None:
            self._keeper.begin(run)

    def step(self, step: Step) -> None:
        if self._keeper is not None:
            self._keeper.step(step)

    def frame(self, frame: Frame) -> Frame:
        return frame if self._keeper is None else self._keeper.frame(frame)

    def note(self, run: Any) -> None:
        if self._keeper is not None:
            self._keeper.note(run)
        self._widget.update()

    def lose(self, error: LabError) -> None:
        if self._keeper is None:
            raise error
        self._keeper.lose(error)

    def cut(self, run: Any) -> None:
        if self._keeper is not None:
            self._keeper.cut(run)
        self._widget._begin_life()


__all__ = ["RunWidget"]
