"""The page's script without a browser: what the buttons do to the run, and what is sent."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats  # noqa: F401 - first imported by the page's thread, its "_test.py" file overtaxes pytest's rewriting
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.data.clients import with_clients
from core.experiments.session.experiment import Experiment
from core.runs.run import Phase
from core.runs.setup import Setup
from core.runtime.progress import Progress
from core.runtime.scheduler import Scheduler
from dashboard.presentation.wire import frame_readings, scene
from dashboard.presentation.wire import outbox as stream
from dashboard.presentation.wire import status as run_status
from dashboard.presentation.wire.packet import unpack
from dashboard.session import lab as lab_module
from dashboard.session import resources

APP = str(Path(__file__).parents[3] / "dashboard" / "app.py")


@pytest.fixture
def app(request, monkeypatch):
    """Return the page as an address opens it that asks for the preset; a parameter names other settings or another dataset."""
    monkeypatch.setenv("LAF_REFERENCES", "0")  # they are not under test here
    monkeypatch.setenv("LAF_FRAMES", "10")
    st.cache_resource.clear()
    made = AppTest.from_file(APP, default_timeout=120)
    asked = {"dataset": "digits", "task": "class", "classes": "0"}
    asked["settings"] = getattr(request, "param", "preset")
    if isinstance(asked["settings"], dict):
        asked = asked["settings"]
    for name, value in asked.items():
        made.query_params[name] = value
    yield made.run()
    st.cache_resource.clear()  # releases the tab's Lab, which stops its work
    end = time.monotonic() + 60
    while len(resources.runner()) or len(resources.map_runner()):
        assert time.monotonic() < end, "a closed tab's work goes on"
        time.sleep(0.05)


def state():
    """What the buttons of the open Labs depend on."""
    found = [lab.experiment for lab in list(lab_module._OPEN)]
    return [(e.life, e.phase, e.run is None, sorted(e.work), e.is_looking) for e in found]


def until(app, wanted, seconds=120):
    """Draw the page again when its Lab has changed, or a second has passed."""
    end, seen = time.monotonic() + seconds, None
    while not wanted():
        assert time.monotonic() < end, [b.label for b in app.button]
        drawn = time.monotonic()
        while state() == seen and time.monotonic() < drawn + 1:
            time.sleep(0.02)
        seen = state()
        app.run()


def button(app, label):
    return next((b for b in app.button if b.label == label), None)


def enabled(app, label):
    found = button(app, label)
    return found is not None and not found.disabled


KINDS = {"digits": "images", "wine": "vectors", "generated_series": "series"}


@pytest.mark.parametrize("app", [{"dataset": name} for name in KINDS], indirect=True, ids=KINDS)
def test_the_lab_names_what_its_dataset_holds(app):
    (lab,) = lab_module._OPEN
    until(app, lambda: lab.experiment.split is not None)
    app.run()
    dataset, others = lab.experiment.split.dataset, {"image", "images", "vectors", "series"}
    assert dataset.kind == KINDS[dataset.name]
    shown = [e.proto.body for e in app.get("html")] + [b.proto.popover.label for b in app.get("popover")]
    shown += [b.proto.popover.help for b in app.get("popover")]
    words = set(re.findall(r"[a-z]+", " ".join(shown)))
    assert dataset.kind in words
    assert words & others <= {dataset.kind, *(["image"] if dataset.kind == "images" else [])}


def test_buttons_are_disabled_with_the_reason_until_there_is_a_map(app):
    play = button(app, "Play")
    if play.disabled:
        assert "prepared" in play.help
    until(app, lambda: enabled(app, "Play"))
    assert button(app, "Reset").disabled
    assert not app.exception


def test_ten_steps_then_reset(app):
    until(app, lambda: enabled(app, "Step ×10"))
    button(app, "Step ×10").click().run()
    until(app, lambda: enabled(app, "Step ×10") and enabled(app, "Reset"))
    button(app, "Reset").click().run()
    until(app, lambda: enabled(app, "Play") and button(app, "Reset").disabled)
    assert not app.exception


@pytest.mark.parametrize("app", ["automatic"], indirect=True)
def test_a_finished_run_may_play_on_and_its_settings_were_found(app):
    until(app, lambda: enabled(app, "Play"))
    e = next(iter(lab_module._OPEN)).experiment
    assert (e.setup.settings, e.run.config) == ("automatic", e.automatic.settings.config)
    button(app, "Play").click().run()
    until(app, lambda: enabled(app, "Play on 20 steps"))
    steps = len(e.run.steps)
    button(app, "Play on 20 steps").click().run()
    until(app, lambda: len(e.run.steps) == steps + 20 and enabled(app, "Play on 20 steps"))
    assert not app.exception


def opened(app, name):
    """Open a popover, as a click does; of those that were there before, too."""
    keys = [key for key in app.session_state.keys() if key.startswith(f"{name}-")]  # noqa: SIM118 - it has no iterator
    for key in keys:
        app.session_state[key] = True
    app.run()
    return keys[-1]


def choose(app, label, value):
    next(r for r in app.radio if r.label == label).set_value(value).run()


def test_a_form_is_made_when_it_is_first_opened_and_keeps_what_was_begun_in_it(app):
    until(app, lambda: enabled(app, "Step"))
    assert not app.radio
    assert not app.selectbox
    key = opened(app, "forget")
    choose(app, "Task", "noise")
    app.session_state[key] = False
    app.run()
    app.run()
    assert next(r for r in app.radio if r.label == "Task").value == "noise"
    assert not [r for r in app.radio if r.label == "Dataset"]
    assert not app.exception


@pytest.mark.parametrize("name", ["nothing", "finetune", "laf+r"])
def test_another_method_is_chosen_in_the_form_and_plays_to_its_end(app, name):
    until(app, lambda: enabled(app, "Step"))
    opened(app, "forget")
    box = next(s for s in app.selectbox if s.label == "Method")
    assert [o.split(" · ")[0] for o in box.options][:3] == [
        "Do nothing",
        "Retrained from scratch",
        "Fine-tune",
    ]
    box.set_value(name).run()
    if name == "laf+r":
        next(s for s in app.select_slider if s.label.startswith("Share of the remaining")).set_value(25).run()
    button(app, "Forget these").click().run()
    until(app, lambda: enabled(app, "Step"))
    facts = " ".join(element.proto.body for element in app.get("html"))
    assert {"nothing": "Do nothing", "finetune": "Fine-tune", "laf+r": "25 %"}[name] in facts
    button(app, "Play").click().run()
    until(app, lambda: (play := button(app, "Play")) is not None and "has finished" in play.help)
    assert not app.exception


@pytest.mark.parametrize("plant", [None, "trigger"])
def test_noisy_labels_and_plants_are_chosen_in_the_form_and_play(app, plant):
    until(app, lambda: enabled(app, "Step"))
    opened(app, "forget")
    choose(app, "Task", "planted" if plant else "noise")
    if plant:
        choose(app, "What is planted", plant)
    button(app, "Forget these").click().run()
    until(app, lambda: enabled(app, "Step ×10"))
    button(app, "Step ×10").click().run()
    until(app, lambda: enabled(app, "Reset") and enabled(app, "Step ×10"))
    assert not app.exception
    told = " ".join(block.proto.popover.label for block in app.get("popover"))
    assert ("planted trigger" if plant else "60 % mislabelled in classes 0, 1, 2, 3, 4") in told


@pytest.fixture(scope="module")
def experiment():
    made = Experiment(Setup(settings="preset"), Scheduler(1), reference_count=2)
    made.start()
    end = time.monotonic() + 240
    while made.run is None or not made.references:
        assert made.error is None, made.error
        assert time.monotonic() < end
        time.sleep(0.05)
    yield made
    made.close()


def wait_for(experiment, *phases):
    end = time.monotonic() + 120
    while experiment.run.phase not in phases:
        assert time.monotonic() < end, experiment.run.phase
        time.sleep(0.02)


def test_the_scene_holds_every_point_once_with_its_image(experiment):
    header, arrays = unpack(scene.scene(experiment, "t"))
    n = header["n"]
    assert n == len(experiment.split.train)
    assert sorted(arrays["ids"].tolist()) == sorted(experiment.split.train.ids.tolist())
    assert arrays["forget"].sum() == len(experiment.split.forget_rows)
    assert np.abs(arrays["position"]).max() == round(scene.UNIT)


def test_the_scene_names_the_client_of_each_point_where_clients_share_the_images(experiment, monkeypatch):
    assert "client" not in unpack(scene.scene(experiment, "t"))[1]
    split = experiment.split
    shared = replace(split, dataset=with_clients(split.dataset, 4))
    monkeypatch.setattr(experiment.preparation, "split", shared)
    header, arrays = unpack(scene.scene(experiment, "t"))
    assert header["clients"] == 4
    assert arrays["client"].tolist() == shared.dataset.clients.of[experiment.observer.rows].tolist()


def test_sprites_give_back_each_image(experiment):
    from io import BytesIO

    from PIL import Image

    images = experiment.split.train.take(experiment.observer.rows).unlabelled()
    sheet, tiles = scene.sprites(images)
    pixels = np.asarray(Image.open(BytesIO(sheet)))
    for i in (0, 7, len(images) - 1):
        row, column = divmod(i, tiles["columns"])
        tile = pixels[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8]
        np.testing.assert_array_equal(tile, (images.x[i, 0].numpy() * (255 / 16)).astype(np.uint8))


def test_colour_sprites_are_near_enough_to_know_the_image_and_a_fraction_of_its_bytes():
    from io import BytesIO

    import torch
    from PIL import Image

    from core.data.images import Images

    ramp = torch.linspace(0, 255, 32).to(torch.uint8)
    x = torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32), ramp.flip(0).expand(32, 32)]).repeat(
        50, 1, 1, 1
    )
    sheet, tiles = scene.sprites(Images(x, torch.arange(50)))
    found = np.asarray(Image.open(BytesIO(sheet)))
    row, column = divmod(49, tiles["columns"])
    tile = found[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32].transpose(2, 0, 1).astype(float)
    assert np.abs(tile - x[49].numpy()).mean() < 8
    assert len(sheet) < x.numel() / 10


def test_packets_together_lose_nothing_and_a_lost_one_is_sent_again(experiment):
    experiment.reset()
    outbox = stream.Outbox()
    experiment.play(25)
    got, number = {}, 0
    while experiment.run.phase is not Phase.PAUSED or outbox.is_behind(experiment):
        header, arrays = unpack(outbox.packet(experiment, "t"))
        number += 1
        if number % 4:  # each fourth packet is lost on the way
            assert not set(header["seqs"]) & set(got)
            got |= {s: arrays["position"][i] for i, s in enumerate(header["seqs"])}
        time.sleep(0.01)
    missing = sorted(set(range(26)) - set(got))
    if missing:  # what the browser does then
        outbox.rewind({"life": header["life"], "from": missing[0], "rev": header["rev"], "follow": 0})
        header, arrays = unpack(outbox.packet(experiment, "t"))
        got |= {s: arrays["position"][i] for i, s in enumerate(header["seqs"])}
    assert sorted(got) == list(range(26))
    for number, position in got.items():
        expected = experiment.run.frames[number].positions
        half = np.abs(experiment.projection.positions).max()
        np.testing.assert_allclose(position / scene.UNIT * half, expected, atol=half / scene.UNIT)


def test_a_reading_is_the_frame_measured_and_its_losses_are_means_per_image(experiment):
    experiment.reset()
    experiment.play(5)
    wait_for(experiment, Phase.PAUSED)
    frame = experiment.run.frames[-1]
    by = frame_readings.reference_bands(experiment)
    untouched = by.compare(experiment.observer.original.reading)
    shown = frame_readings.reading(experiment, experiment.run, frame, by, untouched, 1)
    assert shown["values"]["forget_train"] == frame.reading.train_f
    record = frame.record
    assert shown["loss"]["ue_forget"] == record.losses["ue_forget"] / record.images["forget"]
    assert shown["loss"]["cosine"] == record.grad_cosine
    repel = record.losses["ra_repel"] / record.images["remain"]
    assert shown["loss"]["ra_repel"] == pytest.approx(repel - np.log(record.images["forget"]))


def test_a_reset_begins_a_new_life_and_the_references_stay(experiment):
    references, life = experiment.references, experiment.life
    experiment.reset()
    assert experiment.life == life + 1
    assert experiment.references == references
    header, _ = unpack(stream.Outbox().packet(experiment, "t"))
    assert (header["life"], header["total"]) == (life + 1, 1)


def test_all_references_travel_with_their_fits_and_again_when_one_more_is_there(experiment):
    outbox = stream.Outbox()
    header, arrays = unpack(outbox.packet(experiment, "t"))
    count, n = header["references"]["done"], len(experiment.split.train)
    assert header["retrained"]
    assert len(header["references"]["fits"]) == count <= header["references"]["total"] == 2
    assert header["references"]["fits"][0] is None  # began where the original began
    assert arrays["retrained_position"].shape == (count, n, 2)
    assert arrays["retrained_prediction"].shape == arrays["retrained_confidence"].shape == (count, n)
    np.testing.assert_array_equal(
        arrays["retrained_prediction"][0], experiment.references[0].frame.predictions
    )
    end = time.monotonic() + 240
    while len(experiment.references) < 2:
        assert time.monotonic() < end
        time.sleep(0.1)
    if count < 2:
        header, arrays = unpack(outbox.packet(experiment, "t"))
    assert arrays["retrained_position"].shape == (2, n, 2)
    assert all(0.5 < fit <= 1 for fit in header["references"]["fits"][1:])
    header, arrays = unpack(outbox.packet(experiment, "t"))
    assert "retrained_position" not in arrays


def test_a_run_that_fails_names_stage_and_step_and_keeps_its_frames(experiment):
    from core.config import replace

    before = experiment.config
    try:
        experiment.config = replace(before, lr_ue=1e30, lr_ra=1e30)
        experiment.reset()
        experiment.play()
        wait_for(experiment, Phase.FAILED)
        told = run_status.status(experiment)
        assert told["phase"] == "failed"
        assert "step" in told["error"]
        assert "unlearn" in told["error"]
        assert len(experiment.run.frames) >= 1
    finally:
        experiment.config = before
        experiment.reset()


def test_the_default_ships_so_nothing_is_trained_for_the_first_picture(tmp_path, monkeypatch):
    """After a change to training or the preset, run assets/make_default.py."""
    from core.runtime import content_cache

    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    for kept in (content_cache.models, content_cache.maps):
        monkeypatch.setattr(kept, "_memory", type(kept._memory)())
    monkeypatch.setattr("core.runs.original_models.Training", None)
    monkeypatch.setattr("core.projection.projection.Projection.fit", None)
    made = Experiment(Setup(device="cpu"), Scheduler(1))
    made.start()
    end = time.monotonic() + 60
    while made.run is None and made.error is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert made.error is None
    made.close()


def test_what_is_tried_before_a_run_is_told_in_words():
    work = {
        "map": Progress("map", 0, 1),
        "automatic": Progress("automatic", 1, 5, 2.4),
    }
    assert run_status.preparing(work) == (
        "Trying settings on these images, without labels: trial 2 of at most 5, 2 s so far"
    )


def test_closing_one_lab_leaves_the_other_running():
    runner = Scheduler(1)
    first, second = (Experiment(Setup(classes=(c,)), runner) for c in (0, 1))
    for e in (first, second):
        e.start()
    end = time.monotonic() + 120
    while first.run is None or second.run is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    first.play()
    second.play(3)
    first.close()
    wait_for(second, Phase.PAUSED, Phase.DONE)
    assert len(second.run.steps) == 3
    assert first.run.phase is Phase.CANCELLED
    taken = len(first.run.steps)
    time.sleep(0.3)
    assert len(first.run.steps) == taken
    second.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"settings": '{"threads":40000}'}, "threads is not taken from an address"),
        ({"settings": '{"vae":{"latent":200000}}'}, "latent must be at most 4,096, got 200000"),
        ({"dataset": "/etc/hosts.zip"}, "unknown dataset '/etc/hosts.zip'"),
    ],
)
def test_an_address_that_means_harm_is_told_and_the_default_opens(words, said):
    st.cache_resource.clear()
    app = AppTest.from_file(APP, default_timeout=120)
    for name, value in {"dataset": "digits", "task": "class", "classes": "0", **words}.items():
        app.query_params[name] = value
    app.run()
    told = " ".join(toast.value for toast in app.toast).replace("\\", "")
    assert said in told
    until(app, lambda: enabled(app, "Play"))
    assert app.query_params["dataset"] in ("digits", ["digits"])
    assert "settings" not in app.query_params
    assert not app.exception
    st.cache_resource.clear()
