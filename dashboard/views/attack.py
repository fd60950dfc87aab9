"""What an attacker sees who asks whether an image was trained on: in the Lab's model, in the original and in retrained ones."""

from __future__ import annotations

import base64

import numpy as np
import streamlit as st
import torch

from core.evaluation.attacks.result import AttackResult, Scores
from core.evaluation.attacks.scores import ATTACKS
from core.runs.run import Phase
from dashboard.presentation.charts import attacks
from dashboard.presentation.wire import scene
from dashboard.session import resources
from dashboard.session.jobs.attack import AttackData, groups, rates, verdict
from dashboard.session.lab import Lab

POLL_S = 0.5
CHART = 370  # px
SHOWN = 40  # images of each group


def page(lab: Lab) -> None:
    lab.attack_job.want(lab.experiment)
    kind, told = st.columns([4.6, 7], gap="small", vertical_alignment="center")
    with kind:
        name = st.segmented_control(
            "Attack", list(ATTACKS), format_func=lambda k: ATTACKS[k].title, default="confidence", required=True,
            key="attack-kind", label_visibility="collapsed",
        )  # fmt: skip
    found = lab.attack_job.found
    with told:
        _told(lab, found)
    if lab.attack_job.error is not None:
        st.error(lab.attack_job.error)
    elif found is not None:
        _shown(found, found.results[name or "confidence"])
    _wait(lab, (found, lab.attack_job.error, lab.phase))


def _told(lab: Lab, found: AttackData | None) -> None:
    """Which model this is about."""
    run = lab.experiment.run
    if run is None:
        st.caption("The original model is still being prepared.")
    elif found is None:
        st.caption("The models are being looked at.")
    else:
        state = (
            "the original, before the run's first step"
            if not found.step
            else f"the Lab's model after step {found.step} of {found.steps}"
        )
        later = (
            " The run is playing: what follows is attacked when it pauses."
            if run.phase is Phase.RUNNING
            else ""
        )
        st.caption(f"{state[0].upper()}{state[1:]}, beside {found.references} retrained models.{later}")


def _shown(found: AttackData, result: AttackResult) -> None:
    if result.scores is None or result.power is None:
        st.info(result.why or "There are too few images for this attack.")
    else:
        threshold = _charts(result, result.scores, f"{result.name}-{found.step}")
        st.markdown(f"**{verdict(result)}** {result.help} {result.power.sentence} {_tpr(result)}")
        _grids(found, result.scores, threshold)
    if found.per_image is not None:
        p = found.per_image
        st.markdown(f"#### Image by image\n{p.sentence}")
        order = np.argsort(p.p)
        st.dataframe(
            {
                "image": p.ids[order], "z": p.z[order], "p": p.p[order],
                "logit of its label": p.logit[order], "retrained, mean": p.mean[order],
            },
            hide_index=True, width="stretch", height=min(420, 38 + 35 * len(order)),
            column_config={
                "z": st.column_config.NumberColumn(format="%.1f", help="Positive: surer of the label than retrained models are"),
                "p": st.column_config.NumberColumn(format="%.3f", help="Share of retrained models expected to be as sure"),
                "logit of its label": st.column_config.NumberColumn(format="%.1f"),
                "retrained, mean": st.column_config.NumberColumn(format="%.1f"),
            },
        )  # fmt: skip


def _charts(result: AttackResult, scores: Scores, key: str) -> float:
    """Histogram, ROC and areas; the threshold that was dragged."""
    both = np.r_[scores.members, scores.non_members]
    low, high = float(both.min()), float(both.max())
    first = float(np.median(both))
    left, middle, right = st.columns([5, 4, 3.2], gap="small")
    with left:
        place = st.empty()
        step = max((high - low) / 200, 1e-6)
        threshold = st.slider("Threshold", low, max(high, low + step) + step, first, step, key=f"threshold-{key}", format="%.3g")  # fmt: skip
        place.plotly_chart(_sized(attacks.histogram(result, threshold), CHART - 70), key=f"hist-{key}")
    with middle:
        st.plotly_chart(_sized(attacks.roc(result, threshold), CHART), key=f"roc-{key}")
    with right:
        st.plotly_chart(_sized(attacks.strip(result), CHART - 60), key=f"strip-{key}")
        tpr, fpr = rates(scores, threshold)
        st.caption(f"At the threshold {100 * tpr:.0f} % of the forgotten images are seen through, and {100 * fpr:.0f} % of the unseen ones accused.")  # fmt: skip
    return threshold


def _sized(figure: object, height: int) -> object:
    figure.update_layout(height=height)  # type: ignore[attr-defined]
    return figure


def _tpr(result: AttackResult) -> str:
    """TPR where enough false positives are expected; else why not."""
    parts = [
        f"At {name} false alarms it sees through {100 * value:.1f} %."
        for name, value in (("1 %", result.tpr_at_1pct_fpr), ("0.1 %", result.tpr_at_01pct_fpr))
        if value is not None
    ]
    return (
        " ".join(parts)
        or "Too few unseen images for a rate at 1 % false alarms: fewer than 10 of those would be expected."
    )


def _grids(found: AttackData, scores: Scores, threshold: float) -> None:
    """Images that the attack gets right and wrong, those it is surest of first."""
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
            sheet, tiles = scene.sprites(images, columns=10)
            data = base64.b64encode(sheet).decode()
            width = round(100 * tiles["columns"] / 10)
            st.html(
                f"<img alt='{title}: {min(len(indices), SHOWN)} of {len(indices)} images' src='data:{tiles['mime']};base64,{data}' "
                f"style='width:{width}%;image-rendering:pixelated;border-radius:6px'>"
            )


def _wait(lab: Lab, shown: tuple[object, ...]) -> None:
    """Draws the page again when there is something new; attacks again when the run has moved on."""

    @st.fragment(run_every=POLL_S)
    def wait() -> None:
        lab.attack_job.want(lab.experiment)
        now = (lab.attack_job.found, lab.attack_job.error, lab.phase)
        if any(a is not b for a, b in zip(now, shown, strict=True)):
            st.rerun()

    wait()


if __name__ == "__main__":
    page(resources.lab())
