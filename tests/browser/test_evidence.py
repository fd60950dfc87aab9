"""The pages of evidence in a real Chromium: methods compared, an attack looked at, a record drawn up."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from core.methods import METHODS
from dashboard.presentation.wire.comparison import title_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HARMLESS = (
    "Failed to load resource"  # Streamlit asks for its health below a page that was opened by its address
)


def problems(page) -> list[str]:
    return [p for p in page.problems if HARMLESS not in p]


def go(page, name: str) -> None:
    page.visit(name)


def play(page) -> None:
    page.wait_ready()
    page.button("Play").click()
    page.tab.wait_for_selector(".map-view[data-phase=done]", timeout=120_000)


def test_methods_are_compared_sorted_exported_and_shown_on_linked_maps(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    go(page, "Compare")
    tab = page.tab
    tab.get_by_role("button", name=re.compile("^Compare other methods or seeds")).click()
    for name in (title_of(key) for key in METHODS if key not in ("nothing", "finetune", "laf", "retrain")):
        tab.get_by_role("button", name=re.compile(f"^{re.escape(name)}( \\(|$)")).click()
    tab.get_by_role("textbox", name="Seeds").fill("0")
    tab.get_by_role("textbox", name="Seeds").press("Enter")
    tab.get_by_role("button", name="Start").click()
    tab.get_by_text(re.compile(r"^3 of 3 runs done in")).wait_for(timeout=200_000)
    rows = tab.locator(".table tbody tr")
    names = rows.locator("th").all_inner_texts()
    assert [n.strip() for n in names] == ["Retrained models", "Do nothing", "Fine-tune", "LAF"]
    heading = tab.locator(".table thead th", has_text="Train_f").get_by_role("button")
    heading.click()
    shown = [float(t.split("±")[0].strip("▼ ")) for t in rows.locator("td:nth-child(4)").all_inner_texts()]
    assert shown == sorted(shown)
    assert tab.locator(".table th[aria-sort=ascending]").count() == 1
    tab.locator(".pair canvas").first.wait_for(timeout=120_000)
    tab.locator(".pair canvas").first.focus()
    tab.keyboard.press("]")
    said = tab.locator(".pair .lines").inner_text()
    assert "forgotten" in said
    assert "A LAF" in said
    assert "B Do nothing" in said
    for detail in (
        *("Where forgotten data go", "Class accuracy", "Layers", "Information by layer", "Relearning"),
        "Before and now",
    ):
        tab.get_by_role("radio", name=detail).or_(tab.get_by_role("button", name=detail)).first.click()
        tab.locator(".js-plotly-plot").first.wait_for(timeout=30_000)
    tab.get_by_role("button", name=re.compile("^Export")).click()
    with tab.expect_download() as waiting:
        tab.get_by_role("button", name="CSV, all seeds").click()
    text = waiting.value.path().read_text()
    tab.reload()
    tab.get_by_text(re.compile(r"^3 of 3 runs done in")).wait_for(timeout=60_000)
    assert text.startswith("method,figure")
    assert "\nlaf,train_f," in text
    assert not problems(page)


def test_a_comparison_can_be_stopped_and_seeds_that_are_none_are_refused(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    go(page, "Compare")
    tab = page.tab
    tab.get_by_role("button", name=re.compile("^Compare other methods or seeds")).click()
    tab.get_by_role("textbox", name="Seeds").fill("2-0")
    tab.get_by_role("textbox", name="Seeds").press("Enter")
    tab.get_by_role("button", name="Start").click()
    tab.get_by_text("'2-0' is no seed").wait_for()
    tab.get_by_role("textbox", name="Seeds").fill("7")
    tab.get_by_role("textbox", name="Seeds").press("Enter")
    tab.get_by_role("button", name="Start").click()
    tab.get_by_role("button", name="Cancel").click(timeout=60_000)
    tab.get_by_text(re.compile("^Stopped")).wait_for(timeout=60_000)
    assert not problems(page)


def test_the_attack_on_the_labs_model_states_its_power(server, open_page):
    page = open_page(server.url)
    play(page)
    go(page, "Attack")
    page.tab.get_by_text(re.compile("finds a leak of AUC")).wait_for(timeout=120_000)
    page.tab.get_by_text(re.compile("Too few unseen images for a rate")).wait_for()
    page.tab.reload()  # first the example, then the real charts in its place
    page.tab.get_by_text(re.compile("finds a leak of AUC")).wait_for(timeout=120_000)
    assert page.layout_shift() <= 0.1
    assert not problems(page)


def test_a_record_is_drawn_up_of_a_finished_run_and_of_no_other(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    go(page, "Audit")
    page.tab.get_by_text(re.compile("The record needs a finished run")).wait_for()
    assert page.button("Draw up the record").count() == 0
    page.tab.get_by_label("Requester").fill("A. Person")
    page.button("Play the run to its end").click()
    expect(page.button("Draw up the record")).to_be_enabled(timeout=120_000)
    page.button("Draw up the record").click()
    page.tab.get_by_text("Record of unlearning").wait_for(timeout=120_000)
    text = page.tab.locator(".audit").inner_text()
    for part in (
        "What was asked",
        "142 images",
        "A. Person",
        "LAF-",
        "no legal guarantee",
        "laf run --dataset digits",
    ):
        assert part in text, part
    with page.tab.expect_download() as waiting:
        page.tab.get_by_role("button", name="Page to print").click()
    assert "<!doctype html>" in waiting.value.path().read_text()
    assert not problems(page)
