"""The English of the page Studies."""

from __future__ import annotations

from collections.abc import Sequence

NEW = "＋ a study of my own"
CHOOSE = "Choose what the study varies. Everything else keeps its preset."
STUDY_HELP = "Built-in studies, and those that were started here"
CANCEL_HELP = "Stop. Finished runs stay, and you can resume later"
OTHER_BROWSER = "Another browser runs this study."
STUDY_FAILED = "The study failed."
MEASURE_FIRST = "measure the time before you start"
MEASURING = "measuring a few steps on every core…"
OTHER_PROCESS = "Another process runs this study."
MEASURE_HELP = "Runs a few steps of each kind of run, on all cores at once"
MEASURE = "Measure time"
RESUME = "Resume"
INTRO = """
A study makes many runs and varies settings, methods, data or seeds. This page then draws the results as lines, as a heat map or as
accuracy against cost, with the spread over seeds. A click on a point opens its run in the Lab.
"""
COMPLETE = "complete"
AS_FILE = "The study as a file"
BUILT_IN = "**Built-in studies**"
EXPORT_HELP = "Download all rows as a file"
TOML = "The study, TOML"
SHARED_HELP = "Every browser that reaches this Lab can see the results. Other browsers run a copy"
DELETE_HELP = "Deletes the study and all its rows for good"
FORM_FILE = "As a file"
FORM_FILE_HELP = "The same study, for `laf study run` in a terminal"
RETRAINED_HELP = "For each seed and request"
NAME_HELP = "Small letters, digits and dashes. The study is kept under this name"
FIELDS = "Fields to vary"
FIELDS_HELP = "Two fields make a heat map. Everything else keeps its preset"
VALUES_HELP = "Separate values by commas"
MODELS_FIRST = "The original and retrained models come first. Runs appear here when they are done."
LINES = "Lines"
PICTURE = "Picture"
FIGURE = "Figure"
ACROSS = "Across"
UP = "Up"
A_LINE_EACH = "A line for each"
LOWER_IS_BETTER = "Lower is better: closer to retraining, or cheaper."
NEITHER_IS_BETTER = "Neither high nor low is better: the best value is that of retrained models."
CLICK = "Click a point to open its run in the Lab."
RUN_IS_GONE = "The study no longer has this run."
SEVERAL_REQUESTS = (
    "This run forgets several requests one after another. The Lab shows runs of a single request."
)
CHOOSE_A_FIELD = "choose at least one field to vary"
THIS_STUDY = "this study"
FROM_TERMINAL = " · from a terminal"
IS_SHARED = " · shared"


def estimate(time: str, cores: int, models: int) -> str:
    """Return how long the study takes."""
    return f"about <b>{time}</b> on {cores} cores, with {models:,} models to retrain"


def preset_is(value: object) -> str:
    """Return the preset's value, and how to vary it."""
    return f"; x0.5 is half of the preset. The preset is {value}"


def values_of(field: str) -> str:
    """Return the label of a field's values."""
    return f"{field}, values"


def means(seeds: str) -> str:
    """Say over which seeds the means are."""
    return f"Means ± standard deviation over seeds {seeds}."


def of_seed(seed: str) -> str:
    """Say of which seed the figures are."""
    return f"Seed {seed}."


def some_failed(number: int, first: str) -> str:
    """Say how many runs failed, and why the first did."""
    return f"{number:,} failed, the first: {first}."


def best(measure: str, seeds: str, setting: str) -> str:
    """Return the best setting, and how it was chosen."""
    return f"Best setting by {measure} on seeds {seeds}, chosen with labels and retrained models: {setting}."


def gap(percent: float) -> str:
    """Return the average gap of a run."""
    return f"average gap {percent:.1f} %"


def open_seed(seed: int) -> str:
    """Return the label of the button that opens a run in the Lab."""
    return f"Seed {seed} in the Lab"


def runs(number: int) -> str:
    """Return the number of a study's runs."""
    return f"{number:,} runs"


def progress(done: int, failed: int, left: int) -> str:
    """Return how many runs are done, failed and left."""
    parts = [
        f"{done:,} done",
        *([f"{failed:,} failed"] if failed else []),
        *([f"{left:,} left"] if left else []),
    ]
    return f" · {', '.join(parts)}"


def now(work: str | None, finished: int, wanted: int) -> str:
    """Return what a study is doing, and how far it is."""
    return f"{work or 'starting'}: {finished:,} of {wanted:,}"


def explained(name: str, size: int, variants: int, values: Sequence[int], seeds: int) -> str:
    """Say how large a study is, and how it is run."""
    grid = " × ".join(map(str, values)) or "1"
    parts = [f"{variants} variants"] if variants > 1 else []
    parts += [_counted(grid, "setting"), _counted(str(seeds), "seed")]
    return f"""
- **{runs(size)}**: {" × ".join(parts)}. Each is compared with models
  retrained from scratch. Runs share original and retrained models.
- *Measure time* runs a few steps on every core and estimates the time of the whole study. Nothing is saved before *Start*.
- Every result is saved at once. If you close the page, cancel or lose power, finished runs are not repeated.
- From a terminal: `laf study run {name}`. On a cluster: `--backend dask --scheduler tcp://…`.
"""


def chosen(title: str) -> str:
    """Say that a study was chosen, and where the page tells about it."""
    return f"Chosen: {title}. Its question and size are at the top of this page."


def _counted(number: str, what: str) -> str:
    """Return how many of ``what`` there are, such as "1 seed" or "3 × 2 settings"."""
    return f"{number} {what}{'s' * (number != '1')}"


def named(name: str) -> str:
    """Return a study by name, as the subject of a sentence."""
    return f"the study {name}"


def is_running(name: str) -> str:
    """Say that a study is running."""
    return f"the study {name} is running already"


def no_values(field: str) -> str:
    """Say that a field has no values, and how to write them."""
    return f"{field} has no values; separate values by commas, such as 0.5, 1, 2 or x0.5, x1, x2"


def other_training(net: str) -> str:
    """Say that the Lab cannot train as the study did."""
    return f"This run used the net {net} with the study's training. The Lab trains in its own way."
