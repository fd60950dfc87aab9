"""Kept runs in a real Chromium: after a reload and a restart, shared links, the page Runs, and an exported page from disk."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from core.config import EvalConfig
from core.methods import LAF
from core.projection.projection import Projection
from core.runs.checkpoints import Checkpoints
from core.runs.observer import Observer
from core.runs.run import Run, finish
from core.runs.setup import Setup
from core.runs.storage import read_run, record
from dashboard.presentation.export.run_page import document
from tests import toys
from tests.browser.server import QUICK, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def ten_steps(page) -> None:
    page.wait_ready()
    page.tab.get_by_role("button", name=re.compile("^Step ×10")).click()
    expect(page.tab.locator(".map-view")).to_have_attribute("data-frames", "11", timeout=60_000)
    expect(page.tab.locator(".map-view")).to_have_attribute("data-frame", "10", timeout=60_000)  # and shown
    expect(page.tab).to_have_url(re.compile("run=[0-9]{8}.*step=10"), timeout=30_000)


def test_after_a_reload_and_a_restart_the_run_is_there_and_goes_on(home, open_page):
    server = Server(home, **QUICK)
    server.wait()
    page = open_page(server.url)
    ten_steps(page)
    address = page.tab.url
    page.tab.reload()
    expect(page.tab.locator(".map-view")).to_have_attribute("data-frames", "11", timeout=120_000)
    page.wait_ready()
    server.process.kill()  # as a crash does
    server.process.wait()
    again = Server(home, **QUICK)
    try:
        again.wait()
        page.tab.goto(again.url)
        page.wait_ready()
        page.tab.get_by_text("Continue where you were?").wait_for()
        page.tab.get_by_role("button", name="Continue", exact=True).first.click()
        expect(page.tab.locator(".map-view")).to_have_attribute("data-frames", "11", timeout=120_000)
        stranger = open_page(address.replace(server.url, again.url))  # another browser with the same address
        stranger.tab.get_by_text("that is yours or shared").wait_for()
        stranger.wait_ready()
        assert "Traceback" not in again.log.read_text()
    finally:
        again.stop()


def shown(page) -> int:
    return int(page.tab.locator(".map-view").get_attribute("data-frame"))


def test_an_address_with_run_and_step_shows_that_step_to_another_browser(server, open_page):
    page = open_page(server.url)
    ten_steps(page)
    slider = page.tab.get_by_role("slider", name="Step")
    slider.focus()
    for _ in range(4):
        page.tab.keyboard.press("ArrowLeft")
    expect(page.tab).to_have_url(re.compile("step=6$"))  # what is shown, not how far the run is
    address, there = page.tab.url, page.value("forget_train")
    page.tab.reload()
    expect(page.tab.locator(".map-view")).to_have_attribute("data-frame", "6", timeout=120_000)
    assert page.value("forget_train") == there
    page.visit("Runs")
    shared = page.tab.get_by_text("Shared", exact=True)
    page.click_until(page.tab.get_by_text("paused at step 10").first, shared)
    page.settle()
    shared.click()
    page.tab.wait_for_timeout(1000)
    page.settle()
    other = open_page(address)
    expect(other.tab.locator(".map-view")).to_have_attribute("data-frame", "6", timeout=120_000)
    assert other.value("forget_train") == there
    other.wait_ready()
    expect(other.tab.locator(".map-view")).to_have_attribute("data-frames", "11")
    assert shown(other) == 6  # and stays
    assert not other.problems


def test_after_a_reload_at_the_newest_step_the_picture_follows_what_is_played(server, open_page):
    page = open_page(server.url)
    ten_steps(page)
    page.tab.reload()
    expect(page.tab.locator(".map-view")).to_have_attribute("data-frames", "11", timeout=120_000)
    page.wait_ready()
    page.button("Step").click()
    expect(page.tab.locator(".map-view")).to_have_attribute("data-frame", "11", timeout=60_000)
    assert not page.problems


def test_the_page_runs_opens_forks_names_and_compares(server, open_page):
    page = open_page(server.url)
    ten_steps(page)
    page.visit("Runs")
    box = page.tab.get_by_role("checkbox").first
    page.settle()
    # the newest is this browser's; shared ones come after
    page.tab.get_by_text("paused at step 10").first.click()
    expect(box).to_be_checked()
    page.tab.get_by_label("Name").fill("before lunch")
    page.tab.get_by_label("Name").press("Enter")
    page.tab.get_by_role("heading", name="before lunch").wait_for()
    with page.tab.expect_download() as got:
        page.tab.get_by_role("button", name="Download").click()
    assert got.value.suggested_filename.endswith(".html")
    page.tab.get_by_role("button", name="Fork", exact=True).click()
    expect(page.tab.locator(".map-view")).to_have_attribute("data-frames", "11", timeout=120_000)
    page.visit("Runs")
    page.tab.get_by_text("fork of step 10").wait_for()
    for name in ("fork of step 10", "before lunch"):
        page.settle()
        page.tab.get_by_text(name).first.click()
    page.tab.get_by_role("heading", name=re.compile(" and ")).wait_for()
    assert not page.problems


def test_one_click_makes_an_example_set_and_replay_plays_its_run_from_the_first_frame(server, open_page):
    page = open_page(f"{server.url}/runs")
    line = page.tab.get_by_text("Example: forget the zeros").first
    page.click_until(
        page.tab.get_by_role("button", name="Make an example set"), page.tab.get_by_role("progressbar")
    )
    line.wait_for(timeout=240_000)
    page.tab.get_by_text(re.compile(r"seed 0 · preset settings")).wait_for()
    page.tab.get_by_text(re.compile(r"Forgotten: the model recognises")).first.wait_for()  # its verdict
    page.tab.get_by_text("The example set is ready").wait_for()
    page.settle()
    page.tab.get_by_role("button", name="Replay in the Lab").click()  # the run is open already
    page.tab.wait_for_selector(".map-view[data-frames]")
    seen: list[int] = []

    def at_the_end() -> bool:
        seen.append(page.number("frame"))
        return len(set(seen)) > 1 and seen[-1] == page.number("frames") - 1

    page.until(at_the_end)
    last = page.number("frames") - 1
    played = seen[next(i for i, frame in enumerate(seen) if frame < last) :]
    assert min(played) < last / 2
    assert sorted(played) == played  # forwards
    page.visit("Studies")
    page.tab.get_by_text(re.compile(r"8 runs.*complete")).wait_for(timeout=240_000)  # chosen once it is made
    page.tab.wait_for_selector(".js-plotly-plot")
    assert [
        p for p in page.problems if "404" not in p
    ] == []  # Streamlit looks for two files beside the page first


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A toy run as a page on disk."""
    home = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(home))
        split = toys.split()
        model = toys.model(split)
        observer = Observer(split, model, EvalConfig(frames=1000))
        observer.projection = Projection.fit(
            observer.original.train.representations, seed=0, umap=toys.Flat()
        )
        run = Run(LAF(toys.QUICK), model, split, observer=observer, checkpoints=Checkpoints())
        recorder = record(run, Setup(dataset="toy", classes=(1,)), name='</script><b>"a" & b')
        finish(run)
        path = home / "run.html"
        path.write_text(document(read_run(recorder.id)))
    return path


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_an_exported_page_plays_from_disk_and_asks_nobody(exported, open_page, scheme):
    page = open_page(exported.as_uri(), scheme)
    body = page.tab.locator("body")
    expect(body).to_have_attribute("data-frame", "0")
    picture = "() => document.getElementById('map').toDataURL()"
    first = page.tab.evaluate(picture)
    page.tab.locator("#time").fill("7")
    expect(body).to_have_attribute("data-frame", "7")
    assert page.tab.evaluate(picture) != first
    page.tab.keyboard.press("Home")
    expect(body).to_have_attribute("data-frame", "0")
    page.tab.locator("#play").click()
    expect(body).to_have_attribute("data-frame", "10", timeout=20_000)
    page.tab.get_by_role("heading", name='</script><b>"a" & b').wait_for()
    page.tab.locator("#theme").click()
    other = {"dark": "light", "light": "dark"}[scheme]
    assert page.tab.evaluate("document.documentElement.dataset.theme") == other
    assert page.requests == [exported.as_uri()]
    assert page.problems == []
