"""The gallery of the site: a dozen runs on digits that each teach something, played here and exported as pages."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.data.registry import load
from core.errors import LabError
from core.experiments.session.experiment import Experiment
from core.projection.projection import UmapBackend
from core.runs.records import Phase
from core.runs.reference_models import usual_count
from core.runs.setup import Setup
from core.runs.storage import KeptRun, read_run
from core.runs.storage.recorder import Recorder
from core.runtime.scheduler import Scheduler

OWNER = "site"  # in place of a browser's token
POLL_S = 0.05
MOST_S = 600.0  # of one run


@dataclass(frozen=True)
class Example:
    """A run of the gallery: its setup, the fields of the config that differ from the preset, and what to look at."""

    name: str  # of its file
    title: str
    teaches: str
    setup: Setup = field(default_factory=Setup)
    settings: Mapping[str, Any] = field(default_factory=dict)


EXAMPLES = (
    Example(
        "forget-the-zeros",
        "LAF forgets the zeros",
        "The zeros leave their place and land among other digits, while the rest of the map stays.",
    ),
    Example(
        "retrain",
        "The gold standard: train again without the zeros",
        "A model that never saw a zero. Every other run here is measured by how close it comes to this one.",
        Setup(method="retrain"),
    ),
    Example(
        "too-gentle",
        "Temperature 100: nothing is forgotten",
        "Divided by 100, the push of the second loss is nearly constant. The model still knows the zeros.",
        settings={"temperature": 100.0},
    ),
    Example(
        "too-hard",
        "Temperature 0.5: the model breaks",
        "The push outweighs everything else. The zeros are gone, and so is the rest: low accuracy is not forgetting.",
        settings={"temperature": 0.5},
    ),
    Example(
        "extractor-unlearning-alone",
        "The first loss alone",
        "Without the loss that protects them, remaining images move, too.",
        settings={"losses": "ue"},
    ),
    Example(
        "alignment-alone",
        "The second loss alone",
        "On digits, alignment alone forgets a class. Compare it with the run on noisy labels.",
        settings={"losses": "ra"},
    ),
    Example(
        "two-classes",
        "Two classes at once",
        "Zeros and ones are forgotten together. Watch where each of them goes.",
        Setup(classes=(0, 1)),
    ),
    Example(
        "noisy-labels",
        "Wrong labels are undone",
        "Most labels of some classes were wrong in training. LAF reads no label, and most true answers come back.",
        Setup(task="noise", classes=(0, 1, 2, 3, 4)),
    ),
    Example(
        "random-images",
        "When there is little to forget",
        "40 % of some classes' images are to be forgotten. A retrained model recognises them all the same.",
        Setup(task="data", classes=(5, 6, 7, 8, 9)),
    ),
    Example(
        "fine-tuning",
        "A simple method: train on with the rest",
        "Fine-tuning on the remaining images forgets slowly, or not at all.",
        Setup(method="finetune"),
    ),
    Example(
        "gradient-ascent",
        "A simple method: gradient ascent",
        "The model is trained to be wrong on the zeros. See what this does to its neighbours.",
        Setup(method="neggrad"),
    ),
    Example(
        "random-labels",
        "A simple method: random labels",
        "The zeros get random labels. A retrained model answers by likeness, not at random.",
        Setup(method="random-label"),
    ),
)


def play(example: Example, umap: UmapBackend, runner: Scheduler, maps: Scheduler) -> KeptRun:
    """Play the run to its end, with all retrained models, and keep it. Raises LabError if it fails."""
    setup = example.setup
    split = setup.split(load(setup.dataset))
    usual = setup.config(split)
    config = replace(usual, **example.settings) if example.settings else None
    e = Experiment(setup, runner, umap, config, map_runner=maps, token=OWNER)
    try:
        e.start()
        end = time.monotonic() + MOST_S
        while True:
            problem = e.error or e.retrain_error or (e.run.error if e.run is not None else None)
            if problem is not None:
                raise LabError(f"{example.title}: {problem}")
            if e.run is not None and e.phase is Phase.READY:
                e.play()
            recorder = e.run.recorder if e.run is not None and e.phase is Phase.DONE else None
            is_compared = len(e.references) >= usual_count(setup.dataset)
            # the model is written last: before that, other files of the run are still on their way
            if is_compared and isinstance(recorder, Recorder) and recorder.folder.model.exists():
                return read_run(recorder.id)
            if time.monotonic() > end:
                raise LabError(f"{example.title} took more than {MOST_S:.0f} s")
            time.sleep(POLL_S)
    finally:
        e.close()
