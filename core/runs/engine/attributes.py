"""RunAttributes: what a Run shows of its parts, by the name of the part that has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from core.methods.step import Step
from core.runs.checkpoints import Checkpoints
from core.runs.engine.frame_worker import FrameWorker
from core.runs.engine.keeper import Keeper
from core.runs.observer import Observer
from core.runs.records import Change, Frame, Mark, Phase
from core.runtime.delegation import Delegated
from core.runtime.progress import Progress


class RunAttributes:
    """The attributes of a Run that live in its control, its history and its engine."""

    phase: Delegated[Phase] = Delegated("control")
    error: Delegated[BaseException | None] = Delegated("control")
    steps: Delegated[list[Step]] = Delegated("history")
    frames: Delegated[list[Frame]] = Delegated("history")
    changes: Delegated[list[Change]] = Delegated("history")
    marks: Delegated[list[Mark]] = Delegated("history")
    seconds: Delegated[defaultdict[str, float]] = Delegated("history")  # by stage
    progress: Delegated[dict[str, Progress]] = Delegated("history")  # by stage
    peak_memory_mb: Delegated[dict[str, float]] = Delegated("history")  # by stage
    overhead_s: Delegated[float] = Delegated("history")
    observer: Delegated[Observer | None] = Delegated("engine")
    checkpoints: Delegated[Checkpoints | None] = Delegated("engine")  # None: the run cannot be rewound
    watching: Delegated[FrameWorker | None] = Delegated("engine")  # None: frames are made between the steps
    recorder: Delegated[Keeper[Any] | None] = Delegated("engine")
    # called after each slice, in the thread that did it
    on_progress: Delegated[Callable[[Progress], object] | None] = Delegated("engine")
