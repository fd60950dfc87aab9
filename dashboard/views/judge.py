"""The page Judge: the figures of uploaded checkpoints, without training or unlearning anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.data.split import Split
from core.errors import LabError
from core.evaluation.attacks.result import AttackResult
from core.runs.run import Phase
from dashboard.components.comparison_table import table
from dashboard.forms import model_upload
from dashboard.presentation.charts import examples
from dashboard.presentation.export.judge_files import pack_models
from dashboard.presentation.text.pages import common, nouns
from dashboard.presentation.text.pages import judge as say
from dashboard.presentation.wire.comparison import table_data
from dashboard.session import classroom_options, resources
from dashboard.session.jobs.checkpoint_evaluation import Checkpoints, Evaluation, EvaluationJob, summary_of
from dashboard.session.lab import Lab
from dashboard.session.polling import wait_for

LIMIT_MB = 1024


def page(lab: Lab) -> None:
    """Draw the page Judge."""
    split, job = lab.experiment.split, lab.evaluation_job
    if split is None:
        st.caption(say.BEING_READ)
        return
    what = split.request.describe(split.dataset.classes)
    st.markdown(
        say.intro(split.dataset.title, what, len(split.forget_rows), len(split.train), split.dataset.kind)
    )
    _lab_run(lab, job)
    left, right = st.columns([1, 1], gap="large")
    with left:
        original, unlearned = (
            _upload(say.ORIGINAL, "original"),
            _upload(say.UNLEARNED, "unlearned"),
        )
    with right:
        retrained = _upload(
            say.RETRAINED,
            "retrained",
            several=True,
        )
        try:
            arch, layer, size = _architecture(lab, split)
        except LabError as error:
            st.error(str(error))
            return
    st.caption(say.how(split.dataset.kind))
    obstacle = say.UPLOAD_FIRST if original is None or unlearned is None else None
    refused = classroom_options.refused(original, unlearned, *retrained)
    if refused is not None:
        st.error(refused)
        obstacle = refused
    pressed = st.button(
        say.JUDGE, type="primary", disabled=obstacle is not None or job.busy, help=obstacle, key="judge-start"
    )
    if pressed and original is not None and unlearned is not None and layer is not None:
        files = [(f.name, f.getvalue()) for f in (original, unlearned, *retrained)]
        job.evaluate(split, Checkpoints(arch, layer, size, files[0], files[1], files[2:]))
    _outcome(job, split.dataset.kind)


def _outcome(job: EvaluationJob, kind: str) -> None:
    """Show the job's progress, its result or its error."""
    if job.error is not None:
        advice = say.ADVICE if "does not fit" in job.error else ""
        st.error(f"{job.error}. {advice}" if advice else job.error)
    elif job.busy:
        wait_for(job, say.EVALUATING)
    elif job.result is not None:
        _result(job.result, kind)
    else:
        _example(kind)


def _lab_run(lab: Lab, job: EvaluationJob) -> None:
    """Offer to judge the run in the Lab, which needs no file, and to download its models."""
    e = lab.experiment
    done = e.run is not None and e.run.phase is Phase.DONE
    why = None if done else say.NO_RUN
    with st.container(horizontal=True, gap="small"):
        if st.button(say.JUDGE_RUN, key="judge-lab", disabled=not done or job.busy, help=why):
            try:
                job.evaluate_run(e)
            except LabError as error:
                st.error(str(error))
            else:
                st.rerun()
        st.download_button(
            say.DOWNLOAD_MODELS,
            lambda: _models(lab),
            "models-for-judge.zip",
            "application/zip",
            on_click="ignore",
            disabled=not done,
            key="judge-models",
            help=why or say.DOWNLOAD_HELP,
        )


def _models(lab: Lab) -> bytes:
    e = lab.experiment
    assert e.run is not None
    assert e.model is not None
    assert e.split is not None
    made = e.model.provenance
    arch = f"lab:{made.net}" if made is not None else "ARCH"
    ids = e.split.train.ids[e.split.forget_rows].tolist()
    return pack_models(arch, e.setup.dataset, e.model, e.run.result, [r.model for r in e.references], ids)


def _example(kind: str) -> None:
    """Show what the page will show."""
    st.caption(say.example(examples.LABEL))
    summary = examples.summary_example()
    table(
        "judge-example",
        table_data(summary, None, list(summary.columns), [], kind),
        height=64 + 30 * len(summary.lines),
        on_pick=lambda _: None,
    )


def _upload(label: str, key: str, *, several: bool = False) -> Any:
    limit = classroom_options.upload_mb(LIMIT_MB)
    return st.file_uploader(
        label, ["safetensors"], key=f"judge-{key}", accept_multiple_files=several, max_upload_size=limit
    )


def _architecture(lab: Lab, split: Split) -> tuple[str, str | None, int | None]:
    """Let the user choose the architecture; the default is the net of the Lab's own models. Raises LabError."""
    made = lab.experiment.model.provenance if lab.experiment.model is not None else None
    usual = f"lab:{made.net}" if made is not None else None
    return model_upload.where(split.dataset, key="judge", usual=usual)


def _result(found: Evaluation, kind: str) -> None:
    figures = found.figures
    summary = summary_of(figures)
    st.caption(found.about)
    table(
        "judge-table",
        table_data(summary, None, list(summary.columns), [], kind),
        height=64 + 30 * len(summary.lines),
        on_pick=lambda _: None,
    )
    if figures.unlearned.strongest is not None:
        st.markdown(nouns.in_kind(common.all_attacks(figures.unlearned.strongest.sentence), kind))
    _attacks(list(figures.unlearned.attacks.values()), kind)
    record = {
        "about": found.about,
        "unlearned": figures.unlearned.as_dict(),
        "original": figures.original.as_dict(),
        "retrained": [one.as_dict() for one in figures.retrained],
    }
    text = json.dumps(nouns.in_kind(record, kind), indent=1)
    st.download_button(
        "JSON", text, "judgement.json", "application/json", on_click="ignore", key="judge-json"
    )


def _attacks(results: Sequence[AttackResult], kind: str) -> None:
    """Show the AUC of each attack; attacks that could have seen the same leak share a line."""
    st.markdown(say.ATTACKS)
    by_power: dict[str, list[str]] = {}  # the smallest visible leak, as a sentence -> the attacks' figures
    for result in results:
        text = result.why if result.auc is None else say.interval(result.auc, result.low, result.high)
        power = result.power.sentence if result.power else ""
        by_power.setdefault(power, []).append(f"**{result.title}** {text}")
    for power, attacks in by_power.items():
        st.markdown(nouns.in_kind(" · ".join(attacks), kind))
        if power:
            st.caption(nouns.in_kind(power, kind))


if __name__ == "__main__":
    page(resources.lab())
