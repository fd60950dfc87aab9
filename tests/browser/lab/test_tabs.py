"""Tabs of the Lab in a real Chromium: each has its own run, and leaving or closing one does what it should."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PRESET = "/?dataset=digits&task=class&classes=0&settings=preset"  # 55 steps, and no search before them


def server_cpu_seconds(server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_second_tab_has_its_own_run(server, open_page):
    first = open_page(server.url)
    first.play_to_end()
    second = open_page(server.url)
    second.wait_ready()
    assert second.number("frames") == 1
    assert first.number("frames") > 1


def test_switching_pages_stops_nothing(server, open_page):
    page = open_page(server.url + PRESET)
    page.wait_ready()
    page.button("Play").click()
    page.wait_for_frames(2)
    page.visit("Guide")
    page.tab.get_by_role("heading", name="How to read the Lab").wait_for()
    page.tab.wait_for_timeout(1500)
    page.visit("Lab")
    page.tab.wait_for_selector(".map-view[data-phase=done]", timeout=120_000)
    page.wait_for_frames(51)  # a page that was away gets them in several packets
    assert not page.problems


def test_a_page_that_cannot_connect_to_its_run_says_what_to_do(server, open_page):
    """As behind a proxy that lets only Streamlit's own WebSocket through."""
    page = open_page("about:blank")
    page.tab.add_init_script("""
        window.WebSocket = class extends WebSocket {
          constructor(url, protocols) { super(String(url).replace("laf-feed", "none-such"), protocols); }
        };
    """)
    page.tab.goto(server.url)
    page.tab.get_by_text("could not connect to its run").wait_for(timeout=60_000)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the server's CPU time from /proc")
def test_closing_the_tab_stops_its_work(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    page.button("Play").click()
    page.wait_for_frames(2)
    page.close()
    end = time.monotonic() + 60
    while True:
        before = server_cpu_seconds(server)
        time.sleep(2.0)
        if server_cpu_seconds(server) - before < 0.5:
            break
        assert time.monotonic() < end, "the server still computes"


def test_a_wrong_request_says_what_would_be_right_and_leaves_the_lab_alone(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    run = page.tab.locator(".map-view").get_attribute("data-run")
    page.button("Forget").click()
    for name in "123456789":
        page.tab.get_by_role("button", name=name, exact=True).click()
    page.tab.get_by_role("button", name="Forget these").click()
    page.tab.get_by_text("leave at least one out").wait_for()
    assert page.tab.locator(".map-view").get_attribute("data-run") == run
