"""The dialog of uploaded models, which checks and measures each before use, and the choice between kept models."""

from __future__ import annotations

import html
import logging
from dataclasses import replace
from typing import Any

import streamlit as st

from core.data.images import Dataset
from core.data.registry import load
from core.errors import LabError
from core.models import uploads
from core.models.registry import nets_for
from core.models.uploads import ModelInfo, UploadedModel
from dashboard.forms import dataset_upload
from dashboard.session import classroom_options
from dashboard.session import lab as state
from dashboard.session.lab import Lab

log = logging.getLogger(__name__)

FAILED = "This file could not be checked, and nothing was kept. Save the model again with safetensors.torch.save_file."
LIMIT_MB = 1024
TRAINED = ""  # the choice "Trained by the Lab"
SIZES = {
    0: "as they are (224 if needed)",
    64: "64×64",
    96: "96×96",
    128: "128×128",
    224: "224×224",
}
HOW = (
    "The weights as a safetensors file, `safetensors.torch.save_file(model.state_dict(), …)`, with the names that torchvision gives "
    "them. A pickle (.pt, .pth) is refused, since it can run code. Retrained models begin with fresh weights."
)


def choice(lab: Lab, name: str) -> str | None:
    """Show the choice of the original model for dataset ``name``; return its key, or None for one trained by the Lab."""
    setup, dataset = lab.experiment.setup, lab.experiment.dataset
    if name != setup.dataset or dataset is None:
        return None
    found = uploads.kept_models(lab.browser)
    here = setup.model or TRAINED
    fits = (len(dataset.classes), dataset.shape)
    keys = [TRAINED, *(key for key, about in found.items() if (about.classes, about.shape) == fits)]
    keys += [here] * (here not in keys)
    picked = here
    if len(keys) > 1:
        picked = st.selectbox(
            "Original model",
            keys,
            index=keys.index(here),
            key=f"model-{lab.token}",
            format_func=lambda key: "Trained by the Lab" if key == TRAINED else _short(found.get(key)),
        )
    st.button(
        "Your own model…",
        key=f"own-model-{lab.token}",
        on_click=_ask,
        width="stretch",
        help="Use a model that you trained: architecture, layer, safetensors file",
    )
    return picked or None


def show(lab: Lab) -> None:
    """Show the dialog if it is open; called in every rerun."""
    if state.recall("dialog", ("", ""))[0] == "model":
        st.dialog("Your own model", width="medium", on_dismiss=_close)(_dialog)(lab)


def _ask() -> None:
    state.remember("dialog", ("model", ""))
    state.remember("dialogs", dataset_upload.dialogs_opened() + 1)


def _close() -> None:
    state.recall_and_forget("dialog")
    state.recall_and_forget("checked-model")


def _short(about: ModelInfo | None) -> str:
    return "Removed" if about is None else f"{about.title} · {about.net} · {100 * about.test.share:.0f} %"


def _dialog(lab: Lab) -> None:
    setup = lab.experiment.setup
    try:
        dataset = load(setup.dataset, data_dir=setup.data_dir, download=False)
        arch, layer, size = where(dataset)
    except LabError as error:
        st.error(str(error))
        return
    file = st.file_uploader(
        "Weights (.safetensors)",
        ["safetensors"],
        key="own-model-file",
        max_upload_size=classroom_options.upload_mb(LIMIT_MB),
    )
    if file is None or layer is None:
        st.caption(HOW)
        _kept(lab)
        return
    own = _checked(file, arch, layer, size, dataset)
    if isinstance(own, str):
        st.error(own)
        return
    st.html(report(own.about, dataset.classes))
    if own.about.test.share < 2 * own.about.guessing:
        st.warning(
            "The model is hardly better than guessing. Check that dataset, scale and normalisation are those it was trained with."
        )
    if st.button("Use this model", key="own-model-use", type="primary", width="stretch"):
        problem = _use(lab, own)
        if problem is None:
            _close()
            st.rerun()
        st.error(problem)


def where(
    dataset: Dataset, *, key: str = "own-model", usual: str | None = None
) -> tuple[str, str | None, int | None]:
    """Show the form ``key`` for architecture, layer and scale, and return the choices.

    ``usual``: the architecture chosen at first.
    """
    from core.models.torchvision_based.torchvision_net import architectures

    left, right = st.columns([1.4, 1])
    fitting = nets_for(dataset.kind)
    names = [
        *(architectures() if dataset.kind == "images" else ()),
        *(name for name, net in uploads.LAB.items() if net in fitting),
    ]
    first = next(name for name in (usual, "resnet18", names[0]) if name in names)
    arch = left.selectbox(
        "Architecture",
        names,
        index=names.index(first),
        key=f"{key}-arch",
        help="A torchvision classifier, or one of the Lab's networks",
    )
    scale = right.selectbox(
        "Images are seen",
        list(SIZES),
        format_func=SIZES.__getitem__,
        key=f"{key}-size",
        disabled=arch in uploads.LAB,
        help="Image size that the network was trained on; the Lab's own networks use images unscaled",
    )
    size = scale or None
    layers = uploads.layer_names(arch, dataset, size=size)
    layer = st.selectbox(
        "Layer whose output is the representation",
        layers,
        index=len(layers) - 1,
        key=f"{key}-layer-{arch}-{size}",
        help="In the order of computation; the layers after it are the head",
    )
    return arch, layer, size


def _checked(file: Any, arch: str, layer: str, size: int | None, dataset: Dataset) -> UploadedModel | str:
    """Return the checked model, or a sentence that says what is wrong; each upload is checked once."""
    asked = (file.file_id, arch, layer, size, dataset.fingerprint)
    known = state.recall("checked-model")
    if known is not None and known[0] == asked:
        found: UploadedModel | str = known[1]
        return found
    with st.spinner("Reading and measuring the model"):
        try:
            classroom_options.check(file)
            found = uploads.check(arch, layer, file.getvalue(), dataset, title=file.name, size=size)
        except LabError as error:
            found = str(error)
        except Exception:  # no upload may stop the page
            log.exception("the upload %r could not be checked", file.name)
            found = FAILED
    state.remember("checked-model", (asked, found))
    return found


def _use(lab: Lab, own: UploadedModel) -> str | None:
    """Keep the model and open the Lab with it; on failure return a sentence and leave the Lab unchanged."""
    try:
        if lab.classroom is not None and not uploads.model_claims(own.key).is_of(lab.browser):
            lab.classroom.check_model()
        key = uploads.keep(own, lab.browser)
    except LabError as error:
        return str(error)
    return lab.change(replace(lab.experiment.setup, model=key))


def _kept(lab: Lab) -> None:
    """Show the kept models that this browser may see; its own ones can be shared and removed."""
    for key, about in uploads.kept_models(lab.browser).items():
        claims = uploads.model_claims(key)
        left, middle, right = st.columns([4, 1, 1], vertical_alignment="center")
        left.caption(about.describe())
        if not claims.may_change(lab.browser):
            middle.caption("from a terminal" if claims.terminal else "shared")
            continue
        if lab.browser is not None:
            was = claims.shared_by(lab.browser)
            shared = middle.toggle(
                "Shared", was, key=f"share-model-{key}", help="Every browser that reaches this Lab may use it"
            )
            if shared != was:
                _do(lambda: uploads.share_model(key, shared, str(lab.browser)))  # noqa: B023 - called at once
        open_here = key == lab.experiment.setup.model
        if right.button(
            "Remove",
            key=f"remove-model-{key}",
            disabled=open_here,
            help="This Lab uses it" if open_here else None,
        ):
            _do(lambda: uploads.remove_model(key, lab.browser))  # noqa: B023 - called at once


def _do(action: Any) -> None:
    try:
        action()
    except LabError as error:
        st.error(str(error))
    else:
        st.rerun(scope="fragment")


def report(about: ModelInfo, classes: tuple[str, ...]) -> str:
    """Return shapes and accuracies as HTML."""
    facts = {
        "Net": about.net,
        "Parameters": f"{about.parameters:,}",
        "Representation": f"{about.width:,} numbers",
        "Head": about.head,
        "Right on training images": _accuracy_text(about.train),
        "Right on test images": _accuracy_text(about.test),
    }
    facts |= {"Images scaled to": f"{about.size}×{about.size}"} if about.size else {}
    cells = "".join(f"<span class='fact'>{k} <b>{html.escape(v)}</b></span>" for k, v in facts.items())
    each = ", ".join(
        f"{html.escape(name)} {'–' if share is None else f'{100 * share:.0f} %'}"
        for name, share in zip(classes[:30], about.test.by_class, strict=False)
    )
    more = f", {len(classes) - 30} more" if len(classes) > 30 else ""
    return f"<div class='own'><div class='own-facts'>{cells}</div><p>Test, by class: {each}{more}.</p></div>"


def _accuracy_text(accuracy: uploads.Accuracy) -> str:
    part = (
        ""
        if accuracy.images == accuracy.of
        else f" (of {accuracy.of:,}, the rest was not measured, to save time)"
    )
    return f"{100 * accuracy.share:.1f} % of {accuracy.images:,}{part}"
