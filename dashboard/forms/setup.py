"""Transport buttons and the forms that choose what the Lab plays."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.data.planted import PLANTS
from core.errors import LabError
from core.methods.base import has_own_original
from core.runs.run import Phase
from core.runs.setup import FRACTIONS, MOST_SEED, Setup, usual_classes
from dashboard.forms import dataset_upload, hyperparameters, model_upload
from dashboard.forms import method as methods_form
from dashboard.forms.lazy_popover import late_popover
from dashboard.session import classroom_options
from dashboard.session import lab as state
from dashboard.session.lab import Lab

PLANTED = "planted"
TASKS = {
    "class": "Class removal",
    "data": "Data removal",
    "noise": "Noisy labels",
    PLANTED: "Planted truth",
}
WAIT = "The original model is still being prepared"
LINE_S = 1.0
WHY_LINE = "Many share this machine: runs take turns, in the order in which they asked"
OVER = "The run is at its end; Reset starts it anew"


def transport(lab: Lab) -> None:
    """Reset, Play or Pause, Step, Step ×10; disabled with the reason where they would be illegal."""
    phase = lab.phase
    stopped = _why_not(phase)
    waiting = WAIT if phase is None else None
    untouched = "The run has not begun" if phase is Phase.READY else None
    playing = "The run is playing; pause it first" if phase is Phase.RUNNING else None
    with st.container(horizontal=True, gap="small", key="transport"):
        _button("Reset", lab, "reset", waiting or untouched, "Back to the original model (home key)", "Home")
        if playing:
            _button(
                "Pause", lab, "pause", None, "Stop after the step in progress (space)", "Space", primary=True
            )
        else:
            _button("Play", lab, "play", stopped, "Play to the end (space)", "Space", primary=True)
        _button("Step", lab, "step", stopped or playing, f"{_one_step(lab)} (→)", "Right")
        _button("Step ×10", lab, "ten", stopped or playing, "Ten steps (shift →)", "Shift+Right")
        slow = st.toggle(
            "Slow",
            value=lab.experiment.slow,
            key=f"slow-{lab.token}",
            help="Slow motion: about one step a second; the map names each stage and shows what it acts on",
        )
        if slow != lab.experiment.slow:
            lab.experiment.set_slow(slow)
        if lab.place is not None:
            _line(lab)


@st.fragment(run_every=LINE_S)
def _line(lab: Lab) -> None:
    """Where the run stands in the classroom's line; the page is drawn anew when it has its turn."""
    place = lab.place
    said = "It is your turn" if place is None else classroom_options.in_line(place)
    st.html(f"<p class='in-line' role='status' title='{WHY_LINE}'>{said}</p>")


def _one_step(lab: Lab) -> str:
    """What a step of the method is."""
    name = lab.experiment.setup.method
    pair = "One step on L_UE, then one on L_RA"
    own = {
        "laf": pair,
        "laf+r": f"{pair}; after the last of them one on the labels",
        "nothing": "The only step, which changes nothing",
    }
    return own.get(name, f"One step of {methods_form.made(name).title}")


def _why_not(phase: Phase | None) -> str | None:
    if phase is None:
        return WAIT
    if phase is Phase.FAILED:
        return "The run failed; Reset starts it anew"
    return OVER if phase.over else None


def _button(
    label: str, lab: Lab, move: str, why_not: str | None, help: str, key: str, *, primary: bool = False
) -> None:
    st.button(
        label,
        key=f"transport-{move}",
        on_click=_move,
        args=(lab, move),
        disabled=why_not is not None,
        help=why_not or help,
        shortcut=key,
        type="primary" if primary else "secondary",
    )


def _move(lab: Lab, move: str) -> None:
    e = lab.experiment
    moves = {
        "play": e.play,
        "pause": e.pause,
        "reset": e.reset,
        "step": lambda: e.play(1),
        "ten": lambda: e.play(10),
    }
    try:
        moves[move]()
    except LabError as error:  # the run reached its end between the click and now
        st.toast(str(error))


def setup_bar(lab: Lab) -> None:
    """What is played, and the form that changes it."""
    e = lab.experiment
    split = e.split
    source = dataset_upload.source_of(lab, e.setup.dataset)
    data, forget, knobs, facts = st.columns([1.6, 3.2, 1, 6.1], gap="small")
    with data:
        box, wanted = late_popover(
            f"Data **{source.title}**",
            width="stretch",
            help="Choose a dataset and a seed",
            key=f"data-{lab.token}-{dataset_upload.asked()}",
        )
    if wanted:
        with box:
            _form(lab)
    with forget:
        what = "…"
        if split is not None:
            what = f"{split.request.describe(split.dataset.classes)} · {len(split.forget_rows):,} of {len(split.train):,} images"
        box, wanted = late_popover(
            f"Forget **{what}**",
            width="stretch",
            help="Choose which images must be forgotten",
            key=f"forget-{lab.token}",
        )
    if wanted:
        with box:
            _request(lab)
    with knobs:
        hyperparameters.popover(lab)
    with facts:
        st.html(_facts(lab))
    dataset_upload.show(lab)
    model_upload.show(lab)


def _form(lab: Lab) -> None:
    """Another dataset, seed or data folder; what to forget keeps its preset."""
    setup = lab.experiment.setup
    sources = {name: dataset_upload.source_of(lab, name) for name in dataset_upload.names(lab)}
    names = list(sources)
    name = st.radio(
        "Dataset",
        names,
        index=names.index(setup.dataset),
        format_func=lambda n: sources[n].title,
        captions=[source.note for source in sources.values()],
        key=f"dataset-{lab.token}",
    )
    dataset_upload.buttons(lab, name)
    model = model_upload.choice(lab, name)
    folder = None
    if sources[name].needs_files and lab.classroom is None:
        folder = st.text_input(
            "Folder with its files (empty: the Lab's own)",
            value=setup.data_dir or "",
            key=f"folder-{lab.token}",
            help="It is read as it lies; what is missing is downloaded into the Lab's own folder only",
        )
    seed = st.number_input(
        "Seed",
        0,
        MOST_SEED,
        setup.seed,
        key=f"seed-{lab.token}",
        help="Decides initial weights, batches and noise",
    )
    if st.button("Use this data", key=f"use-data-{lab.token}", type="primary", width="stretch"):
        chosen = replace(setup, dataset=name, seed=int(seed), data_dir=folder or None, model=model)
        if name != setup.dataset:
            task = "class" if setup.task == "indices" else setup.task  # ids are of one dataset
            chosen = replace(chosen, task=task, ids=())
        _apply(lab, chosen, usual=name != setup.dataset)
    _problem()


def _request(lab: Lab) -> None:
    """Task, classes, fraction, or what to plant; and by which method."""
    setup, dataset = lab.experiment.setup, lab.experiment.dataset
    if dataset is None:
        st.caption("The images are being read.")
        return
    now = PLANTED if setup.plant else setup.task if setup.task in TASKS else "class"
    task = st.radio(
        "Task",
        list(TASKS),
        index=list(TASKS).index(now),
        format_func=TASKS.__getitem__,
        horizontal=True,
        key=f"task-{lab.token}",
    )
    chosen = replace(setup, task=task, plant=None, ids=())
    if task == PLANTED:
        kinds = list(PLANTS)
        at = kinds.index(setup.plant) if setup.plant else 0
        kind = st.radio(
            "What is planted",
            kinds,
            index=at,
            format_func=lambda k: PLANTS[k].title,
            captions=[PLANTS[k].note for k in kinds],
            key=f"plant-{lab.token}",
        )
        st.caption(
            "The original model is trained on data with the plant in it; forgetting must remove what only the plant teaches."
        )
        chosen = replace(chosen, task=setup.task, plant=kind)
    else:
        chosen = _classes(lab, chosen, list(dataset.classes), same=task == now)
    chosen = methods_form.choose(chosen, dataset.family, _preset_task(chosen), lab.token)
    if st.button("Forget these", key=f"use-request-{lab.token}", type="primary", width="stretch"):
        _apply(lab, chosen)
    _problem()


def _preset_task(setup: Setup) -> str:
    """Whose preset a request is played with: planted images are mislabelled ones, or copies."""
    if setup.plant is None:
        return setup.task
    return "indices" if setup.plant == "duplicates" else "noise"


def _classes(lab: Lab, setup: Setup, names: list[str], *, same: bool) -> Setup:
    """``setup`` with the classes and the share that are picked; ``same`` keeps what it has as the first choice."""
    task = setup.task
    numbers = setup.classes if same else usual_classes(task, len(names))
    picked = [names[c] if isinstance(c, int) else c for c in numbers]
    classes = st.pills(
        "Classes", names, selection_mode="multi", default=picked, key=f"classes-{task}-{lab.token}"
    )
    fraction = None
    if task in FRACTIONS:
        label = "Share of each that is mislabelled, %" if task == "noise" else "Share of each of them, %"
        share = min(99, max(1, round(100 * ((same and setup.fraction) or FRACTIONS[task]))))
        fraction = st.slider(label, 1, 99, share, key=f"fraction-{task}-{lab.token}") / 100
    if task == "noise":
        st.caption("Each gets a wrong label, any of the others; the original model is trained on them.")
    return replace(setup, classes=tuple(names.index(c) for c in classes), fraction=fraction)


def _apply(lab: Lab, setup: Setup, *, usual: bool = False) -> None:
    with st.spinner("Reading the images"):
        problem = lab.change(setup, usual=usual)
    if problem is None:
        st.rerun()
    state.remember("problem", problem)


def _problem() -> None:
    problem = state.recall_and_forget("problem")
    if problem:
        st.error(problem)


def _facts(lab: Lab) -> str:
    """The settings of the run and what was made for it, in one line."""
    e = lab.experiment
    parts: list[tuple[str, str]] = []
    method = methods_form.made(e.setup.method)
    config = e.config if e.run is None else e.run.config
    parts += [("Method", method.title), *methods_form.settings(e.setup.method, config)]
    if e.setup.model is not None:
        parts += [("Model", "yours")]
    elif has_own_original(method):
        parts += [("Model", f"{method.title}'s own original")]
    elif e.model is not None and e.model.provenance is not None:
        parts += [("Model", f"trained {e.model.provenance.seconds:.1f} s")]
    if e.references:
        first = e.references[0]
        # a model that was given began from weights nobody knows: its retrained twin is turned into its coordinates
        turned = "" if first.fit is None else f", turned to fit {first.fit:.2f}"
        parts += [("Retrained", f"{len(e.references)} · first {first.seconds:.1f} s{turned}")]
    if e.model is not None:
        device = next(e.model.parameters()).device.type
        threads = getattr(e.config, "threads", None)
        threads = f" · {threads} thread" if threads is not None and device == "cpu" else ""
        parts += [("Device", f"{device.upper()}{threads} · seed {e.setup.seed}")]
    cells = "".join(f"<span class='fact'>{k} <b>{v}</b></span>" for k, v in parts)
    return f"<div class='facts'>{cells}</div>"
