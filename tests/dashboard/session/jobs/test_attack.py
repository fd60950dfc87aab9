"""The Attack page: what falls on which side of a threshold, what is said of it, and that it follows the Lab's run."""

from __future__ import annotations

import numpy as np
import pytest

from core.data.registry import load
from core.evaluation.attacks.result import Scores, attack_result
from core.experiments.session.experiment import Experiment
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.presentation.charts import attacks
from dashboard.session.jobs import attack
from tests import waiting
from tests.dashboard.views.test_lab import app, button, enabled, until  # noqa: F401 - app is a fixture


def scores(shift: float, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    return Scores(rng.normal(shift, 1, 300), rng.normal(0, 1, 200))


def result(shift: float, references: int = 5):
    theirs = [scores(0.0, seed=k + 1) for k in range(references)]
    return attack_result("confidence", scores(shift), scores(2.0), theirs, 300, 200)


def test_every_image_is_in_one_group_on_its_side_of_the_threshold_the_surest_first():
    both = scores(0.7)
    found = attack.groups(both, 0.3)
    members = np.concatenate([i for _, (m, i) in found.items() if m])
    others = np.concatenate([i for _, (m, i) in found.items() if not m])
    assert sorted(members) == list(range(300))
    assert sorted(others) == list(range(200))
    hit = both.members[found["right: forgotten, detected"][1]]
    assert (hit >= 0.3).all()
    assert (np.diff(hit) <= 0).all()
    accused = both.non_members[found["wrong: unseen, accused"][1]]
    assert (accused >= 0.3).all()
    tpr, fpr = attack.rates(both, 0.3)
    assert tpr == pytest.approx(len(hit) / 300)
    assert fpr == pytest.approx(len(accused) / 200)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.93, 1.0])
def test_a_threshold_by_share_is_the_highest_that_so_many_scores_reach(share):
    both = scores(0.7)
    every = np.r_[both.members, both.non_members]
    threshold = attack.threshold_at(both, share)
    assert (every >= threshold).sum() == round(share * len(every))
    tied = Scores(np.zeros(3), np.array([-1.0, 0.0]))
    assert attack.threshold_at(tied, 0.4) == 0.0, "equal scores are on one side"


def test_the_verdict_claims_only_what_interval_and_retrained_models_allow():
    assert "sees more" in attack.verdict(result(2.0))
    assert "sees less" in attack.verdict(result(-2.0))
    assert "cannot tell this model" in attack.verdict(result(0.0))
    assert "no band yet" in attack.verdict(result(2.0, references=1))
    assert "nothing to compare with" in attack.verdict(result(2.0, references=0))
    few = attack_result("confidence", None, None, [], 3, 4)
    assert attack.verdict(few) == few.why


def test_the_dot_on_the_curve_is_the_threshold_and_every_model_has_its_curve():
    found = result(1.0)
    figure = attacks.roc(found, 0.5)
    tpr, fpr = attack.rates(found.scores, 0.5)
    assert (figure.data[-1].x[0], figure.data[-1].y[0]) == pytest.approx((100 * fpr, 100 * tpr))
    assert [d.name for d in figure.data].count("retrained") == 5
    bars = attacks.histogram(found, 0.5).data
    assert [sum(b.y) for b in bars] == pytest.approx([100, 100])


def test_it_attacks_the_labs_model_as_it_stands_and_images_one_by_one_where_there_are_few():
    ids = tuple(load("digits").train.ids[:30].tolist())
    runner = Scheduler(1)
    e = Experiment(Setup(task="indices", classes=(), ids=ids, settings="preset"), runner, reference_count=2)
    e.start()
    at = attack.AttackJob(runner)
    try:
        waiting.until(lambda: e.run is not None and len(e.references) == 2 and not e.work)
        at.want(e)
        waiting.until(lambda: at.result is not None)
        assert (at.result.step, at.result.references) == (0, 2)
        first = at.result.results["confidence"]
        assert first.auc == first.original_auc  # nothing was taken from the original yet
        assert at.result.per_image is not None
        assert sorted(at.result.per_image.ids.tolist()) == sorted(ids)
        e.play(3)
        waiting.until(lambda: e.run.phase is Phase.PAUSED)
        waiting.until(lambda: not at.busy)
        at.want(e)
        waiting.until(lambda: at.result.step == 3)
        assert at.result.results["confidence"].original_auc == first.auc
        assert at.error is None
    finally:
        at.close()
        e.close()


def test_the_page_shows_the_attack_and_survives_a_run_that_moves_on(app):  # noqa: F811
    until(app, lambda: enabled(app, "Step"))
    app.switch_page("views/attack.py").run()
    until(app, lambda: any("AUC" in m.value for m in app.markdown))
    assert not app.exception
    assert app.slider[0].label == "Threshold"
    app.switch_page("views/lab.py").run()
    button(app, "Step").click().run()
    until(app, lambda: enabled(app, "Reset") and enabled(app, "Step"))
    app.switch_page("views/attack.py").run()
    until(app, lambda: any("after step 1" in c.value for c in app.caption))
    assert not app.exception
