"""Every method where people play it: an Experiment, the terminal, a notebook; and methods of other packages."""

from __future__ import annotations

import ast
import json
import re
import sys
import textwrap
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tune import SEARCHED, capped, draw, line
from core import config
from core.config import EvalConfig
from core.errors import DivergedError, RequestError
from core.experiments.session.experiment import Experiment
from core.methods import METHODS, Registry, method, origin_of, preset_of
from core.methods.base import has_own_original
from core.projection.projection import Projection
from core.runs.run import Phase, Run, finish
from core.runs.setup import Setup
from core.runtime import seeding
from core.runtime.content_cache import ContentCache
from core.runtime.scheduler import Scheduler
from dashboard.cli import main
from dashboard.presentation.export import notebook as watch_module
from tests import toys

NAMES = list(METHODS)
ROOT = Path(__file__).parents[3]


class Flat:
    """A map without UMAP: the first two dimensions."""

    def fit(self, e, seed):
        return np.ascontiguousarray(e[:, :2])

    def follow(self, previous, e):
        return np.ascontiguousarray(previous)


@pytest.fixture
def toy_world(monkeypatch, toy_split):
    """The toy data is what every name loads, quickly trained; nothing is kept for other tests."""
    monkeypatch.setattr("core.experiments.session.preparation.load", lambda *a, **k: toy_split.dataset)
    monkeypatch.setattr(watch_module, "load", lambda *a, **k: toy_split.dataset)
    monkeypatch.setattr("core.config.TrainConfig.preset", classmethod(lambda *a: toys.TRAIN))
    for module in ("core.runs.original_models", "core.runs.reference_models"):
        monkeypatch.setattr(f"{module}.models", ContentCache("toys"))
    for module in ("core.experiments.session.preparation", "core.experiments.session.reference_pool"):
        monkeypatch.setattr(f"{module}.maps", ContentCache("toy-maps"))


def until(done, limit_s=120.0):
    end = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < end, "it took too long"
        threading.Event().wait(0.01)


# an Experiment


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_plays_every_method_step_by_step(name, toy_world):
    made = Experiment(
        Setup("toy", "class", (1,), device="cpu", method=name),
        Scheduler(workers=1),
        umap=Flat(),
        config=toys.quick(name).config,
        eval_config=EvalConfig(),
        reference_count=2,
    )
    try:
        made.start()
        until(lambda: made.run is not None or made.error)
        assert made.error is None, made.error
        assert made.model.width == made.projection.representations.shape[1]
        if made.run.total_steps > 1:
            made.play(1)
            until(lambda: made.run.phase is Phase.PAUSED)
            assert len(made.run.frames) == 2
        made.play()
        until(lambda: made.run.phase.over)
        assert made.run.error is None
        until(lambda: len(made.references) == 2)
        for reference in made.references:
            assert made.retrain_error is None
            assert reference.frame.positions.shape == made.projection.positions.shape
            assert reference.fit is None or -1 <= reference.fit <= 1
        turned = [r.fit is not None for r in made.references]
        assert turned == [has_own_original(METHODS[name]), True], (
            "only the first began where the original did"
        )
        assert all(np.isfinite(f.positions).all() for f in made.run.frames)
        made.want_follow()
        until(lambda: made.follow is not None and len(made.follow.positions) == len(made.run.frames))
        steps = made.run.steps
        made.reset()
        made.play(1)
        until(lambda: made.run.phase in (Phase.PAUSED, Phase.DONE))
        assert made.run.steps == steps[:1]
        if not made.run.phase.over:
            made.run.cancel()
            assert made.run.tick() is False
    finally:
        made.close()


def test_a_method_with_its_own_original_and_a_brought_model_is_one_sentence(
    toy_world, monkeypatch, toy_split
):
    monkeypatch.setattr(Setup, "split", lambda *a: toy_split)
    setup = Setup("toy", "class", (1,), device="cpu", method="sisa", model="mine")
    made = Experiment(setup, Scheduler(workers=1), umap=Flat())
    made.start()
    until(lambda: made.error)
    assert str(made.error) == "SISA must train its own original; choose no model, or another method"
    made.close()


# presets


def test_every_method_has_settings_for_every_task_and_says_where_from(digits):
    for name in NAMES:
        for task in config.TASKS:
            classes = (0, 1)
            split = Setup("digits", task, classes, ids=(1, 2)).split(digits)
            assert preset_of(name, split) is not None
            assert origin_of(name, "digits", task)


def test_chosen_images_begin_with_data_removals_settings(monkeypatch, digits):
    from core.methods import presets

    monkeypatch.setattr(presets, "FOUND", {("neggrad", "digits", "data"): {"lr": 0.5}})
    chosen = preset_of("neggrad", Setup("digits", "indices", ids=(1, 2)).split(digits))
    assert chosen.lr == 0.5
    assert origin_of("neggrad", "digits", "indices") == "data removal's on digits, not measured for this task"
    assert origin_of("neggrad", "own-small", "data") == "those of digits, not measured on these images"
    assert origin_of("neggrad", "cifar10", "data") == "its paper's, not measured here"
    assert "benchmarks.tune" in origin_of("neggrad", "digits", "data")


def test_every_preset_that_was_found_is_one_the_method_takes():
    from core.methods.presets import FOUND

    assert FOUND
    for (name, _, task), settings in FOUND.items():
        assert task in config.TASKS
        METHODS[name].Config(**settings)


@pytest.mark.parametrize("name", SEARCHED)
def test_the_search_draws_valid_candidates_that_cost_no_more_than_retraining(name, class_split, data_split):
    trained = config.TrainConfig.preset("digits", "class")
    drawn = set()
    for split in (class_split, data_split):
        generator = seeding.generator(0, "test", name)
        for candidate in (METHODS[name].Config(), *(draw(name, generator) for _ in range(30))):
            settled = capped(name, candidate, split)
            drawn.add(settled.lr)
            steps = METHODS[name](settled).steps(split, settled)
            passed = steps * settled.batch_size * METHODS[name].passes
            assert passed <= trained.epochs * len(split.remain_rows)
    assert len(drawn) > 25


def test_what_the_search_prints_is_an_entry_of_the_table():
    candidate = draw("scrub", seeding.generator(0, "test"))
    printed = line("scrub", "digits", "class", candidate)
    ((key, settings),) = ast.literal_eval("{" + printed + "}").items()
    assert key == ("scrub", "digits", "class")
    assert METHODS["scrub"].Config(**settings) == candidate


# the terminal


@pytest.mark.parametrize("name", NAMES)
def test_laf_run_plays_every_method(name, monkeypatch, capsys, tmp_path):
    laf = config._LAF["digits", "class"]
    monkeypatch.setitem(config._TRAIN, "digits", replace(config._TRAIN["digits"], epochs=1))
    monkeypatch.setitem(
        config._LAF, ("digits", "class"), replace(laf, epochs=1, vae=replace(laf.vae, epochs=1))
    )
    if name not in ("nothing", "retrain", "laf", "laf+r", "sisa", "unroll"):
        monkeypatch.setitem(
            sys.modules["core.methods.presets"].FOUND, (name, "digits", "class"), {"epochs": 1, "lr": 1e-4}
        )
    target = tmp_path / "out.json"
    assert main.main(["run", "--method", name, "--json", str(target), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    result = json.loads(target.read_text())
    assert result["method"] == name
    assert 0 <= result["metrics"]["unlearned"]["train_r"] <= 1
    assert f"settings: {origin_of(name, 'digits', 'class')}" in out


def test_a_model_for_a_method_with_its_own_original_is_refused_before_any_work(capsys):
    assert main.main(["run", "--method", "unroll", "--model", "m.safetensors", "--arch", "resnet18"]) == 2
    assert (
        capsys.readouterr().err
        == "laf: Unrolling SGD must train its own original; choose no model, or another method\n"
    )


# methods of other packages

GOOD = """
from dataclasses import dataclass
from core.methods.baselines.base import Baseline, BaselineConfig, mean_cross_entropy

@dataclass(frozen=True)
class HalfConfig(BaselineConfig):
    epochs: int = 1

class Half(Baseline):
    name, title, source, Config = "half", "Half-hearted", "nowhere", HalfConfig

    def update(self, state, config):
        loss = 0.5 * mean_cross_entropy(state.model, *state.batch("remain"))
        return {"remain": float(loss.detach())}, {"remain": state.descend(loss)}
"""


@pytest.fixture
def plug_ins(tmp_path, monkeypatch):
    """Gives a way to install a package whose module is text and whose entry points are told; the registry looks anew."""

    def install(text, **points):
        site = tmp_path / "site"
        info = site / "fakeplug-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "fakeplug.py").write_text(textwrap.dedent(text))
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fakeplug\nVersion: 1.0\n")
        lines = [f"{name} = {target}" for name, target in points.items()]
        (info / "entry_points.txt").write_text("[laf_lab.methods]\n" + "\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, "fakeplug", raising=False)

    monkeypatch.setattr(METHODS, "_plugged", None)
    monkeypatch.setattr(METHODS, "broken", {})
    yield install
    sys.modules.pop("fakeplug", None)


def test_a_plug_in_is_found_and_plays(plug_ins, toy_split, toy_model):
    plug_ins(GOOD, half="fakeplug:Half")
    assert list(METHODS) == [*NAMES, "half"]
    assert METHODS.broken == {}
    assert preset_of("half", toy_split) is None
    assert origin_of("half", "toy", "class") == "its own"
    run = Run(method("half", None), toy_model, toy_split)
    finish(run)
    assert len(run.steps) == 2
    assert run.config.epochs == 1


BROKEN = {
    "raises on import": ("raise OSError('no licence\\nsecond line')", "fakeplug:Half", "OSError: no licence"),
    "has no such name": (GOOD, "fakeplug:Whole", "AttributeError: "),
    "lacks something": (
        "class Half:\n    name = title = 'h'\n",
        "fakeplug:Half",
        "it lacks needs_labels, configure, stages",
    ),
    "is not there": (GOOD, "nowhere_at_all:Half", "ModuleNotFoundError: "),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_plug_in_is_named_with_its_reason_and_all_others_work(
    kind, plug_ins, capsys, toy_split, toy_model
):
    text, target, why = BROKEN[kind]
    plug_ins(text, half=target)
    assert list(METHODS) == NAMES
    assert why in METHODS.broken["half"]
    assert "\n" not in METHODS.broken["half"]
    with pytest.raises(RequestError, match="'half' was not loaded: "):
        method("half")
    assert len(finish(Run(toys.quick("finetune"), toy_model, toy_split)).state_dict())
    assert main.main(["run", "--method", "half"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert why in err


def test_a_plug_in_cannot_take_the_name_of_one_of_the_labs_own(plug_ins):
    plug_ins(GOOD, finetune="fakeplug:Half")
    assert list(METHODS) == NAMES
    assert METHODS["finetune"].__module__ == "core.methods.baselines.finetune"
    assert "one of the Lab's own" in METHODS.broken["finetune"]


def test_a_method_can_be_added_for_this_process(toy_split, toy_model):
    registry = Registry()
    registry.add("mine", METHODS["finetune"])
    assert registry["mine"] is METHODS["finetune"]
    assert list(registry)[-1] == "mine"
    with pytest.raises(RequestError, match="one of the Lab's own"):
        registry.add("laf", METHODS["finetune"])


def test_what_a_plug_in_raises_becomes_one_sentence(plug_ins, toy_split, toy_model):
    plug_ins(GOOD.replace("loss = 0.5", "loss = 1 / 0"), half="fakeplug:Half")
    run = Run(method("half"), toy_model, toy_split)
    with pytest.raises(Exception, match="Half-hearted failed: ZeroDivisionError"):
        finish(run)
    assert run.phase is Phase.FAILED


def test_the_documented_plug_in_works(plug_ins, toy_split, toy_model):
    """docs/methods.md: its example, registered as its pyproject says."""
    text = (ROOT / "docs" / "methods.md").read_text()
    code = re.search(r"```python\n(# forgetful.py.*?)```", text, re.S).group(1)
    name, target = re.search(r'\[project.entry-points."laf_lab.methods"\]\n(\S+) = "(\S+)"', text).groups()
    plug_ins(code, **{name: target.replace("forgetful:", "fakeplug:")})
    assert METHODS.broken == {}
    run = Run(method(name), toy_model, toy_split, seed=0)
    finish(run)
    again = Run(method(name), toy_model, toy_split, seed=0)
    finish(again)
    assert run.steps == again.steps
    assert run.total_steps == len(run.steps) > 1
    assert not toys.same(run.result.state_dict(), toy_model.state_dict())
    assert {s.stage for s in run.steps} == {"unlearn"}


# a notebook


@pytest.fixture
def flat(monkeypatch):
    monkeypatch.setattr(
        Projection, "fit", classmethod(lambda cls, e0, **k: cls(e0.numpy(), e0[:, :2].numpy(), Flat()))
    )


def watched(unlearner, **more):
    return watch_module.watch(unlearner, dataset="toy", classes=[1], device="cpu", progress=False, **more)


@pytest.mark.parametrize("kind", ["object", "class", "name"])
def test_watch_plays_what_it_is_given_and_draws_each_frame(kind, toy_world, flat):
    unlearner = {"object": toys.quick("neggrad+"), "class": METHODS["neggrad"], "name": "nothing"}[kind]
    from laf_lab import watch

    assert watch is watch_module.watch
    seen = watched(unlearner)
    figure, frames = seen.figure, seen.run.frames
    assert seen.run.phase is Phase.DONE
    assert len(figure.frames) == len(frames) == len(seen.run.steps) + 1
    assert len(figure.layout.sliders[0].steps) == len(frames)
    last = figure.frames[-1].data
    is_forget = seen.run.observer.evaluator.is_forget.numpy()
    np.testing.assert_array_equal(last[0].x, frames[-1].positions[~is_forget, 0])
    np.testing.assert_array_equal(last[1].y, frames[-1].positions[is_forget, 1])
    assert list(last[3].y) == [100 * f.reading.train_f for f in frames]
    assert len(figure.layout.shapes) == 3, "a line of the retrained model for each curve"


def test_watchs_page_fetches_nothing(toy_world, flat):
    seen = watched(toys.quick("nothing"))
    for page in (seen._repr_html_(), seen.html(full=True)):
        assert not re.search(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=""", page)
        assert "Plotly.newPlot" in page
        assert len(page) > 1_000_000, "plotly itself is inside"


def test_watch_with_a_method_that_trains_its_own_original(toy_world, flat):
    assert len(watched(toys.quick("sisa")).figure.frames) > 1


class Nearly:
    name = title = "nearly"
    needs_labels = False


class Wants(METHODS["finetune"]):
    def __init__(self, needed):
        super().__init__()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            Nearly,
            "Nearly is no method of unlearning: it lacks configure, stages, start, prepare, step, result",
        ),
        (Nearly(), "an object of Nearly is no method of unlearning: it lacks configure"),
        (42, "an object of int is no method of unlearning"),
        ("nope", "unknown method 'nope'"),
        (Wants, "Wants cannot be made without arguments"),
    ],
    ids=["class", "object", "number", "name", "arguments"],
)
def test_watch_says_in_one_sentence_what_is_wrong(given, words, toy_world, flat):
    with pytest.raises(RequestError) as caught:
        watched(given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_watch_lets_the_methods_own_error_through(toy_world, flat):
    with pytest.raises(DivergedError):
        watched(toys.quick("neggrad", lr=1e30, optimiser="sgd"))
