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
from dashboard.presentation.text.pages import common
from dashboard.presentation.text.pages.lab import uploads as say
from dashboard.session import classroom_options
from dashboard.session import lab as state
from dashboard.session.lab import Lab

log = logging.getLogger(__name__)

LIMIT_MB = 1024
TRAINED = ""  # the choice "Trained by the Lab"
SIZES = {
    0: say.AS_THEY_ARE,
    64: "64×64",
    96: "96×96",
    128: "128×128",
    224: "224×224",
}


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
            say.ORIGINAL_MODEL,
            keys,
            index=keys.index(here),
            key=f"model-{lab.token}",
            format_func=lambda key: say.TRAINED_BY_LAB if key == TRAINED else _short(found.get(key)),
        )
    st.button(
        say.YOUR_MODEL_BUTTON,
        key=f"own-model-{lab.token}",
        on_click=_ask,
        width="stretch",
        help=say.YOUR_MODEL_HELP,
    )
    return picked or None


def show(lab: Lab) -> None:
    """Show the dialog if it is open; called in every rerun."""
    if state.recall("dialog", ("", ""))[0] == "model":
        st.dialog(say.YOUR_MODEL, width="medium", on_dismiss=_close)(_dialog)(lab)


def _ask() -> None:
    state.remember("dialog", ("model", ""))
    state.remember("dialogs", dataset_upload.dialogs_opened() + 1)


def _close() -> None:
    state.recall_and_forget("dialog")
    state.recall_and_forget("checked-model")


def _short(about: ModelInfo | None) -> str:
    return say.REMOVED if about is None else f"{about.title} · {about.net} · {100 * about.test.share:.0f} %"


def _dialog(lab: Lab) -> None:
    setup = lab.experiment.setup
    try:
        dataset = load(setup.dataset, data_dir=setup.data_dir, download=False)
        arch, layer, size = where(dataset)
    except LabError as error:
        st.error(str(error))
        return
    file = st.file_uploader(
        say.WEIGHTS,
        ["safetensors"],
        key="own-model-file",
        max_upload_size=classroom_options.upload_mb(LIMIT_MB),
    )
    if file is None or layer is None:
        st.caption(say.HOW_MODEL)
        _kept(lab)
        return
    own = _checked(file, arch, layer, size, dataset)
    if isinstance(own, str):
        st.error(own)
        return
    st.html(report(own.about, dataset.classes))
    if own.about.test.share < 2 * own.about.guessing:
        st.warning(say.NEAR_GUESSING)
    if st.button(say.USE_MODEL, key="own-model-use", type="primary", width="stretch"):
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
        say.ARCHITECTURE,
        names,
        index=names.index(first),
        key=f"{key}-arch",
        help=say.ARCHITECTURE_HELP,
    )
    scale = right.selectbox(
        say.IMAGES_ARE_SEEN,
        list(SIZES),
        format_func=SIZES.__getitem__,
        key=f"{key}-size",
        disabled=arch in uploads.LAB,
        help=say.SCALE_HELP,
    )
    size = scale or None
    layers = uploads.layer_names(arch, dataset, size=size)
    layer = st.selectbox(
        say.LAYER,
        layers,
        index=len(layers) - 1,
        key=f"{key}-layer-{arch}-{size}",
        help=say.LAYER_HELP,
    )
    return arch, layer, size


def _checked(file: Any, arch: str, layer: str, size: int | None, dataset: Dataset) -> UploadedModel | str:
    """Return the checked model, or a sentence that says what is wrong; each upload is checked once."""
    asked = (file.file_id, arch, layer, size, dataset.fingerprint)
    known = state.recall("checked-model")
    if known is not None and known[0] == asked:
        found: UploadedModel | str = known[1]
        return found
    with st.spinner(say.MEASURING_MODEL):
        try:
            classroom_options.check(file)
            found = uploads.check(arch, layer, file.getvalue(), dataset, title=file.name, size=size)
        except LabError as error:
            found = str(error)
        except Exception:  # no upload may stop the page
            log.exception("the upload %r could not be checked", file.name)
            found = say.MODEL_FAILED
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
            middle.caption(say.FROM_TERMINAL if claims.terminal else say.IS_SHARED)
            continue
        if lab.browser is not None:
            was = claims.shared_by(lab.browser)
            shared = middle.toggle(common.SHARED, was, key=f"share-model-{key}", help=say.MODEL_SHARED_HELP)
            if shared != was:
                _do(lambda: uploads.share_model(key, shared, str(lab.browser)))  # noqa: B023 - called at once
        open_here = key == lab.experiment.setup.model
        if right.button(
            common.REMOVE,
            key=f"remove-model-{key}",
            disabled=open_here,
            help=say.IN_USE if open_here else None,
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
        say.NET: about.net,
        say.PARAMETERS: f"{about.parameters:,}",
        say.REPRESENTATION: say.numbers(about.width),
        say.HEAD: about.head,
        say.RIGHT_ON_TRAINING: _accuracy_text(about.train),
        say.RIGHT_ON_TEST: _accuracy_text(about.test),
    }
    facts |= {say.SCALED_TO: f"{about.size}×{about.size}"} if about.size else {}
    cells = "".join(f"<span class='fact'>{k} <b>{html.escape(v)}</b></span>" for k, v in facts.items())
    each = ", ".join(
        f"{html.escape(name)} {'–' if share is None else f'{100 * share:.0f} %'}"
        for name, share in zip(classes[:30], about.test.by_class, strict=False)
    )
    more = say.more(len(classes) - 30) if len(classes) > 30 else ""
    return f"<div class='own'><div class='own-facts'>{cells}</div><p>{say.by_class(each, more)}</p></div>"


def _accuracy_text(accuracy: uploads.Accuracy) -> str:
    part = "" if accuracy.images == accuracy.of else say.of_a_part(accuracy.of)
    return say.accuracy(accuracy.share, accuracy.images, part)
