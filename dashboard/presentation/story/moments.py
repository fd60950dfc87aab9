"""The Lab's story in three moments: a model that knows, a model that forgets, and models that never saw."""

from __future__ import annotations

from dataclasses import dataclass

from core.data.split import Split
from core.experiments.session.experiment import Experiment
from core.runs.run import Phase

COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DIGITS = ("zeros", "ones", "twos", "threes", "fours", "fives", "sixes", "sevens", "eights", "nines")


@dataclass(frozen=True)
class Story:
    """The three moments, the present one, and what to do next."""

    titles: tuple[str, str, str]
    at: int  # the present moment, 0 to 2
    hint: str  # what to do next, in one sentence


def story(experiment: Experiment, wanted: int) -> Story:
    """Return the story of the Lab's run, with ``wanted`` retrained models; before the images are read its titles are general."""
    split = experiment.split
    if split is None:
        titles = (
            "A model knows its classes",
            "Make it forget some images",
            "Compare with models that never saw them",
        )
    else:
        titles = (f"This model knows {_known(split)}", f"Make it forget {_forgotten(split)}", _compare(split))
    at, hint = _next(experiment, wanted)
    return Story(titles, at, hint)


def _next(experiment: Experiment, wanted: int) -> tuple[int, str]:
    """Return the present moment and what to do next."""
    phase = experiment.phase
    if phase is None:
        return (
            0,
            "It is being prepared."
            if experiment.error is None
            else "It cannot be prepared; choose other data.",
        )
    if phase is Phase.READY:
        return 0, "Each dot is an image. Press Play."
    if phase is Phase.RUNNING:
        return 1, "Orange dots are the images to forget. Watch where they go."
    if phase is Phase.PAUSED:
        return 1, "Press Play to go on."
    if phase is not Phase.DONE:
        return 1, "The run failed; Reset starts it again."
    done = len(experiment.references)
    if done < wanted:
        return 2, f"{done} of {wanted} retrained models are ready."
    return 2, "Purple: where retrained models put these images. Now read the verdict."


def _known(split: Split) -> str:
    names = split.dataset.classes
    return f"{_count(len(names))} {'digits' if _are_digits(names) else 'classes'}"


def _forgotten(split: Split) -> str:
    """Return the images to forget in a few words."""
    names = split.dataset.classes
    if split.task == "class":
        labels = sorted(set(split.train.y[split.forget_rows].tolist()))
        if len(labels) > 2:
            return f"{_count(len(labels))} of them"
        kinds = [DIGITS[int(names[k])] if _are_digits(names) else f"“{names[k]}”" for k in labels]
        return f"the {' and '.join(kinds)}" if _are_digits(names) else f"class {' and '.join(kinds)}"
    if split.task == "noise":
        return "its wrong labels"
    return f"{len(split.forget_rows):,} images"


def _compare(split: Split) -> str:
    if split.task == "noise":
        return "Compare with models that never saw the wrong labels"
    labels = set(split.train.y[split.forget_rows].tolist())
    if split.task == "class":
        return f"Compare with models that never saw {'one' if len(labels) == 1 else 'any of them'}"
    return "Compare with models that never saw them"


def _are_digits(names: tuple[str, ...]) -> bool:
    return all(len(name) == 1 and name.isascii() and name.isdigit() for name in names)


def _count(n: int) -> str:
    return COUNTS[n] if n < len(COUNTS) else f"{n:,}"
