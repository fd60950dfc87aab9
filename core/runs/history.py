"""RunHistory: everything that a run has recorded, from its first frame to its last step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import Any, cast

from core.config import as_dict
from core.methods.step import Step
from core.runs.records import Change, Frame, Mark
from core.runtime.progress import Progress


@dataclass(eq=False)
class RunHistory:
    """Steps, frames, changes of settings and marks of one run, with what they cost.

    One thread writes at a time. Lists grow in place and are replaced when they shrink, so that other threads may read them.
    """

    steps: list[Step] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)  # in the order of their steps
    marks: list[Mark] = field(default_factory=list)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))  # by stage
    progress: dict[str, Progress] = field(default_factory=dict)  # by stage
    peak_memory_mb: dict[str, float] = field(default_factory=dict)  # by stage: of a GPU, else of the process
    overhead_s: float = 0.0  # spent on saving states
    stop: Mark | None = (
        None  # where a search said that these settings should stop; a mark once the run is there
    )

    # settings

    def config_at(self, step: int, latest: Any) -> Any:
        """Return the settings of step number ``step``; ``latest`` are those of a run without changes."""
        config = self.changes[0].before if self.changes else latest
        for change in self.changes:
            if change.after < step:
                config = change.now
        return config

    def change_config(self, before: Any, now: Any) -> None:
        """Note that ``now`` holds after the last step; it replaces an earlier change after the same step."""
        at = len(self.steps)
        before = self.config_at(at, before)
        earlier = [c for c in self.changes if c.after < at]
        self.changes = earlier if now == before else [*earlier, Change(at, before, now)]

    def changed_by(self, step: int) -> bool:
        """Return whether step number ``step`` or one before it was taken with other settings than the first, length aside."""
        first = self.changes[0].before if self.changes else None
        return any(without_length(c.now) != without_length(first) for c in self.changes if c.after < step)

    # growth

    def add_step(self, step: Step) -> None:
        """Add a step and the seconds that it took."""
        self.steps.append(step)
        self.seconds[step.stage] += step.seconds
        ends_there = self.stop is not None and step.number == step.total == self.stop.step
        if self.stop is not None and ends_there and not self.changed_by(step.number):
            self.add_mark(self.stop.step, self.stop.text)

    def add_mark(self, step: int, text: str) -> None:
        """Add a remark on ``step``, unless it is there."""
        mark = Mark(step, text)
        self.marks = [*(m for m in self.marks if m != mark), mark]

    def note_memory(self, stage: str, megabytes: float) -> None:
        """Note the peak memory during ``stage``."""
        self.peak_memory_mb[stage] = max(megabytes, self.peak_memory_mb.get(stage, 0.0))

    def seconds_except(self, stages: set[str]) -> float:
        """Return the seconds of all stages but ``stages``."""
        # a copy first: the page asks while the run enters its next stage in another thread
        return sum(s for stage, s in list(self.seconds.items()) if stage not in stages)

    # time travel

    def truncate(self, step: int) -> None:
        """Drop all that came after ``step``. A change made after ``step`` itself stays: it belongs to what follows."""
        for dropped in self.steps[step:]:
            self.seconds[dropped.stage] = max(0.0, self.seconds[dropped.stage] - dropped.seconds)
        self.changes = [c for c in self.changes if c.after <= step]
        self.marks = [m for m in self.marks if m.step <= step]
        self.steps = self.steps[:step]
        self.frames = [f for f in self.frames if f.step <= step]

    def copy(self) -> RunHistory:
        """Return a history of the same records that grows on its own."""
        return RunHistory(
            list(self.steps),
            list(self.frames),
            list(self.changes),
            list(self.marks),
            defaultdict(float, self.seconds),
            dict(self.progress),
            dict(self.peak_memory_mb),
            self.overhead_s,
            self.stop,
        )

    # plain values

    def to_dict(self) -> dict[str, Any]:
        """Return plain values of changes, marks, seconds and progress; steps and frames have files of their own."""
        return {
            "changes": [
                {"after": c.after, "before": config_dict(c.before), "now": config_dict(c.now)}
                for c in self.changes
            ],
            "marks": [asdict(m) for m in self.marks],
            "stop": None if self.stop is None else asdict(self.stop),
            "seconds": dict(self.seconds),
            "progress": [asdict(p) for p in list(self.progress.values())],
        }

    @classmethod
    def from_dict(
        cls,
        values: Mapping[str, Any],
        read_config: Callable[[Any], Any],
        *,
        steps: Sequence[Step] = (),
        frames: Sequence[Frame] = (),
    ) -> RunHistory:
        """Return the history of what ``to_dict`` gave; ``read_config`` makes settings of plain values.

        Raises KeyError or TypeError for values of another form, and what ``read_config`` raises.
        """
        progress = [Progress(**{**p, "curve": tuple(p["curve"])}) for p in values.get("progress", ())]
        return cls(
            list(steps),
            list(frames),
            [
                Change(int(c["after"]), read_config(c["before"]), read_config(c["now"]))
                for c in values["changes"]
            ],
            [Mark(**m) for m in values["marks"]],
            defaultdict(float, values["seconds"]),
            {p.stage: p for p in progress},
            stop=Mark(**values["stop"]) if values.get("stop") else None,
        )


def without_length(config: Any) -> Any:
    """Return settings with the number of steps taken out, so that runs of other lengths compare equal."""
    if not (is_dataclass(config) and hasattr(config, "steps")):
        return config
    return replace(cast("Any", config), steps=None)


def config_dict(config: Any) -> Any:
    """Return settings as plain values; None for settings that are no dataclass (a plug-in's)."""
    return as_dict(config) if is_dataclass(config) else None
