"""Two browsers in one classroom, in a real Chromium: one tries by clicking and by address to reach what the other made."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.server import QUICK, Server
from tests.uploads import photos

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MARK = "zebra"


@pytest.fixture
def classroom(home):
    made = Server(home, "--classroom", "--sessions", "2", **QUICK)
    made.wait()
    yield made
    made.stop()


def to(page, name: str) -> None:
    page.visit(name)


def test_one_browser_does_not_reach_what_the_other_made(classroom, open_page):
    owner = open_page(classroom.url)
    owner.wait_ready()
    owner.button("Data").click()
    file = owner.tab.locator("input[type=file]").first
    owner.click_until(owner.tab.get_by_role("button", name="Your own data…"), file, state="attached")
    file.set_input_files({"name": f"{MARK}.zip", "mimeType": "application/zip", "buffer": photos(each=20)})
    owner.tab.get_by_role("button", name="Import", exact=True).click()
    expect(owner.button(f"Data {MARK}")).to_be_visible(timeout=120_000)
    owner.wait_ready()
    owner.tab.get_by_role("button", name=re.compile("^Step ×10")).click()
    expect(owner.tab).to_have_url(re.compile("run=[0-9]{8}"), timeout=60_000)
    words = dict(re.findall(r"[?&](\w+)=([^&]+)", owner.tab.url))
    assert words["dataset"].startswith("own-")
    line = owner.tab.locator(".map-view").get_attribute("data-run")  # who knows it may listen to the run

    other = open_page(classroom.url)
    other.wait_ready()
    other.button("Data").click()
    other.tab.get_by_role("radio", name=re.compile("^Digits")).wait_for(state="attached")
    expect(other.tab.get_by_text(MARK)).to_have_count(0)
    expect(other.tab.get_by_text("Folder with its files")).to_have_count(0)
    other.tab.keyboard.press("Escape")
    for name in ("Runs", "Studies", "Forget set", "Lessons", "Compare"):
        to(other, name)
        other.tab.wait_for_timeout(1000)
        other.settle()
        assert MARK not in other.tab.content()
        assert words["run"] not in other.tab.content()
        assert line not in other.tab.content()
        assert words["dataset"] not in other.tab.content()
    said = []
    for address in (
        f"?run={words['run']}",
        "?run=20200101-000000-abcdef",
        f"?dataset={words['dataset']}",
        "?dataset=own-000000000000",
    ):
        other.tab.goto(f"{classroom.url}/{address}")  # in a room for two tabs: the one before has gone
        toast = other.tab.get_by_text(re.compile("that is yours or shared")).first
        toast.wait_for()
        said.append(re.sub(r"'[^']*'", "KEY", toast.inner_text()))
        other.wait_ready()
        assert MARK not in other.tab.content()
    assert said[0] == said[1]
    assert said[2] == said[3]

    to(owner, "Runs")
    shared = owner.tab.get_by_text("Shared", exact=True)
    owner.click_until(owner.tab.get_by_text("paused at step 10").first, shared)
    owner.settle()
    shared.click()
    owner.tab.wait_for_timeout(1000)
    owner.settle()
    to(other, "Runs")
    fork = other.tab.get_by_role("button", name="Fork", exact=True)
    other.click_until(other.tab.get_by_text("paused at step 10").first, fork)
    expect(other.tab.get_by_role("button", name="Delete", exact=True)).to_have_count(0)
    expect(other.tab.get_by_label("Name")).to_have_count(0)
    assert "Traceback" not in classroom.log.read_text()


def test_the_room_is_full_for_one_tab_too_many(classroom, open_page):
    pages = [open_page(classroom.url) for _ in range(3)]
    said = ["The room is full" in whole(page) for page in pages]
    assert sum(said) == 1
    pages[said.index(False)].close()
    waiting = pages[said.index(True)]
    again = waiting.tab.get_by_role("button", name="Try again")
    for _ in range(30):  # until the server has noticed that the other tab is gone
        waiting.tab.wait_for_timeout(1500)
        waiting.settle()
        if not again.count():
            break
        again.click()
    waiting.wait_ready()
    assert "Traceback" not in classroom.log.read_text()


def whole(page) -> str:
    page.tab.wait_for_selector(".map-view, .stAlert", timeout=120_000)
    return page.tab.content()
