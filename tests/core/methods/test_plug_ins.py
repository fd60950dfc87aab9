"""Methods of other packages: found by entry point, named with the reason where they are broken."""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import pytest

from core.errors import LabError, RequestError
from core.methods import METHODS, Registry, method, origin_of, preset_of
from core.runs.run import Phase, Run, finish
from dashboard.cli import main
from tests import toys

NAMES = list(METHODS)


ROOT = Path(__file__).parents[3]


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
    """Return a function that installs a package from the text of its module and its entry points, for a fresh registry."""

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

    monkeypatch.setattr(METHODS, "_plug_ins", None)
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
    assert "name of a built-in method" in METHODS.broken["finetune"]


def test_a_method_can_be_added_for_this_process(toy_split, toy_model):
    registry = Registry()
    registry.add("mine", METHODS["finetune"])
    assert registry["mine"] is METHODS["finetune"]
    assert list(registry)[-1] == "mine"
    with pytest.raises(RequestError, match="name of a built-in method"):
        registry.add("laf", METHODS["finetune"])
    with pytest.raises(RequestError, match="takes a name and a class, got 3 as the name"):
        registry.add(3, METHODS["finetune"])
    with pytest.raises(RequestError, match=r"write METHODS.add\('half', Finetune\)"):
        registry.add("half", METHODS["finetune"]())
    with pytest.raises(RequestError, match="Path is not a method of unlearning: it lacks title"):
        registry.add("half", Path)
    assert repr(registry) == f"Methods: {', '.join(NAMES)}, mine"


MISTAKES = {
    "labels": (
        GOOD.replace("    def update", "    needs_labels = False\n\n    def update"),
        "Half-hearted reads labels, and its needs_labels is False",
    ),
    "no return": (GOOD.replace("return {", "_ = {"), "Half.update must return its losses .* got None"),
    "a text": (GOOD.replace("float(loss.detach())", "'a'"), "Half.update must return its losses"),
    "no settings": (
        GOOD + "\n    def configure(self, model, split):\n        pass\n",
        "Half.configure must set self.config when none was given",
    ),
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_plug_in_says_what_to_change(text, words, plug_ins, toy_split, toy_model):
    plug_ins(text, half="fakeplug:Half")
    with pytest.raises(LabError, match=words):
        finish(Run(method("half"), toy_model, toy_split))


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


def test_a_broken_plug_in_is_told_once(plug_ins, caplog):
    plug_ins("raise OSError('no licence')", half="fakeplug:Half")
    with pytest.raises(RequestError, match="'half' was not loaded: OSError: no licence"):
        method("half")
    assert caplog.records == [], "the error says it"
    METHODS._plug_ins, METHODS.broken = None, {}
    assert list(METHODS) == list(METHODS) == NAMES
    assert [r.getMessage() for r in caplog.records] == [
        "the method half of fakeplug:Half was not loaded: OSError: no licence"
    ]


INCOMPLETE = {
    "no update": (
        GOOD.replace("def update", "def upgrade"),
        "Half is not a method of unlearning: it lacks update",
    ),
    "no config": (GOOD.replace(", Config =", ", Settings ="), "it lacks Config"),
    "no name": (GOOD.replace("name, title,", "nom, title,"), "it lacks name"),
}


@pytest.mark.parametrize(("text", "words"), INCOMPLETE.values(), ids=INCOMPLETE)
def test_a_function_that_a_plug_in_lacks_is_named(text, words, plug_ins, toy_split, toy_model):
    plug_ins(text, half="fakeplug:Half")
    assert list(METHODS) == NAMES
    assert words in METHODS.broken["half"]
    import fakeplug

    with pytest.raises(RequestError, match=words):
        Run(fakeplug.Half(), toy_model, toy_split)


def test_an_unknown_name_is_the_labs_error_and_a_key_error(plug_ins):
    for ask in (lambda: METHODS["lav"], lambda: method("lav")):
        with pytest.raises(
            RequestError, match=r"^unknown method 'lav'; there are: nothing, retrain, "
        ) as caught:
            ask()
        assert isinstance(caught.value, KeyError)
    assert METHODS.get("lav") is None
    assert "lav" not in METHODS
    assert 42 not in METHODS
