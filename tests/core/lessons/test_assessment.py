"""Progress, the tally of a class, submissions and grading."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from core.errors import DataError, RequestError
from core.lessons import read_lesson
from core.lessons.assessment.grading import as_csv, grade
from core.lessons.assessment.progress import (
    Progress,
    now,
    parse_class,
    read_progress,
    reset_tally,
    score,
    tally,
    write_progress,
)
from core.lessons.assessment.submission import (
    Student,
    digest_of,
    edited,
    evidence,
    read_submission,
    seed_of,
)
from core.lessons.replay import play_lesson
from tests import toys
from tests.core.lessons.files import FORKED, WHO, handed_in, written


def test_progress_is_kept_for_each_browser_and_class_and_counted(home, lesson):
    for browser, group, choice in (("aaaaaaaa", "2b", 1), ("bbbbbbbb", "2b", 2), ("cccccccc", "3c", 2)):
        write_progress(lesson, browser, Progress(choice, now()), group)
    assert tally(lesson, "2b").counts == (1, 1)
    assert tally(lesson, "3c").counts == (0, 1)
    assert tally(lesson).total == 0
    assert read_progress(lesson, "aaaaaaaa", "2b").prediction == 1
    assert read_progress(lesson, "aaaaaaaa", "3c") == Progress()
    (home / "lessons" / "progress" / "2b" / lesson.id / "bbbbbbbb.json").write_text("{")
    assert read_progress(lesson, "bbbbbbbb", "2b") == Progress()
    assert tally(lesson, "2b").counts == (1, 0)
    reset_tally(lesson, "2b")
    assert tally(lesson, "2b").total == 0


@pytest.mark.parametrize("name", ["../x", "a b", "a/b", ".hidden", "x" * 60])
def test_a_class_cannot_be_named_like_a_path(name):
    with pytest.raises(RequestError):
        parse_class(name)


def test_a_seed_is_the_same_for_the_same_number_and_spread_over_others():
    assert seed_of("k-17") == seed_of(" K-17 ") != seed_of("k-18")
    assert seed_of("") == 0
    seeds = {seed_of(str(n)) for n in range(1000)}
    assert len(seeds) > 900
    assert min(seeds) >= 1
    assert max(seeds) <= 9999


def test_an_edited_submission_is_noticed_and_so_is_one_with_a_new_digest(home, lesson, tmp_path):
    values = handed_in(lesson, tmp_path / "in")
    path = tmp_path / "in" / "a.json"
    assert edited(read_submission(path)) is None
    changed = {**values, "answers": {"1": 2}}
    assert "digest" in edited(changed)
    assert "not sealed by this server" in edited({**changed, "digest": digest_of(changed)})


def test_a_folder_is_graded_row_by_row_and_broken_files_are_named(home, lesson, tmp_path):
    folder = tmp_path / "in"
    handed_in(lesson, folder)
    values = handed_in(lesson, folder, who=Student("=1+1", "k-18", "2b"), name="b.json")
    (folder / "b.json").write_text(json.dumps({**values, "prediction": 1}))
    (folder / "c.json").write_text("no json")
    (folder / "d.json").write_text("[]")
    rows = grade(folder, [lesson], replay=False)
    assert [r.edited for r in rows] == [False, True, False, False]
    assert (rows[0].prediction_right, rows[0].answers_right, rows[0].answers_of) == (True, 1, 1)
    assert (rows[0].checks_passed, rows[0].checks_of, rows[0].finished) == (0, 1, False)
    assert "c.json is not JSON" in rows[2].remarks
    assert "is no submission" in rows[3].remarks
    table = as_csv(rows).splitlines()
    assert len(table) == 5
    assert "'=1+1" in table[2]
    with pytest.raises(DataError, match="holds no submission"):
        grade(tmp_path / "home", [lesson])


@pytest.mark.slow
def test_a_run_is_played_again_and_a_made_up_one_does_not_pass(home, lesson, tmp_path):
    replay = play_lesson(lesson, seed=seed_of(WHO.number), umap=toys.Flat())
    scene, played = replay.scenes[0], replay.runs[0]
    assert scene.verdict.passed
    assert len(played.steps) == 4
    shown = evidence(played.run, played.setup, lesson.parts[0].check.text, scene.verdict)
    honest = Progress(2, now(), {"1": 1}, {"1": shown}, 2, 2)
    folder = tmp_path / "in"
    handed_in(lesson, folder, honest, name="a.json")
    invented = {**shown, "run": {**shown["run"], "steps": 2}}
    handed_in(lesson, folder, replace(honest, passed={"1": invented}), name="b.json")
    elsewhere = {**shown, "setup": {**shown["setup"], "seed": 5}}
    handed_in(lesson, folder, replace(honest, passed={"1": elsewhere}), name="c.json")
    endless = {**shown, "run": {**shown["run"], "steps": 10**9}}
    handed_in(lesson, folder, replace(honest, passed={"1": endless}), name="d.json")
    a, b, c, d = grade(folder, [lesson])
    assert (a.finished, a.replayed, a.same_record, a.remarks) == (True, 1, 1, "")
    assert b.replayed == 0
    assert "does not pass" in b.remarks
    assert c.replayed == 0
    assert "not with the number's" in c.remarks
    assert "more than a lesson needs" in d.remarks


@pytest.mark.slow
def test_a_fork_with_other_settings_is_played_again(home, tmp_path):
    lesson = read_lesson(written(tmp_path, FORKED))
    replay = play_lesson(lesson, seed=seed_of(WHO.number), umap=toys.Flat())
    assert [s.verdict.passed for s in replay.scenes] == [True, True]
    main, fork = replay.runs
    assert [c.after for c in fork.run.changes] == [2]
    check = lesson.parts[1].check.text
    shown = evidence(main.run, main.setup, check, replay.scenes[1].verdict, fork.run)
    handed_in(lesson, tmp_path / "in", Progress(2, now(), {}, {"2": shown}, 3, 3))
    row = grade(tmp_path / "in", [lesson])[0]
    assert (row.replayed, row.same_record, row.checks_of, row.finished) == (1, 1, 2, False)


def test_a_point_for_each_passed_check_and_each_right_answer(lesson):
    most = 3  # the prediction, the question and the check of the only step
    for prediction, answer, passed, points in (
        (None, None, False, 0),
        (2, None, False, 1),
        (1, 1, False, 1),
        (2, 2, True, 2),
        (2, 1, True, 3),
    ):
        progress = Progress(
            prediction,
            answers={} if answer is None else {"1": answer},
            passed={"1": {}} if passed else {},
        )
        found = score(lesson, progress)
        assert (found.points, found.most) == (points, most)
    open_question = replace(lesson, prediction=replace(lesson.prediction, answer=None))
    assert score(open_question, Progress(2)).most == most - 1  # nothing to be right about
