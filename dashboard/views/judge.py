"""Finished checkpoints judged without running anything: original, unlearned, and retrained ones where there are some."""

from __future__ import annotations

import json

import streamlit as st

from core.errors import LabError
from dashboard.components.comparison_table import table
from dashboard.forms import model_upload
from dashboard.presentation.wire.comparison import table_data
from dashboard.session import classroom_options, resources
from dashboard.session.jobs.checkpoint_evaluation import EvaluationJob, summary_of
from dashboard.session.lab import Lab

POLL_S = 0.5
HEIGHT = 300
LIMIT_MB = 1024


def page(lab: Lab) -> None:
    split = lab.experiment.split
    evaluation_job = lab.evaluation_job
    if split is None:
        st.caption("The images are being read.")
        return
    what = split.request.describe(split.dataset.classes)
    st.markdown(
        f"**Judge finished models.** Nothing is trained and nothing unlearned. Images and what was to be forgotten are the Lab's: "
        f"{split.dataset.title}, {what} ({len(split.forget_rows):,} of {len(split.train):,} images); change them there, or on *Forget set*."
    )
    left, right = st.columns([1, 1], gap="large")
    with left:
        original = st.file_uploader(
            "Original model (.safetensors)",
            ["safetensors"],
            key="judge-original",
            max_upload_size=classroom_options.upload_mb(LIMIT_MB),
        )
        unlearned = st.file_uploader(
            "Unlearned model",
            ["safetensors"],
            key="judge-unlearned",
            max_upload_size=classroom_options.upload_mb(LIMIT_MB),
        )
    with right:
        retrained = st.file_uploader(
            "Models retrained without the forgotten images (optional; two or more make a band)", ["safetensors"],
            accept_multiple_files=True, key="judge-retrained", max_upload_size=classroom_options.upload_mb(LIMIT_MB),
        )  # fmt: skip
        try:
            made = lab.experiment.model.provenance if lab.experiment.model is not None else None
            usual = (
                f"lab:{made.net}" if made is not None else None
            )  # models saved from this Lab are of its net
            arch, layer, size = model_upload.where(split.dataset, key="judge", usual=usual)
        except LabError as error:
            st.error(str(error))
            return
    st.caption(
        "All of one architecture, saved by `safetensors.torch.save_file(model.state_dict(), …)`; the page *Runs* exports such a file of "
        "a finished run. The ids of the images that were to be forgotten are chosen, or read from a file, on *Forget set*."
    )
    missing = (
        "Upload the original and the unlearned model first" if original is None or unlearned is None else None
    )
    refused = classroom_options.refused(original, unlearned, *retrained)
    if refused is not None:
        st.error(refused)
        missing = refused
    if st.button(
        "Judge",
        type="primary",
        disabled=missing is not None or evaluation_job.busy,
        help=missing,
        key="judge-start",
    ) and (original is not None and unlearned is not None and layer is not None):
        others = [(f.name, f.getvalue()) for f in retrained]
        evaluation_job.start(
            split, arch, layer, size, (original.name, original.getvalue()), (unlearned.name, unlearned.getvalue()), others
        )  # fmt: skip
    if evaluation_job.error is not None:
        other = (
            " Choose the architecture that it was trained as."
            if "does not fit" in evaluation_job.error
            else ""
        )
        st.error(f"{evaluation_job.error}.{other}" if other else evaluation_job.error)
    elif evaluation_job.busy:
        _wait(evaluation_job)
    elif evaluation_job.found is not None:
        _found(evaluation_job)


def _found(evaluation_job: EvaluationJob) -> None:
    found = evaluation_job.found
    assert found is not None
    summary = summary_of(found)
    st.caption(evaluation_job.about)
    table(
        "judge-table",
        table_data(summary, None, list(summary.columns), []),
        height=min(HEIGHT, 60 + 31 * len(summary.lines)),
        on_pick=lambda _: None,
    )
    st.markdown("**Attacks on the unlearned model**: AUC with its 95 % interval; 0.5 cannot tell")
    said: dict[str, list[str]] = {}  # what could have been seen -> the attacks of which that holds
    for result in found.unlearned.attacks.values():
        text = (
            result.why if result.auc is None else f"{result.auc:.2f} ({result.low:.2f} to {result.high:.2f})"
        )
        power = result.power.sentence if result.power else ""
        said.setdefault(power, []).append(f"**{result.title}** {text}")
    for power, attacks in said.items():
        st.markdown(f"{' · '.join(attacks)}")
        if power:
            st.caption(power)
    record = {
        "about": evaluation_job.about,
        "unlearned": found.unlearned.as_dict(),
        "original": found.original.as_dict(),
        "retrained": [one.as_dict() for one in found.retrained],
    }
    st.download_button(
        "JSON",
        json.dumps(record, indent=1),
        "judgement.json",
        "application/json",
        on_click="ignore",
        key="judge-json",
    )


def _wait(evaluation_job: EvaluationJob) -> None:
    @st.fragment(run_every=POLL_S)
    def wait() -> None:
        p = evaluation_job.progress
        st.progress(0.0 if p is None else p.done / max(1, p.total), text="Judging")
        if not evaluation_job.busy:
            st.rerun()

    wait()


if __name__ == "__main__":
    page(resources.lab())
