"""The page Attack: whether an attacker can tell that an image was used in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
import torch

from core.evaluation.attacks.per_image import PerImage
from core.evaluation.attacks.result import AttackResult, Scores
from core.evaluation.attacks.scores import ATTACKS
from core.runs.run import Phase
from dashboard.presentation.charts import attacks, examples
from dashboard.presentation.text.pages import attack as say
from dashboard.presentation.text.pages import common, nouns
from dashboard.presentation.wire import scene
from dashboard.session import resources
from dashboard.session.jobs.attack import AttackData, groups, rates, threshold_at, verdict
from dashboard.session.lab import Lab
from dashboard.session.polling import JOB_S, poll

HEIGHTS = {"hist": 300, "roc": 370, "strip": 310}  # px, of the charts; lab.css keeps them free
CHARTS = (5, 4, 3.2)  # widths of histogram, ROC and areas, as ratios
SHOWN = 40  # images of each group
PLAIN = {"displayModeBar": False}  # on a phone the bar would cover the legend


def page(lab: Lab) -> None:
    """Draw the page; attack again when the run has moved on."""
    job = lab.attack_job
    job.want(lab.experiment)
    name = st.segmented_control(  # outside of columns, where it wraps on a phone
        say.ATTACK,
        list(ATTACKS),
        format_func=lambda k: ATTACKS[k].title,
        default="confidence",
        required=True,
        key="attack-kind",
        label_visibility="collapsed",
    )
    found = job.result
    error, phase = job.error, lab.phase
    with st.container(key="attack-told"):
        _told(lab, found)
        if error is None:
            _in_all(lab, found)
    if error is not None:
        st.error(error)
    elif found is not None:
        _shown(found, found.results[name or "confidence"])
    else:
        _example(lab)

    def is_stale() -> bool:
        return job.result is not found or job.error != error or lab.phase is not phase

    poll(JOB_S, lambda: job.want(lab.experiment), is_stale)


def _example(lab: Lab) -> None:
    """Say what the page will show, with an example and a way to the Lab."""
    kind = nouns.kind_of(lab.experiment.dataset)
    result = examples.attack_example()
    assert result.scores is not None
    # in the places of the real charts, which take over one after another: nothing is pushed down meanwhile
    left, middle, right = st.columns(CHARTS, gap="small")
    _chart(left.container(key="attack-left"), attacks.histogram(result, 0.5), "hist", "example")
    _chart(middle, attacks.roc(result, 0.5), "roc", "example")
    _chart(right, attacks.strip(result), "strip", "example")
    st.caption(say.example(examples.LABEL, kind))
    st.page_link("views/lab.py", label=say.OPEN_LAB)


def _told(lab: Lab, found: AttackData | None) -> None:
    """Say which model was attacked."""
    run = lab.experiment.run
    if run is None:
        st.caption(say.PREPARING)
    elif found is None:
        st.caption(say.EVALUATING)
    else:
        model = say.after_step(found.step, found.steps) if found.step else say.BEFORE_FIRST
        later = f" {say.PLAYING}" if run.phase is Phase.RUNNING else ""
        st.caption(say.compared(model, found.references, later))


def _in_all(lab: Lab, found: AttackData | None) -> None:
    """Say what all attacks together find; before there is that, what the page answers."""
    if found is None:
        st.markdown(say.intro(nouns.kind_of(lab.experiment.dataset)))
    elif found.strongest is not None:
        sentence = common.all_attacks(found.strongest.sentence)
        st.markdown(nouns.in_kind(sentence, found.sample.split.dataset.kind))


def _shown(found: AttackData, result: AttackResult) -> None:
    kind = found.sample.split.dataset.kind
    if result.scores is None or result.power is None:
        st.info(nouns.in_kind(result.why, kind) if result.why else say.more_needed(kind))
    else:
        threshold = _charts(result, result.scores, f"{result.name}-{found.step}", kind)
        words = f"**{verdict(result)}** {say.asks(result.help)} {result.power.sentence} {_tpr(result, kind)}"
        st.markdown(nouns.in_kind(words, kind))
        _grids(found, result.scores, threshold)
    if found.per_image is not None:
        _table(found.per_image, kind)


def _table(found: PerImage, kind: str) -> None:
    """Show the result of each image, the least likely under retraining first."""
    st.markdown(say.one_by_one(nouns.in_kind(found.sentence, kind), kind))
    order = np.argsort(found.p)
    number = st.column_config.NumberColumn
    st.dataframe(
        {
            nouns.one(kind): found.ids[order],
            "z": found.z[order],
            "p": found.p[order],
            say.LOGIT: found.logit[order],
            say.RETRAINED_MEAN: found.mean[order],
        },
        hide_index=True,
        width="stretch",
        height=min(420, 38 + 35 * len(order)),
        column_config={
            "z": number(format="%.1f", help=say.Z_HELP),
            "p": number(format="%.3f", help=say.P_HELP),
            say.LOGIT: number(format="%.1f"),
            say.RETRAINED_MEAN: number(format="%.1f"),
        },
    )


def _charts(result: AttackResult, scores: Scores, key: str, kind: str) -> float:
    """Draw histogram, ROC and areas; return the threshold that the user set."""
    left, middle, right = st.columns(CHARTS, gap="small")
    with (
        left,
        st.container(key="attack-left"),
    ):  # lab.css shows the slider below the chart, which needs its value
        share = st.slider(
            say.THRESHOLD,
            0,
            100,
            50,
            key=f"threshold-{key}",
            format=say.TOP,
            help=say.threshold_help(kind),
        )
        threshold = threshold_at(scores, share / 100)
        _chart(st, attacks.histogram(result, threshold), "hist", key)
    _chart(middle, attacks.roc(result, threshold), "roc", key)
    with right:
        _chart(right, attacks.strip(result), "strip", key)
        tpr, fpr = rates(scores, threshold)
        st.caption(say.at_threshold(100 * tpr, 100 * fpr, kind))
    return threshold


def _chart(place: Any, figure: Any, name: str, key: str) -> None:
    """Draw a chart in its own place, whose height lab.css keeps while one chart takes over from another."""
    figure.update_layout(height=HEIGHTS[name])
    place.container(key=f"attack-{name}").plotly_chart(figure, key=f"{name}-{key}", config=PLAIN)


def _tpr(result: AttackResult, kind: str) -> str:
    """Describe the TPR at low rates of false alarms, or say why there is none."""
    parts = [
        say.detects(name, 100 * value)
        for name, value in (("1 %", result.tpr_at_1pct_fpr), ("0.1 %", result.tpr_at_01pct_fpr))
        if value is not None
    ]
    return " ".join(parts) or say.too_few(kind)


def _grids(found: AttackData, scores: Scores, threshold: float) -> None:
    """Show the images that the attack gets right and wrong, the surest first."""
    sample = found.sample
    for column, (title, (members, indices)) in zip(
        st.columns(4, gap="small"), groups(scores, threshold).items(), strict=True
    ):
        with column:
            st.caption(f"**{title}** · {len(indices):,}")
            if not len(indices):
                continue
            some = torch.from_numpy(indices[:SHOWN])
            if members:
                images = sample.split.train.unlabelled().take(sample.sets.members[some])
            else:
                images = sample.unseen.unlabelled().take(some)
            st.html(
                scene.thumbnails(
                    images,
                    say.group(title, min(len(indices), SHOWN), len(indices), sample.split.dataset.kind),
                )
            )


if __name__ == "__main__":
    page(resources.lab())
