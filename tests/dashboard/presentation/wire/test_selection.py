"""The selection of a tab: what the user begins with, and what replaces it."""

from __future__ import annotations

from dashboard.presentation.wire.selection import SelectionState


def test_the_user_begins_with_the_labs_forget_set_and_no_later_one_replaces_a_pick():
    picks = SelectionState()
    picks.begin_with([1, 2, 3])
    assert picks.now.ids.tolist() == [1, 2, 3]
    assert not picks.history.past  # no step to undo
    revision = picks.revision
    picks.begin_with([3, 2, 1])
    assert picks.revision == revision  # nothing changed, so the browser is told nothing
    picks.begin_with([7, 8])  # the Lab forgets others now
    assert picks.now.ids.tolist() == [7, 8]
    picks.do("add", [9])
    picks.begin_with([4])
    assert picks.now.ids.tolist() == [7, 8, 9]
    picks.undo()
    picks.begin_with([4])
    assert picks.now.ids.tolist() == [7, 8]  # undone is touched, too: redo must bring it back
    picks.redo()
    assert picks.now.ids.tolist() == [7, 8, 9]


def test_what_was_picked_on_the_labs_map_first_stays():
    picks = SelectionState()
    picks.do("add", [5])
    picks.begin_with([1, 2])
    assert picks.now.ids.tolist() == [5]
