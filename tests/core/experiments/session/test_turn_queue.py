"""TurnQueue on a simulated clock: order, equal shares, and predicted waiting times."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import RequestError
from core.experiments.session.turn_queue import TurnQueue

TICK = 0.5


class Hall:
    """Players that ask for slices on a clock that only this class moves."""

    def __init__(self, players, count, turn_s=10.0):
        self.now = 0.0
        self.seats = TurnQueue(count, turn_s, clock=lambda: self.now)
        self.of = [self.seats.seat() for _ in range(players)]
        self.played = [0.0] * players
        self.woken = [0] * players

    def ask(self, player):
        return self.of[player].may_play("run", lambda: self._wake(player))

    def _wake(self, player):
        self.woken[player] += 1

    def tick(self, players):
        sitting = [p for p in players if self.ask(p)]
        sitting = [p for p in sitting if self.ask(p)]  # a turn may have ended while others asked
        assert len(sitting) <= self.seats.count
        for p in sitting:
            self.played[p] += TICK
        self.now += TICK
        return sitting


def test_with_seats_enough_nobody_waits():
    hall = Hall(3, 3)
    assert [hall.ask(p) for p in range(3)] == [True] * 3
    hall.now = 1e6
    assert [hall.ask(p) for p in range(3)] == [True] * 3  # a turn ends only while others wait
    assert [seat.place for seat in hall.of] == [None] * 3


def test_the_line_is_served_in_the_order_of_coming():
    hall = Hall(5, 1)
    assert [hall.ask(p) for p in range(5)] == [True, False, False, False, False]
    assert [seat.place.number for seat in hall.of[1:]] == [1, 2, 3, 4]
    hall.of[0].rest("run")
    assert hall.woken == [0, 1, 0, 0, 0]
    hall.of[2].rest("run")  # who leaves the line is passed over
    hall.of[1].rest("run")
    assert hall.woken == [0, 1, 0, 1, 0]


@settings(max_examples=40, deadline=None)
@given(players=st.integers(1, 12), count=st.integers(1, 5))
def test_who_play_without_end_have_the_same_share(players, count):
    hall = Hall(players, count)
    for _ in range(int(10 / TICK) * players * 6):
        hall.tick(range(players))
    assert max(hall.played) - min(hall.played) <= hall.seats.turn_s + TICK * 8
    assert (
        sum(hall.played) >= 0.99 * min(count, players) * hall.now
    )  # no seat stands empty while somebody waits


@settings(max_examples=60, deadline=None)
@given(
    moves=st.lists(st.tuples(st.sampled_from(["ask", "rest", "wait"]), st.integers(0, 7)), max_size=120),
    count=st.integers(1, 3),
)
def test_nobody_is_overtaken(moves, count):
    """Whoever stands in line only ever moves forward, whatever the others do."""
    hall, before = Hall(8, count), {}
    for move, player in moves:
        if move == "ask":
            hall.ask(player)
        elif move == "rest":
            hall.of[player].rest("run")
            before.pop(player, None)
        else:
            hall.now += player
        asked = set(before)
        places = {p: seat.place for p, seat in enumerate(hall.of)}
        now = {p: place.number for p, place in places.items() if place is not None}
        for p in asked & set(now):
            seated_meanwhile = hall.woken[p] > before[p][1]
            assert seated_meanwhile or now[p] <= before[p][0]
        assert sorted(now.values()) == list(range(1, len(now) + 1))
        before = {p: (number, hall.woken[p]) for p, number in now.items()}


@pytest.mark.parametrize("number", [1, 2, 5])
def test_the_predicted_wait_comes_true_where_turns_are_full(number):
    hall = Hall(8, 2)
    everybody = range(8)
    for _ in range(200):
        hall.tick(everybody)
    player = next(p for p in everybody if hall.of[p].place and hall.of[p].place.number == number)
    said, asked = hall.of[player].place.wait_s, hall.now
    while player not in hall.tick(everybody):
        assert hall.now - asked < 200
    assert abs((hall.now - asked) - said) <= 3


def test_runs_side_by_side_share_one_seat_until_the_last_rests():
    hall = Hall(2, 1)
    first, second = hall.of
    assert first.may_play("run", lambda: None)
    assert first.may_play("fork", lambda: None)
    assert not second.may_play("run", lambda: None)
    first.rest("run")
    assert second.place.number == 1
    first.rest("fork")
    assert second.place is None


def test_who_never_asks_again_keeps_no_seat_from_the_others():
    hall = Hall(2, 1, turn_s=10)
    assert hall.ask(0)
    assert not hall.ask(1)
    hall.now = 11
    assert hall.of[1].place is None  # asking for the place is enough to be called
    assert hall.woken[1] == 1


@pytest.mark.parametrize(("count", "turn_s"), [(0, 10), (2, 0)])
def test_no_seats_or_no_time_is_refused(count, turn_s):
    with pytest.raises(RequestError, match="seat"):
        TurnQueue(count, turn_s)
