"""The English of the page Forget set."""

from __future__ import annotations

from dashboard.presentation.text.pages.nouns import counted, in_kind, one

LISTS = "Lists"
LISTS_HELP = "Keep, load, download or upload a list of ids"
DOWNLOAD_IDS = "Download the ids"
UPLOAD_IDS = "Upload a list of ids"
UPLOAD_IDS_HELP = "One id a line, or ids and ranges such as 12-40, separated by commas. A line that begins with # is a comment"
NAME_HINT = "a name for this selection"
SAVE = "Save"
KEPT_LISTS = "Kept lists"
REMOVE_REFUSED = "Only the browser that made the list can remove it"
LIST_SHARED_HELP = "Every browser that reaches this Lab may load it"
REPLACE = "New"
ADD = "Add"
SUBTRACT = "Subtract"
INTERSECT = "Intersect"
SUBJECTS_NOTE = "Requests and attacks take only a subject's training data; the model never learnt from the test set. `laf purge --subject` removes everything of a subject from this machine."
PICKING = "Picking"
PICKING_HELP = "How a lasso, a suggestion or a list changes the selection. While dragging, shift adds, alt subtracts, and both intersect"
ORDER = "Order"
FILTER = "Filter"
FILTER_ON = "Filter **on**"
CALLED = "Model's answer"
MODEL_IS = "The model is"
MODEL_IS_HELP = "With neither chosen, both are shown"
CONFIDENCE = "Confidence, %"
LOSS = "Loss"
SHOWS = "Shows"
SUGGEST = "Suggest"
MOST_MEMORISED = "Pick the most memorised"
MOST_MISTAKEN = "Pick the most mistaken"
NEAR_DUPLICATES = "Pick near-duplicates too"
PICK_FIRST = "Pick something first."
UNDO = "Undo"
UNDO_HELP = "Undo the last change"
REDO = "Redo"
REDO_HELP = "Repeat the change that was undone"
INVERT = "Invert"
CLEAR = "Clear"
CLEAR_HELP = "Pick none"
USE = "Use in the Lab"
PICKED_BY_CLASS = "picked, by class"
RIGHT, WRONG, ANY = "right", "wrong", "any"
PRIVATE, FROM_TERMINAL, IS_SHARED = "private to this browser", "terminal", "shared"
OPENING = "Opening the Lab…"
PREPARING = "The original model and its map are being prepared."
WORK = {
    "facts": "The original model evaluates every training image",
    "memorised": "Comparing each image with its neighbours",
    "twins": "Searching for images like the picked ones",
}


def working(stage: str, percent: int, kind: str) -> str:
    """Return what the page computes, and how far it is."""
    return f"{in_kind(WORK[stage], kind)}: {percent} %"


def kept_as(name: str, number: int) -> str:
    """Say that a list was kept."""
    return f"Kept as {name}: {number:,} ids"


def list_used(name: str, number: int, operation: str) -> str:
    """Say how a list changed the selection."""
    return f"{name}: {number:,} ids ({operation.lower()})"


def removed(name: str) -> str:
    """Say that a list was removed."""
    return f"{name} is removed"


def too_large(name: str, megabytes: int) -> str:
    """Say that a file is too large to be a list of ids."""
    return f"{name} is larger than {megabytes} MB; choose a shorter list of ids"


def no_text_file(name: str) -> str:
    """Say that a file holds no text."""
    return f"{name} is not a text file; save the ids as plain text"


def ordered_by(order: str) -> str:
    """Return the label of an order."""
    return f"Order: {order}"


def filter_help(kind: str) -> str:
    """Return the help of the filter."""
    return f"Which {kind} the gallery shows"


def evaluating(kind: str) -> str:
    """Say that the filter is not ready."""
    return f"The original model is still evaluating the {kind}."


def pick_these(number: int, kind: str) -> str:
    """Return the label of the button that picks what the filter leaves."""
    return f"Pick these {counted(number, kind)}"


def pick_these_help(operation: str) -> str:
    """Return the help of the button that picks what the filter leaves."""
    return f"Uses the operation chosen above the map: {operation}"


def suggest_help(kind: str) -> str:
    """Return the help of the suggestions."""
    return f"{kind.capitalize()} that you may want to forget"


def how_many(kind: str) -> str:
    """Return the label of the number of suggestions."""
    return f"How many {kind}"


def memorised_note(neighbours: int, kind: str) -> str:
    """Return how memorised samples are found."""
    return (
        f"The model's confidence in the label, minus the share of the {neighbours} nearest {kind} (by representation) with the same label. "
        f"This is a cheap estimate; the exact measure trains many models without the {one(kind)}."
    )


def duplicates_note(cosine: str, difference: str, kind: str) -> str:
    """Return what near-duplicates are."""
    return f"{kind.capitalize()} that would stay although they nearly equal a picked one: a cosine of the representations of at least {cosine}, and {difference} (root mean square)."


def pixels_differ(percent: float) -> str:
    """Return how much the pixels of near-duplicates may differ."""
    return f"pixels that differ by at most {percent:g} %"


def values_differ(deviations: float) -> str:
    """Return how much the values of near-duplicates may differ."""
    return f"values that differ by at most {deviations:g} standard deviations"


def highest_loss(kind: str) -> str:
    """Return what the most mistaken ones are."""
    return f"The {kind} with the highest loss."


def wrong_on(wrong: int, number: int, kind: str) -> str:
    """Say on how many training samples the model is wrong."""
    return f"The model is wrong on {wrong:,} of its {number:,} training {kind}."


def never_wrong(kind: str) -> str:
    """Say that the model is wrong on no training sample."""
    return f"The model is wrong on none of its training {kind}; these are the ones it is least certain of."


def duplicates_picked(number: int) -> str:
    """Say how many near-duplicates were picked."""
    return f"{number:,} near-duplicates picked too."


def no_duplicates(kind: str) -> str:
    """Say that there is no near-duplicate."""
    return f"None of the remaining {kind} is a near-duplicate."


def invert_help(kind: str) -> str:
    """Return the help of Invert."""
    return f"Pick all other {kind} instead"


def use_help(kind: str) -> str:
    """Return the help of the button that opens the Lab."""
    return f"Open the Lab with these {kind} to forget"


def on_map(shown: int, number: int, kind: str) -> str:
    """Say how much the map shows."""
    return f"The map shows {shown:,} of the {number:,} training {kind}; the gallery shows all of them."


def all_on_map(number: int, kind: str) -> str:
    """Say that the map shows everything."""
    return f"All {number:,} training {kind} are on the map and in the gallery."


def altered_data(kind: str) -> str:
    """Say that the data of the model were altered."""
    return f"This model was trained on altered data. In the Lab, a model trained on the unaltered data forgets the {kind}."


def in_the_test_set(number: int) -> str:
    """Return how many of a subject's samples are in the test set."""
    return f", and {number:,} in the test set"


def picked(number: int, all_of_them: int, kind: str) -> str:
    """Return how many samples are picked, as HTML."""
    return f"<b>{number:,}</b> of {all_of_them:,} {kind}"


def picked_of_class(name: str, number: int, all_of_them: int) -> str:
    """Return how many samples of a class are picked."""
    return f"{name}: {number:,} of {all_of_them:,}"


def list_is(name: str, state: str) -> str:
    """Say that a list is shared or private."""
    return f"{name} is {state}"
