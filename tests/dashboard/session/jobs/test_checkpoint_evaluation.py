"""The form for finished models: the same figures as from their files, errors that name what was uploaded."""

from __future__ import annotations

import pytest
from safetensors.torch import save

from core.evaluation.evaluator import Evaluator
from core.evaluation.reference_band import Retrained
from core.runtime.progress import run_to_end
from core.runtime.scheduler import Scheduler
from dashboard.presentation.wire.comparison import table_data
from dashboard.session.jobs.checkpoint_evaluation import Checkpoints, EvaluationJob, summary_of
from tests.waiting import until


def upload(name: str, model) -> tuple[str, bytes]:
    return name, save({k: v.contiguous() for k, v in model.state_dict().items()})


def judged(split, *uploads) -> EvaluationJob:
    evaluation_job = EvaluationJob(Scheduler(1))
    files = Checkpoints("lab:digits-cnn", "", None, uploads[0], uploads[1], uploads[2:])
    evaluation_job.evaluate(split, files)
    until(lambda: not evaluation_job.busy)
    return evaluation_job


@pytest.mark.slow
def test_uploaded_models_are_judged_as_the_judge_does(class_split, digits_model, unlearned, retrained):
    evaluation_job = judged(
        class_split,
        upload("before.safetensors", digits_model),
        upload("after.safetensors", unlearned.result),
        upload("gold.safetensors", retrained),
        upload("gold.safetensors", digits_model),
    )
    assert evaluation_job.error is None
    known = [Retrained(0, retrained, 0.0), Retrained(1, digits_model, 0.0)]
    by_hand = run_to_end(Evaluator(class_split, digits_model, known).judge(unlearned.result))
    found = {k: f.value for k, f in evaluation_job.result.figures.unlearned.figures.items()}
    assert found == {k: f.value for k, f in by_hand.figures.items()}
    summary = summary_of(evaluation_job.result.figures)
    data = table_data(summary, None, list(summary.columns), [])
    assert [row["label"] for row in data["rows"]] == ["Unlearned", "Original", "Retrained 1", "Retrained 2"]
    assert not any(row["pick"] for row in data["rows"])


def test_a_file_that_does_not_fit_is_named_as_it_was_uploaded(class_split, digits_model):
    good = upload("before.safetensors", digits_model)
    evaluation_job = judged(class_split, good, ("after.safetensors", b"no weights here"))
    assert evaluation_job.result is None
    assert "after.safetensors" in evaluation_job.error
    assert "laf-judge-" not in evaluation_job.error
