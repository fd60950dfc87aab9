"""The forms that choose dataset, forget set and method of the Lab's run, and the line of facts."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.data.planted import PLANTS, plants_for
from core.methods.base import has_own_original
from core.runs.original_models import ships
from core.runs.setup import FRACTIONS, MOST_SEED, Setup, usual_classes
from dashboard.forms import dataset_upload, hyperparameters, model_upload
from dashboard.forms import method as methods_form
from dashboard.forms.forget import chain, clients
from dashboard.forms.lazy_popover import lazy_popover
from dashboard.presentation.text.hyperparameters import NOTHING, describe_changes
from dashboard.presentation.text.pages import common, nouns
from dashboard.presentation.text.pages.lab import clients as owners_text
from dashboard.presentation.text.pages.lab import setup as say
from dashboard.presentation.text.readouts.fact_line import fact_line
from dashboard.presentation.text.readouts.status_text import short_title
from dashboard.session import tab_state
from dashboard.session.lab import Lab
from dashboard.session.url_params import with_usual_settings

PLANTED = "planted"
TASKS = {
    "class": say.CLASS_REMOVAL,
    "data": say.DATA_REMOVAL,
    "noise": say.NOISY_LABELS,
    PLANTED: say.PLANTED_TRUTH,
}


OWN_NET = ""  # the choice of the dataset's own net
NETS = {
    OWN_NET: say.OWN_NET,
    "digits-cnn": say.SMALL_CNN,
    "cnn": say.PAPERS_CNN,
    "small-resnet": say.SMALL_RESNET,
    "resnet18": say.RESNET_18,
    "vit": say.VIT,
    "vit-conv": say.VIT_CONV,
}


def setup_bar(lab: Lab) -> None:
    """Show dataset, forget set, hyperparameters and facts, with the forms that change them."""
    e = lab.experiment
    split, kind = e.split, nouns.kind_of(e.dataset)
    source = dataset_upload.source_of(lab, e.setup.dataset)
    what, share = "…", ""
    if split is not None:
        what = split.request.describe(split.dataset.classes)
        share = say.share(len(split.newest_rows), len(split.train), kind)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="setup-bar"):
        data, data_wanted = lazy_popover(
            say.data_button(source.title),
            help=say.DATA_HELP,
            key=f"data-{lab.token}-{dataset_upload.dialogs_opened()}",
        )
        forget, forget_wanted = lazy_popover(
            say.forget_button(what, share),
            help=say.forget_help(kind),
            key=f"forget-{lab.token}",
        )
        chain.forget_more(lab)
        hyperparameters.popover(lab)
        st.html(_facts(lab), width="stretch")
    if data_wanted:
        with data:
            _form(lab)
    if forget_wanted:
        with forget:
            _request(lab)
    dataset_upload.show(lab)
    model_upload.show(lab)


def _form(lab: Lab) -> None:
    """Show the form for dataset, original model, data folder and seed."""
    setup = lab.experiment.setup
    sources = {name: dataset_upload.source_of(lab, name) for name in dataset_upload.names(lab)}
    names = list(sources)
    name = st.radio(
        common.DATASET,
        names,
        index=names.index(setup.dataset),
        format_func=lambda n: sources[n].title,
        captions=[source.note for source in sources.values()],
        key=f"dataset-{lab.token}",
    )
    dataset_upload.buttons(lab, name)
    model = model_upload.choice(lab, name)
    net = _net(lab, name) if model is None else None
    shared = clients.owners(lab, setup) if model is None else clients.one_owner(setup)
    folder = None
    if sources[name].needs_files and lab.classroom is None:
        folder = st.text_input(
            say.FOLDER,
            value=setup.data_dir or "",
            key=f"folder-{lab.token}",
            help=say.FOLDER_HELP,
        )
    problem = st.container()  # beside what is wrong most often: the form is higher than the screen
    seed = st.number_input(
        common.SEED,
        0,
        MOST_SEED,
        setup.seed,
        key=f"seed-{lab.token}",
        help=say.SEED_HELP,
    )
    if st.button(say.USE_DATA, key=f"use-data-{lab.token}", type="primary", width="stretch"):
        # other images or another original begin a new chain
        chosen = replace(shared, seed=int(seed), data_dir=folder or None, model=model, net=net, earlier=())
        _apply(lab, _of_data(chosen, name, setup), usual=name != setup.dataset)
    with problem:
        _problem()


def _of_data(chosen: Setup, name: str, before: Setup) -> Setup:
    """Return ``chosen`` for the dataset ``name``, with its usual settings where those of ``before`` no longer fit."""
    if name != before.dataset:
        task = "class" if before.task == "indices" else before.task  # ids belong to one dataset
        return with_usual_settings(replace(chosen, dataset=name, client=None, task=task, ids=()))
    # presets were measured on the dataset's own net and one owner
    if (chosen.net, chosen.clients, chosen.server) != (before.net, before.clients, before.server):
        return with_usual_settings(chosen)
    return chosen


def _net(lab: Lab, name: str) -> str | None:
    """Show the choice of the net for dataset ``name``; return it, or None for the dataset's own."""
    setup, dataset = lab.experiment.setup, lab.experiment.dataset
    if name != setup.dataset or dataset is None or len(dataset.shape) != 3:
        return None
    here = setup.net or OWN_NET
    names = [*NETS, *([here] if here not in NETS else [])]
    picked = st.selectbox(
        say.NET,
        names,
        index=names.index(here),
        format_func=lambda net: NETS.get(net, net),
        key=f"net-{lab.token}",
        help=say.NET_HELP,
    )
    return picked or None


def _request(lab: Lab) -> None:
    """Show the form for task, classes, share, plant and method."""
    setup, dataset = lab.experiment.setup, lab.experiment.dataset
    if dataset is None:
        st.caption(say.BEING_READ)
        return
    now = PLANTED if setup.plant else setup.task if setup.task in TASKS else "class"
    owners = None if lab.experiment.split is None else lab.experiment.split.dataset.clients
    tasks = TASKS if owners is None else TASKS | {clients.LEAVES: owners_text.LEAVES}
    if setup.client is not None and owners is not None:
        now = clients.LEAVES
    task = st.radio(
        common.TASK,
        list(tasks),
        index=list(tasks).index(now),
        format_func=tasks.__getitem__,
        horizontal=True,
        key=f"task-{lab.token}",
    )
    chosen = replace(setup, client=None, task=task, plant=None, ids=())
    if task == clients.LEAVES and owners is not None:
        chosen = clients.who_leaves(lab, setup, owners)
    elif task == PLANTED:
        kinds = list(plants_for(dataset.kind))
        at = kinds.index(setup.plant) if setup.plant in kinds else 0
        kind = st.radio(
            say.WHAT_IS_PLANTED,
            kinds,
            index=at,
            format_func=lambda k: PLANTS[k].title,
            captions=[PLANTS[k].note for k in kinds],
            key=f"plant-{lab.token}",
        )
        st.caption(say.PLANTED_NOTE)
        chosen = replace(chosen, task=setup.task, plant=kind)
    else:
        chosen = _classes(lab, chosen, list(dataset.classes), same=task == now)
    chosen = methods_form.choose(chosen, dataset.family, _preset_task(chosen), lab.token)
    problem = st.container()
    if st.button(say.FORGET_THESE, key=f"use-request-{lab.token}", type="primary", width="stretch"):
        _apply(lab, chosen)
    with problem:
        _problem()
    chain.example(lab)


def _preset_task(setup: Setup) -> str:
    """Return the task whose preset fits: planted images are mislabelled images or copies."""
    if setup.plant is None:
        return setup.task
    return "indices" if setup.plant == "duplicates" else "noise"


def _classes(lab: Lab, setup: Setup, names: list[str], *, same: bool) -> Setup:
    """Show the choice of classes and share, and return ``setup`` with them.

    ``same``: begin with the values of ``setup``, otherwise with the task's usual ones.
    """
    task = setup.task
    numbers = setup.classes if same else usual_classes(task, len(names))
    picked = [names[c] if isinstance(c, int) else c for c in numbers]
    classes = st.pills(
        common.CLASSES, names, selection_mode="multi", default=picked, key=f"classes-{task}-{lab.token}"
    )
    fraction = None
    if task in FRACTIONS:
        label = say.SHARE_MISLABELLED if task == "noise" else say.SHARE_OF_EACH
        share = min(99, max(1, round(100 * ((same and setup.fraction) or FRACTIONS[task]))))
        fraction = st.slider(label, 1, 99, share, key=f"fraction-{task}-{lab.token}") / 100
    if task == "noise":
        st.caption(say.NOISE_NOTE)
    return replace(setup, classes=tuple(names.index(c) for c in classes), fraction=fraction)


def _apply(lab: Lab, setup: Setup, *, usual: bool = False) -> None:
    with st.spinner(say.READING):
        problem = lab.change(setup, usual=usual)
    if problem is None:
        st.rerun()
    tab_state.remember("problem", problem)


def _problem() -> None:
    problem = tab_state.recall_and_forget("problem")
    if problem:
        st.error(f"{problem[:1].upper()}{problem[1:]}")


def _origin(lab: Lab, config: object) -> str:
    """Return where the settings of the run come from, in a word."""
    e = lab.experiment
    if describe_changes(e.preset(), config) != NOTHING:
        return say.BY_HAND
    return e.setup.settings


def _facts(lab: Lab) -> str:
    """Return the settings of the run and its models in one line of HTML."""
    e = lab.experiment
    parts: list[tuple[str, str]] = []
    titles: dict[str, str] = {}
    method = methods_form.method_class(e.setup.method)
    config = e.config if e.run is None else e.driven.config
    name = short_title(method.title)
    if name != method.title:
        titles[common.METHOD] = method.title
    name = name if e.fork_run is None else say.fork_of(name)
    parts += [(common.METHOD, name), *methods_form.settings(e.setup.method, config)]
    if e.run is not None and e.setup.method == "laf":
        parts += [(common.SETTINGS, _origin(lab, config))]
        if e.automatic is not None:
            titles[common.SETTINGS] = e.automatic.settings.reason
    if e.split is not None and e.split.dataset.clients is not None:
        held = "" if e.setup.server == "images" else owners_text.server_holds(e.setup.server)
        parts.insert(0, (owners_text.OWNERS, e.split.dataset.clients.describe() + held))
    if e.setup.model is not None:
        parts += [(say.MODEL, say.YOURS)]
    elif has_own_original(method):
        parts += [(say.MODEL, say.own_original(method.title))]
    elif e.model is not None and e.model.provenance is not None:
        net = f"{e.setup.net}, " if e.setup.net is not None else ""
        shipped = e.split is not None and ships(e.model, e.split)
        seconds = e.model.provenance.seconds
        parts += [(say.MODEL, f"{net}{say.SHIPS if shipped else say.trained(seconds)}")]
        if shipped:
            titles[say.MODEL] = say.shipped(seconds)
    if e.references:
        first = e.references[0]
        # an uploaded model's initial weights are unknown, so its retrained model is rotated into its coordinates
        turned = "" if first.fit is None else say.turned(first.fit)
        parts += [(say.RETRAINED, f"{say.retrained(len(e.references), first.seconds)}{turned}")]
    if e.model is not None:
        device = next(e.model.parameters()).device.type
        threads = getattr(e.config, "threads", None)
        threads = say.threads(threads) if threads is not None and device == "cpu" else ""
        parts += [(say.DEVICE, f"{device.upper()}{threads} · {say.seed(e.setup.seed)}")]
    return fact_line(parts, titles, nouns.kind_of(e.dataset))
