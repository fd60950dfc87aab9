"""Addresses that mean harm: each opens a setup within the limits or is told in one sentence, and no other tab notices."""

from __future__ import annotations

import gc
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import TASKS, LAFConfig, TrainConfig, VAEConfig, replace
from core.data import registry
from core.errors import ConfigError, RequestError
from core.experiments.session.limits import SessionLimits
from core.experiments.session.memory_estimate import estimate
from core.experiments.session.preparation_cache import PreparationCache
from core.methods import METHODS
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.presentation.text.readouts.status_text import as_text
from dashboard.session.jobs import study
from dashboard.session.lab import Lab
from dashboard.session.url_params import MOST_IDS, differing, read_request, usual_setup, with_settings
from tests.toys import Flat
from tests.waiting import until, until_prepared

DIGITS = {"dataset": "digits", "classes": "0"}
MORE_MB = 300  # that 200 hostile addresses may take


class Idle:
    """A Runner that takes work and does none: what opens is looked at, not played."""

    workers = 1

    def submit(self, task):
        pass

    def discard(self, task):
        pass


@pytest.fixture(scope="module", autouse=True)
def own_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(tmp_path_factory.mktemp("the-servers-home")))
        yield


def make(runner=None, **about):
    runner = Idle() if runner is None else runner  # an idle Runner is empty, and so counts as False
    maps = Scheduler(workers=1) if isinstance(runner, Scheduler) else runner
    return Lab(runner, Flat(), maps, PreparationCache(), browser="0" * 32, **about)


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def is_one_sentence(said: str) -> bool:
    home = os.environ["LAF_HOME"]
    return (
        bool(said) and "\n" not in said and "Traceback" not in said and home not in said and len(said) < 1000
    )


# the three of the issue, and their like


@pytest.mark.parametrize(
    "found",
    [
        {"threads": 40000},
        {"threads": 1},
        {"vae": {"threads": 2}},
        {"laf": {"threads": 2}},
        {"train": {"threads": 40000}},
        {"repair": {"a": {"threads": 2}}},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", list(METHODS))
def test_threads_are_never_taken_from_an_address(name, found):
    wanted = read_request({**DIGITS, "method": name, "settings": json.dumps(found)})
    lab = make(asked=wanted)
    assert (
        lab.notice == "threads is not taken from an address: the server sets it; remove it from the address"
    )
    assert lab.experiment.setup == usual_setup()
    assert lab.experiment.config is None
    lab.close()


@pytest.mark.parametrize("name", ["0", "nope", "a\nb", "LAF"])
def test_an_address_that_names_no_method_is_told(name):
    lab = make(asked=read_request({**DIGITS, "method": name}))
    assert lab.notice.startswith("unknown method '")
    assert is_one_sentence(lab.notice)
    assert lab.experiment.setup == usual_setup()
    lab.close()


def test_the_threads_of_a_run_are_not_in_its_address():
    now = replace(LAFConfig(), threads=2, temperature=3.0)
    assert differing(LAFConfig(), now) == {"temperature": 3.0}
    assert differing(LAFConfig(), replace(LAFConfig(), threads=2)) == {}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"vae": {"latent": 200000}}, "latent must be at most 4,096, got 200000"),
        ({"epochs": 1e30}, "epochs must be a whole number of at least 1, got 1e+30"),
        ({"epochs": 10**30}, "epochs must be at most 10,000, got"),
        ({"batch_size": True}, "cannot be True"),
        ({"temperature": float("nan")}, "temperature must be a finite number > 0, got nan"),
        ({"vae": 5}, "vae must be a VAEConfig, got 5"),
        ({"__proto__": {}}, "does not know: __proto__"),
        ({"a\nb": 1}, r"does not know: 'a\nb'"),
    ],
    ids=str,
)
def test_settings_beyond_the_bounds_are_told(found, said):
    lab = make(asked=read_request({**DIGITS, "settings": json.dumps(found)}))
    assert said in lab.notice
    assert is_one_sentence(lab.notice)
    assert lab.experiment.config is None
    lab.close()


def test_a_net_is_one_of_the_labs():
    wanted = read_request({**DIGITS, "method": "retrain", "settings": '{"net": "tv:regnet_y_128gf@avgpool"}'})
    lab = make(asked=wanted)
    assert lab.notice.startswith("unknown net 'tv:regnet_y_128gf@avgpool'; there are: digits-cnn")
    lab.close()


@pytest.mark.parametrize("kind", ["zip", "npz", ""])
def test_a_path_is_refused_whether_or_not_it_is_there(tmp_path, kind, monkeypatch):
    there = tmp_path / f"zebra{kind and '.'}{kind}"
    there.write_bytes(b"no archive")
    absent = tmp_path / f"quail{kind and '.'}{kind}"
    monkeypatch.setattr(registry, "load", lambda *a, **k: pytest.fail("it was read"))
    said = []
    for path in (there, absent):
        lab = make(asked=read_request({"dataset": str(path)}))
        said.append(lab.notice.replace(path.stem, "NAME"))
        problem = lab.change(Setup(dataset=str(path)))  # as a page's form would
        assert problem.replace(path.stem, "NAME") == said[-1]
        assert lab.experiment.setup == usual_setup()
        lab.close()
    assert said[0] == said[1]
    assert "only the command line takes a file" in said[0]


@pytest.mark.parametrize(
    "name",
    [
        "own-../../etc",
        "own-",
        "own-0000",
        "OWN-000000000000",
        "own-000000000000/x",
        "../digits",
        "digits/",
        "./digits",
        "",
        "\x00",
        "digits\n",
        "~",
        "file:///etc/passwd",
    ],
)
def test_a_name_that_is_nearly_one_is_none(name):
    with pytest.raises(RequestError, match="unknown dataset"):
        registry.require_name(name)


def test_names_are_taken():
    for name in (*registry.DATASETS, "own-0123456789ab"):
        registry.require_name(name)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "own-0123456789ab", "%2e%2e", "\x00", "x" * 99]
)
def test_a_model_or_a_run_is_an_id(name):
    lab = make(asked=read_request({**DIGITS, "model": name}))
    assert lab.notice.startswith("no model is kept as ")
    lab.close()
    lab = make(asked=read_request({"run": name, "step": "9" * 18}))
    assert lab.notice.startswith("no run is kept as ")
    assert is_one_sentence(lab.notice)
    lab.close()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({"seed": "4294967296"}, "seed must be at most 2,147,483,647"),
        ({"fraction": "nan", "task": "data"}, "fraction must lie between 0 and 1"),
        ({"share": "7"}, "share must lie in (0, 1]"),
        (
            {"ids": ",".join(map(str, range(MOST_IDS + 1))), "task": "indices"},
            "names 201 ids and the most is 200",
        ),
        ({"classes": ",".join(["0"] * 9000)}, "characters; the Lab reads at most 8,000"),
        ({"task": "t" * 101}, "is no name: it has 101 characters"),
        ({"set": "[" * 3000 + "]" * 3000}, "nested deeper"),
        ({"set": '{"a":' * 9 + "1" + "}" * 9}, "nested deeper"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_an_address_that_is_too_much_is_told(found, said):
    wanted = read_request({**DIGITS, **found})
    assert wanted.setup is None
    assert said in wanted.problem
    assert is_one_sentence(wanted.problem)


def test_in_a_classroom_no_sentence_names_the_servers_folders(monkeypatch):
    place = os.environ["LAF_HOME"]

    def missing(folder):
        raise RequestError(f"put the files in {place}/data")

    monkeypatch.setitem(registry.DATASETS, "toy-missing", registry.Source("T", "", missing))
    lab = make(asked=read_request({**DIGITS, "dataset": "toy-missing"}), classroom=SessionLimits())
    assert lab.notice == "put the files in $LAF_HOME/data"
    lab.close()


def test_the_words_of_a_link_are_shown_as_they_are():
    assert as_text("![x](http://a)") == r"\!\[x\](http\://a)"


# memory


def test_a_run_that_would_not_fit_is_refused_before_it_is_played():
    wanted = {**DIGITS, "settings": json.dumps({"epochs": 10_000, "batch_size": 1})}
    lab = make(asked=read_request(wanted), classroom=SessionLimits(run_mb=500))
    assert "this run would hold up to" in lab.notice
    assert "the limit is 500 MB; choose fewer epochs" in lab.notice
    assert is_one_sentence(lab.notice)
    assert lab.change(Setup()) is None
    lab.close()


def test_a_kept_run_is_held_to_the_same_limit():
    lab = make(Scheduler(workers=1))
    until_prepared(lab.experiment)
    lab.experiment.play(1)
    until(lambda: lab.run_id is not None and lab.experiment.run.steps)
    kept = lab.run_id
    lab.close()
    small, usual = make(classroom=SessionLimits(run_mb=64)), make()
    assert "the limit is 64 MB" in small.take_up(kept)
    assert usual.take_up(kept) is None
    small.close()
    usual.close()


def test_knobs_are_held_to_the_same_limit():
    runner = Scheduler(workers=1)
    lab = make(runner, classroom=SessionLimits(run_mb=500))
    until_prepared(lab.experiment)
    e = lab.experiment
    big = replace(e.run.config, steps=None, epochs=10_000, batch_size=1)
    for move in (e.change, e.begin_with):
        with pytest.raises(RequestError, match="would hold up to"):
            move(big)
    assert e.run.phase is Phase.READY
    lab.close()


def test_all_presets_fit_in_the_smallest_usual_classroom(class_split):
    for name in METHODS:
        config = Setup(method=name).config(class_split)
        assert estimate(Setup(method=name), class_split, config).total_mb < SessionLimits().run_mb, name


# studies that a browser begins


def test_a_study_of_the_page_names_its_data(tmp_path):
    path = tmp_path / "images.zip"
    path.write_bytes(b"")
    common = {"name": "mine", "title": "mine", "seeds": "0", "references": 1}
    with pytest.raises(RequestError, match="only the command line takes a file"):
        study.written(
            fixed={"dataset": str(path), "task": "class", "method": "laf"}, grid={"lr_ue": "1e-3"}, **common
        )
    with pytest.raises(RequestError, match="only the command line takes a file"):
        study.written(fixed={"task": "class", "method": "laf"}, grid={"dataset": f"digits, {path}"}, **common)
    made = study.written(
        fixed={"dataset": "digits", "task": "class", "method": "laf"}, grid={"lr_ue": "1e-3"}, **common
    )
    study.require_data(made, None)
    for kept in (
        replace(made, fixed={"dataset": str(path)}),
        replace(made, grid={"dataset": (str(path),)}),
        replace(made, variants=(("x", {"dataset": str(path)}),)),
        replace(made, sample=SimpleNamespace(fields={"dataset": (str(path),)})),
    ):
        with pytest.raises(RequestError, match="only the command line takes a file"):
            study.start(kept)


# two hundred

NAMES = st.sampled_from(
    [
        "digits",
        "own-0123456789ab",
        "own-../../x",
        "/etc/passwd",
        "../../../../etc/shadow",
        "C:\\secret.zip",
        "x.npz",
        "~/a.zip",
        "__proto__",
        "constructor",
        "a" * 500,
        "\x00",
        "💥",
        "<script>alert(1)</script>",
        "![x](http://x)",
        "%00",
        "\n\n",
        "",
    ]
)
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.none(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 2**64, 40000, 200000, 1e30, 1e308, 10**4000]),
)
KEYS = st.sampled_from(
    [
        *LAFConfig.__dataclass_fields__,
        *VAEConfig.__dataclass_fields__,
        *TrainConfig.__dataclass_fields__,
        "laf",
        "repair",
        "shards",
        "slices",
        "train",
        "msteps",
        "__proto__",
        "constructor",
        "__class__",
        "__dict__",
        "toString",
        "a\nb",
        "é" * 300,
    ]
)
VALUES = st.recursive(
    st.one_of(NUMBERS, NAMES, st.text(max_size=20)),
    lambda inside: st.one_of(st.lists(inside, max_size=4), st.dictionaries(KEYS, inside, max_size=4)),
    max_leaves=8,
)
TEXTS = st.one_of(NUMBERS.map(str), NAMES, st.text(max_size=30))
SETTINGS = st.one_of(
    st.dictionaries(KEYS, VALUES, min_size=1, max_size=4).map(json.dumps),
    st.dictionaries(KEYS, NUMBERS, min_size=1, max_size=2).map(json.dumps),
    st.integers(1, 3000).map(lambda n: "[" * n + "]" * n),
    st.integers(1, 400).map(lambda n: '{"vae":' * n + "1" + "}" * n),
    st.text(max_size=50),
)
CLASSES = st.one_of(
    st.sampled_from(["0", "0,3", "9"]),
    st.sampled_from(["1", "2,4"]),
    TEXTS,
    st.lists(NUMBERS.map(str), max_size=30).map(",".join),
)
ADDRESSES = st.fixed_dictionaries(
    {
        "dataset": st.one_of(st.just("digits"), st.just("digits"), st.just("digits"), NAMES),
        "classes": CLASSES,
    },
    optional={
        "task": st.one_of(st.sampled_from([*TASKS]), TEXTS),
        "method": st.one_of(st.sampled_from([*METHODS]), TEXTS),
        "ids": st.one_of(TEXTS, st.lists(st.integers(-5, 10**20).map(str), max_size=400).map(",".join)),
        "seed": TEXTS,
        "fraction": TEXTS,
        "share": TEXTS,
        "model": TEXTS,
        "plant": TEXTS,
        "speed": TEXTS,
        "precision": TEXTS,
        "run": TEXTS,
        "step": TEXTS,
        "settings": st.one_of(SETTINGS, st.just('{"temperature": 3.0}')),
    },
)


def within_limits(lab) -> None:
    """What was opened is a setup that the Lab could have been given by hand."""
    e = lab.experiment
    split = e.setup.split(registry.load(e.setup.dataset))
    config = e.config if e.config is not None else e.setup.config(split)
    replace(config)  # checks itself
    assert getattr(config, "threads", 1) == getattr(e.setup.config(split), "threads", 1)
    assert estimate(e.setup, split, config).total_mb <= SessionLimits().run_limit_mb


def test_two_hundred_hostile_addresses(monkeypatch):
    runner = Scheduler(workers=1)
    other = make(runner)  # somebody else's tab, in the middle of a run
    until_prepared(other.experiment)
    other.experiment.play(3)
    until(lambda: other.phase is not Phase.RUNNING)
    token, run, steps = other.token, other.experiment.run, list(other.experiment.run.steps)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            registry,
            "_uploaded",
            lambda name, *_: (
                str(name)
                if str(name) in registry.DATASETS or str(name).startswith("own-")
                else pytest.fail(f"a file was looked for: {name}")
            ),
        )
        lab = make(classroom=SessionLimits())
        lab.close()
        gc.collect()
        before = resident_mb()
        seen = {"opened": 0, "told": 0}

        @settings(
            max_examples=200,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(ADDRESSES)
        def visit(found):
            lab = make(asked=read_request(found), classroom=SessionLimits())
            try:
                if lab.notice is None:
                    seen["opened"] += 1
                    within_limits(lab)
                else:
                    seen["told"] += 1
                    assert is_one_sentence(lab.notice), lab.notice
                    if "run" not in found:
                        assert lab.experiment.setup == usual_setup()
                assert resident_mb() - before < MORE_MB
            finally:
                lab.close()

        visit()
    assert seen["opened"] >= 10
    assert seen["told"] >= 100
    assert other.token == token
    assert other.experiment.run is run
    assert run.steps == steps
    assert run.phase is Phase.PAUSED
    other.experiment.play(1)
    until(lambda: len(run.steps) > len(steps))
    other.close()


def test_what_was_opened_writes_an_address_that_opens_the_same():
    wanted = {**DIGITS, "settings": json.dumps({"temperature": 3.0, "vae": {"latent": 4}})}
    lab = make(asked=read_request(wanted))
    assert lab.notice is None
    again = differing(Setup().config(Setup().split(registry.load("digits"))), lab.experiment.config)
    assert again == {"temperature": 3.0, "vae": {"latent": 4}}
    assert with_settings(LAFConfig(), again).vae.latent == 4
    lab.close()


def test_a_config_error_is_what_a_wrong_setup_raises():
    with pytest.raises(ConfigError):
        Setup(seed=-1)
