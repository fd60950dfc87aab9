"""The English of the page Guide, without its sections."""

from __future__ import annotations

HEADING = "#### How to read the Lab"
SEARCH = "Search the guide"
SEARCH_HINT = "such as band, follow or keys"
NONE_FOUND = "No section has all of these words. Try one word, or a shorter one."
NEW_HERE = "New here? The lessons explain the same beside real runs."
OPEN_LESSONS = "Open the lessons"
FORMULAS = "The same in formulas"


def found(number: int, all_of_them: int) -> str:
    """Return how many sections the search finds."""
    return f"{number} of {all_of_them} sections"
