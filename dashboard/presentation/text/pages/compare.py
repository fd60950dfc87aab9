"""The English of the page Compare."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.presentation.text.pages.nouns import one

ACCURACY = "Accuracy"
ANSWERS = "Answers"
ATTACKS = "Attacks"
REPRESENTATIONS = "Representations"
HARM = "Harm to the rest"
COST = "Cost"
FIGURES = "Figures"
ALL = "All"
LEGEND = "**Green**: inside the 95 % band of retrained models for every seed. **▼**: doing nothing is closer to retraining. Click a method's name for details, or a heading to sort."
COMPARE_ALL = "Compare all methods, 3 seeds"
EXAMPLE_NOTE = "**Green**: inside the band of retrained models for every seed. *Do nothing* is a row like any other. If a method fails, its row says why, and the others go on. The methods' settings were tuned on other seeds, with labels and retrained models; LAF uses the Lab's preset."
FORGETS, DOES_NOT = "A good method", "A poor method"  # rows of the example
EXAMPLE_DETAIL = "**Where forgotten data go**, one of seven views of two methods. Here retrained models call a forgotten zero 5, 6 or 2. A method should do the same."
OTHER = "other methods or seeds"
IS_RUNNING = "A comparison is running. Cancel it first"
FORM_HELP = "Choose methods and seeds"
METHODS = "Methods"
RETRAINED_EACH = "Retrained models for each seed"
CANCEL_HELP = "Stop. Finished rows stay"
EXPORT_HELP = "Download the table as a file"
CSV = "CSV, all seeds"
MARKDOWN = "Markdown"
LATEX = "LaTeX"
MAPS = "Maps A | B"
CHANGES = "Before and now"
WHERE_THEY_GO = "Where forgotten data go"
CLASS_ACCURACY = "Class accuracy"
LAYERS = "Layers"
INFORMATION = "Information by layer"
RELEARNING = "Relearning"
DETAIL = "Detail"
SELECT = "Select on the Lab's map"
LAYING_OUT = "Laying out the original model's map…"
EVALUATING = "Evaluating models…"


def intro(what: str) -> str:
    """Say what the page answers."""
    return f"**Which method comes closest to retraining?** Every method forgets the Lab's request (**{what}**) over several seeds. Its figures stand beside those of models retrained from scratch. The closer to them, the better, in both directions."


def compare(count: str) -> str:
    """Return the label of the form."""
    return f"Compare **{count}**"


def of_seed(seed: int, caption: str) -> str:
    """Return the caption of a chart."""
    return f"Seed {seed}. {caption}"


def no_result(method: str, seed: int) -> str:
    """Say that a method has no result yet."""
    return f"{method} has no result on seed {seed} yet."


def changes_of(method: str, seed: int, caption: str) -> str:
    """Return the caption of a method's changes."""
    return f"{method}, seed {seed}. {caption}"


def cell(before: str, now: str, number: int, kind: str) -> str:
    """Return how many samples changed their answer so."""
    return f"**{before} → {now}**: {number:,} forgotten {one(kind) if number == 1 else kind}"


def now_called(before: str, now: str) -> str:
    """Return the description of the samples that changed their answer so."""
    return f"{before}, now {now}"


def maps_note(seed: int, kind: str) -> str:
    """Say how two maps are to be read."""
    return f"Seed {seed}. Both models are shown on the original model's map, placed by angle. Point at a dot to see the same {one(kind)} on both."


def methods_and_seeds(methods: int, seeds: Sequence[int]) -> str:
    """Return how many methods a comparison has, and its seeds."""
    word = "seed" if len(seeds) == 1 else "seeds"
    in_a_row = len(seeds) > 1 and seeds[-1] - seeds[0] == len(seeds) - 1
    return (
        f"{methods} methods · {word} {f'{seeds[0]}–{seeds[-1]}' if in_a_row else ', '.join(map(str, seeds))}"
    )


def captions(kind: str) -> dict[str, str]:
    """Return the caption of each view of two methods."""
    return {
        WHERE_THEY_GO: f"Share of the forgotten {kind} that each model calls each class. Whiskers: lowest and highest of the retrained models.",
        CLASS_ACCURACY: f"Accuracy on test {kind} by true class. Whiskers: lowest and highest of the retrained models.",
        LAYERS: f"Linear CKA on the forgotten {kind}, layer by layer: 1 is the same up to rotation and scale.",
        INFORMATION: f"AUC of a linear probe that tells forgotten from unseen {kind}, layer by layer. 0.5 tells nothing. "
        "Only what lies above the purple lines is information that retrained models lack.",
        CHANGES: f"Rows: the original's answer. Columns: the answer now, for the forgotten {kind}. Click a cell to see its {kind}.",
        RELEARNING: f"Accuracy on the rest of the forgotten {kind} while a few of them are learned again. "
        "A curve above the purple ones suggests remaining memory.",
    }


def map_note(train_f: float, test: float, fit: float | None) -> str:
    """Return the accuracies of a method beneath its map, and how well a model of its own was turned."""
    note = f"Train_f {100 * train_f:.1f} %, Test {100 * test:.1f} %"
    return note if fit is None else f"{note}, turned to fit {fit:.2f}"


def no_map(why: object) -> str:
    """Say why there is no map."""
    return f"There is no map: {why}"


def method_has_no_map(method: str, why: object) -> str:
    """Say why a method has no map."""
    return f"{method} has no map: {why}"


def work(seeds: int, retrained: int, methods: int) -> str:
    """Return the trainings of a comparison."""
    return f"{seeds} × (1 original + {retrained} retrained models + {methods} methods)"


def time_not_known(work: str, trainings: int) -> str:
    """Say that the time of a comparison is not known yet."""
    return f"{work} = {trainings} trainings; their time is known once the Lab has trained a model."


def cost(time: str, work: str) -> str:
    """Say how long a comparison takes."""
    return f"About {time} of computing at most: {work}. What was computed before costs nothing."


def seed_now(seed: int, what: str, percent: int) -> str:
    """Return what is computed for a seed."""
    return f"seed {seed}: {what}, {percent} %"


def so_far(done: int, number: int, parts: Sequence[str]) -> str:
    """Return how far a comparison is."""
    return f"{done} of {number} runs done · " + "; ".join(parts)


def outcome(
    done: int, number: int, seconds: float, *, failed: int, stopped: bool, errors: Sequence[str]
) -> str:
    """Return the outcome of an ended comparison."""
    text = f"{done} of {number} runs done in {seconds:.0f} s"
    text = f"Stopped: {text}" if stopped else text
    text += f", {failed} of them failed" if failed else ""
    return "; ".join([text, *errors])


def seed_error(seed: int, why: object) -> str:
    """Return why a seed failed."""
    return f"seed {seed}: {why}"
