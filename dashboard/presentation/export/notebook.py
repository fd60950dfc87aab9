"""``watch`` runs a method from a notebook and shows it as one animation, without server or network."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.config import EvalConfig
from core.data.registry import load
from core.data.split import Split
from core.errors import RequestError
from core.evaluation.metrics import Reading
from core.methods import method, require_unlearner
from core.models.base import Net
from core.projection.projection import Projection
from core.runs.observer import Observer
from core.runs.original_models import original
from core.runs.records import Frame
from core.runs.reference_models import references
from core.runs.run import Run, finish
from core.runs.setup import Setup, usual_classes
from core.runtime.device import pick_device
from core.runtime.progress import run_to_end
from dashboard.presentation.charts.plotly_import import go, make_subplots
from dashboard.presentation.progress_bars import StageBars

COLOURS = {"remain": "#1767c4", "forget": "#bb4a04", "test": "#5d6a86"}
CURVES = {"train_r": "remaining images", "train_f": "forgotten images", "test": "test images"}
_COLOUR_OF = {"train_r": "remain", "train_f": "forget", "test": "test"}
STAGES = {"train": "original", "retrain": "retraining", "unlearn": "unlearning"}


@dataclass(frozen=True, eq=False)
class Watched:
    """A finished run with the readings of retrained models; a notebook shows it as an animation."""

    run: Run
    split: Split
    original: Net
    retrained: tuple[Reading, ...]

    @cached_property
    def figure(self) -> go.Figure:
        """The map and the accuracies as an animation with one frame for each Frame of the run."""
        return _figure(self)

    def html(self, *, full: bool = False) -> str:
        """Return the animation as self-contained HTML; ``full`` makes it a complete page."""
        text: str = self.figure.to_html(
            include_plotlyjs=True, full_html=full, auto_play=False, config={"displaylogo": False}
        )
        return text

    def _repr_html_(self) -> str:
        return self.html()


def watch(
    unlearner: Any,
    *,
    dataset: str = "digits",
    task: str = "class",
    classes: Sequence[int | str] | None = None,
    fraction: float | None = None,
    ids: Sequence[int] = (),
    seed: int = 0,
    frames: int = 60,
    retrained: int = 1,
    device: str = "auto",
    data_dir: str | None = None,
    progress: bool = True,
) -> Watched:
    """Run ``unlearner`` to its end: an object or class that follows the Unlearner protocol, or a method's name.

    The original model is trained, or taken from the cache. ``retrained`` models are retrained for the lines in the figure.
    Raises RequestError for an unknown method or a wrong request, and whatever the method raises.
    """
    made = _instance(unlearner)
    data = load(dataset, data_dir=data_dir)
    chosen = usual_classes(task, len(data.classes)) if classes is None else tuple(classes)
    setup = Setup(data.name, task, chosen, fraction, seed, data_dir, device, tuple(ids))
    split, show = setup.split(data), StageBars(STAGES, on=progress)
    try:
        model = run_to_end(original(split, made, seed=seed, device=str(pick_device(device))), show)
        observer = Observer(split, model, EvalConfig(frames=frames), seed=seed)
        observer.projection = Projection.fit(observer.original.train.representations, seed=seed)
        run = Run(made, model, split, seed=seed, observer=observer)
        run.on_progress = show
        finish(run)
        again = references(split, model, count=retrained, seed=seed, progress=show)
        readings = tuple(observer.evaluator.measure(r.model).reading for r in again)
    finally:
        show.close()
    return Watched(run, split, model, readings)


def _instance(unlearner: Any) -> Any:
    """Return an unlearner object. Raises RequestError for anything else."""
    if isinstance(unlearner, str):
        return method(unlearner)
    require_unlearner(unlearner)
    if not inspect.isclass(unlearner):
        return unlearner
    try:
        return unlearner()
    except TypeError as error:
        raise RequestError(
            f"{unlearner.__name__} cannot be created without arguments ({error}); pass an object of it"
        ) from error


def _figure(watched: Watched) -> go.Figure:
    frames, is_forget = watched.run.frames, _is_forget(watched)
    figure = make_subplots(cols=2, column_widths=[0.6, 0.4], horizontal_spacing=0.08)
    ids = watched.split.train.ids[watched.run.observer.rows].numpy()  # type: ignore[union-attr]
    for trace, name, rows in zip(
        _map(frames[0], is_forget), ("remain", "forget"), (~is_forget, is_forget), strict=True
    ):
        trace.update(
            name=name,
            mode="markers",
            customdata=ids[rows],
            hovertemplate="image %{customdata}<extra></extra>",
        )
        trace.update(marker={"size": 5, "color": COLOURS[name], "opacity": 0.7})
        figure.add_trace(trace, row=1, col=1)
    for trace, key in zip(_curves(frames[:1]), CURVES, strict=True):
        colour = COLOURS[_COLOUR_OF[key]]
        trace.update(name=CURVES[key], mode="lines", line={"color": colour, "width": 2})
        figure.add_trace(trace, row=1, col=2)
        for reading in watched.retrained:
            at = 100 * getattr(reading, key)
            figure.add_hline(at, row=1, col=2, line={"color": colour, "width": 1, "dash": "dot"})
    figure.frames = [
        go.Frame(
            name=str(f.number), data=[*_map(f, is_forget), *_curves(frames[: k + 1])], traces=list(range(5))
        )
        for k, f in enumerate(frames)
    ]
    return _dressed(figure, watched)


def _is_forget(watched: Watched) -> np.ndarray:
    observer = watched.run.observer
    assert observer is not None
    return observer.evaluator.is_forget.numpy()


def _map(frame: Frame, is_forget: np.ndarray) -> list[go.Scatter]:
    """Return the positions of remaining and of forgotten images."""
    assert frame.positions is not None
    at = frame.positions
    return [go.Scatter(x=at[rows, 0], y=at[rows, 1]) for rows in (~is_forget, is_forget)]


def _curves(frames: Sequence[Frame]) -> list[go.Scatter]:
    """Return the accuracies so far, in percent."""
    steps = [f.step for f in frames]
    return [go.Scatter(x=steps, y=[100 * getattr(f.reading, key) for f in frames]) for key in CURVES]


def _dressed(figure: go.Figure, watched: Watched) -> go.Figure:
    """Add fixed axes, buttons, a slider and a title to the figure."""
    frames, split = watched.run.frames, watched.split
    positions = np.concatenate([f.positions for f in frames if f.positions is not None])
    (low_x, low_y), (high_x, high_y) = positions.min(0), positions.max(0)
    pad = 0.05 * max(high_x - low_x, high_y - low_y, 1e-6)
    figure.update_xaxes(row=1, col=1, visible=False, range=[low_x - pad, high_x + pad])
    figure.update_yaxes(row=1, col=1, visible=False, range=[low_y - pad, high_y + pad], scaleanchor="x")
    figure.update_xaxes(row=1, col=2, title="step", range=[0, max(1, frames[-1].step)])
    figure.update_yaxes(row=1, col=2, title="accuracy, % (dotted: retrained)", range=[-2, 102])
    still = {"mode": "immediate", "frame": {"duration": 0, "redraw": False}, "transition": {"duration": 0}}
    playing = {
        "fromcurrent": True,
        "frame": {"duration": 120, "redraw": False},
        "transition": {"duration": 100},
    }
    steps = [{"label": str(f.step), "method": "animate", "args": [[str(f.number)], still]} for f in frames]
    figure.update_layout(
        title=f"{watched.run.unlearner.title}: forget {split.request.describe(split.dataset.classes)} of {split.dataset.title}",
        template="plotly_white",
        height=560,
        legend={"orientation": "h", "y": 1.08, "x": 0},
        updatemenus=[
            {
                "type": "buttons",
                "direction": "left",
                "x": 0,
                "y": -0.08,
                "buttons": [
                    {"label": "▶ Play", "method": "animate", "args": [None, playing]},
                    {"label": "❚❚ Pause", "method": "animate", "args": [[None], still]},
                ],
            }
        ],
        sliders=[
            {
                "active": 0,
                "x": 0.16,
                "len": 0.84,
                "y": -0.02,
                "currentvalue": {"prefix": "step "},
                "steps": steps,
            }
        ],
    )
    return figure


__all__ = ["Watched", "watch"]
