"""The page Studies in a real Chromium: a study is put together, measured, started, watched, and one of its points opens in the Lab."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from core.experiments.studies import StudyRun, parse_study

pytestmark = [pytest.mark.browser, pytest.mark.slow]

QUICK = """
title = "Two temperatures"
question = "Which?"
references = 1
seeds = [0, 1]
[fixed]
"vae.epochs" = 1
steps = 2
[grid]
temperature = [5.0, 20.0]
lr_ra = [1e-3, 2e-3]
"""


def test_a_point_of_a_study_opens_as_its_settings_in_the_lab(server, open_page, monkeypatch):
    monkeypatch.setenv("LAF_HOME", str(server.log.parent))  # as in a terminal beside the server
    StudyRun(parse_study(QUICK, "two-temperatures"), workers=1).run()
    page = open_page(server.url + "/studies")
    tab = page.tab
    study = tab.get_by_role("combobox").first
    study.click()
    study.fill("Two temperatures")
    tab.keyboard.press("Enter")
    expect(tab.get_by_text(re.compile("8 done · complete"))).to_be_visible()
    cell = tab.locator(".js-plotly-plot .scatterlayer .point").first  # unseen, over the first cell
    cell.wait_for(state="attached")
    box = cell.bounding_box()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tab.get_by_role("button", name="Seed 1 in the Lab").click()
    page.wait_ready()
    expect(tab).to_have_url(re.compile(r"seed=1.*settings="), timeout=60_000)
    assert "steps" in tab.url
    assert "temperature" in tab.url
