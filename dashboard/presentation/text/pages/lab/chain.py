"""The English of requests one after another in the Lab."""

from __future__ import annotations

FORGET_MORE_HELP = "Begin the next request with this run's result. What is forgotten now stays out of it"
FORGET_MORE = "Forget more"
EXAMPLE = "Example: one subject in ten requests"
EXAMPLE_HELP = (
    "Digits: 20 images of one style of writing are deleted, two a request. Then go from request to request"
)
NEXT_REQUEST = "Next request"
FORGET_NEXT = "Forget these next"
READING = "Reading the data"
CLIENTS_LEFT = "Clients who remain"
CLASSES_LEFT = "Classes that remain"
SHARE_OF_EACH = "Share of each class, %"
ALL_REQUESTS = "All requests"
ALL_REQUESTS_HELP = "Figures after each request"
DELETED_OR_PURGED = "This run was deleted or purged"
NO_VERDICT = "There is no verdict yet"
FORGETTING_AT_ONCE = "Forgetting all at once, from the first original"
REQUESTS = "Requests"
PLAYING_EXAMPLE = "Playing the example"
NOTES = {"picked": "chosen by lasso or click", "set": "chosen on the page Forget set"}
COMPARE_AT_ONCE = "Compare with all at once"
NEEDS_A_FINISHED_RUN = "A request follows a finished run; play this one to its end"
RUNS_ARE_NOT_KEPT = "runs of this tab are not kept"


VERDICTS = {  # of the findings' codes, in the table of all requests
    "no gain": "nothing to do",
    "price": "the price is too high",
    "farther": "farther from retraining",
    "original": "the original had not learnt",
}


def nothing_to_do(requests: int, of: int) -> str:
    """Say in how many requests doing nothing was as near to retraining."""
    return f"In {requests} of {of} requests there was nothing to do."


def worn(name: str, first: float, last: float, retrained: float, requests: int) -> str:
    """Say what the requests cost; ``name`` is of the test accuracy, and accuracies are in [0, 1]."""
    fell = 100 * (retrained - last)
    said = (
        f"{name} is {100 * last:.1f} % after {requests} requests; it was {100 * first:.1f} % after the first."
    )
    if fell > 2:
        return f"{said} Models retrained without all that was asked have {100 * retrained:.1f} %: the chain wears the model down."
    return f"{said} Models retrained without all that was asked have {100 * retrained:.1f} %."


def titles(kind: str) -> dict[str, str]:
    """Return the label of each kind of request."""
    return {
        "classes": "Classes",
        "share": "Share of classes",
        "subjects": "Subjects",
        "client": "A client leaves",
        "picked": f"{kind.capitalize()} picked on the map",
        "set": "Forget set",
    }


def playing_example(request: int, requests: int) -> str:
    """Say how far the example has been played."""
    return f"{PLAYING_EXAMPLE}: request {request} of {requests}"


def remaining(number: int, kind: str) -> str:
    """Say how many remain, and what to do."""
    return f"{number:,} {kind} remain. Choose what to forget next."


def subjects_left(kind: str) -> str:
    """Return the label of the choice of subjects."""
    return f"Subjects with {kind} that remain"


def not_begun(number: int) -> str:
    """Return the label of a request without a run."""
    return f"{number} · not begun"


def run_is(phase: str) -> str:
    """Say how far a run is."""
    return f"This run is {phase}"


def needs_a_kept_run(why: str) -> str:
    """Say that no request can follow, since the run is not kept."""
    return f"A request follows a run that is kept, and this one is not: {why}"
