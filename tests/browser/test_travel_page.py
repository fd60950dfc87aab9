"""Knobs, forks, ways back, alarms and slow motion in a real Chromium."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PRESET = "/?dataset=digits&task=class&classes=0&settings=preset"  # 55 steps, and no search before them


def ready(page) -> None:
    page.wait_ready()
    page.tab.wait_for_selector(".map-view[data-references='5']", timeout=240_000)


def scrub(page, step: int) -> None:
    slider = page.tab.get_by_role("slider", name="Step")
    slider.focus()
    page.tab.keyboard.press("Home")
    for _ in range(step // 10):
        page.tab.keyboard.press("PageUp")
    for _ in range(step % 10):
        page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_selector(f".map-view[data-frame='{step}']")


def turn(page, label: str, value: str, button: str) -> None:
    page.button("Knobs").click()
    box = page.tab.get_by_label(re.compile(f"^{label}"))
    box.fill(value)
    box.press("Tab")
    page.tab.get_by_role("button", name=button).click()


@pytest.fixture
def server(full_server):
    return full_server


def test_one_goes_on_from_a_scrubbed_step_and_it_is_marked_as_chosen_by_eye(server, open_page):
    from playwright.sync_api import expect

    page = open_page(server.url + PRESET)
    ready(page)
    onward = page.tab.get_by_role("button", name="Continue here")
    expect(onward).to_be_disabled()
    page.play_to_end()
    expect(onward).to_be_disabled()
    assert "scrub back" in onward.get_attribute("title")
    all_frames, end = page.number("frames"), page.value("forget_train")
    scrub(page, 12)
    there = page.value("forget_train")
    onward.click()
    page.tab.wait_for_selector(".map-view[data-frames='13']")
    assert page.value("forget_train") == there
    expect(page.tab.locator(".remark")).to_contain_text("chosen by eye")
    expect(page.tab.locator(".marks .eye")).to_have_count(1)
    page.play_to_end()
    assert page.number("frames") == all_frames
    assert page.value("forget_train") == end
    assert not page.problems


def test_a_fork_with_other_knobs_is_drawn_over_its_parent_with_the_difference_in_each_readout(
    server, open_page
):
    from playwright.sync_api import expect

    page = open_page(server.url + PRESET)
    ready(page)
    page.play_to_end()
    end = page.value("remain_train")
    scrub(page, 15)
    page.tab.get_by_role("button", name="Fork here").click()
    page.tab.get_by_role("button", name="Drop fork").wait_for()
    turn(page, "τ", "0.5", "Apply from the next step")
    expect(page.tab.locator(".remark")).to_contain_text("τ 15 → 0.5")
    page.tab.keyboard.press("Escape")
    page.play_to_end()
    page.tab.wait_for_selector(".map-view[data-fork='55']")
    assert page.value("remain_train") == end
    assert page.value("remain_train.fork") < 0
    assert page.tab.locator("[data-key$='.fork'][data-value]:not([data-value=''])").count() >= 6
    page.tab.get_by_role("button", name="Drop fork").click()
    page.tab.wait_for_selector(".map-view[data-fork='']")
    assert not page.problems


def test_a_wrong_knob_is_one_sentence_and_the_right_one_marks_the_history(server, open_page):
    from playwright.sync_api import expect

    page = open_page(server.url + PRESET)
    ready(page)
    page.tab.get_by_role("button", name=re.compile("^Step ×10")).click()
    page.tab.wait_for_selector(".map-view[data-frames='11'][data-phase=paused]")
    turn(page, "τ", "0", "Apply from the next step")
    page.tab.get_by_text("τ must be a finite number > 0").wait_for()
    assert page.number("frames") == 11
    box = page.tab.get_by_label(re.compile("^τ"))
    box.fill("5")
    box.press("Tab")
    page.tab.get_by_role("button", name="Apply from the next step").click()
    expect(page.tab.locator(".marks .change")).to_have_attribute("title", re.compile("τ 15 → 5"))
    page.button("Knobs").click()
    page.tab.get_by_role("button", name="Reset to preset").click()
    page.tab.wait_for_selector(".map-view[data-frames='1'][data-phase=ready]")
    expect(page.tab.locator(".marks .change")).to_have_count(0)
    assert not page.problems


def test_l_ue_alone_raises_an_alarm_with_its_name_its_step_and_what_to_try(server, open_page):
    from playwright.sync_api import expect

    page = open_page(server.url + PRESET)
    ready(page)
    page.button("Knobs").click()
    page.tab.get_by_role("combobox", name=re.compile("Step only")).click()
    page.tab.get_by_role("option", name="L_UE", exact=True).click()
    page.tab.get_by_role("button", name="Apply from the next step").click()
    page.tab.wait_for_timeout(500)
    page.tab.keyboard.press("Escape")
    page.play_to_end()
    alarm = page.tab.locator(".readouts .alarm")
    expect(alarm).to_have_attribute("data-name", "Collapse")
    expect(alarm).to_contain_text(re.compile(r"Began at step \d+: .* Try: L_UE alone"))
    mark = page.tab.locator(".marks .alarm").first
    began = int(mark.get_attribute("data-step"))
    scrub(page, began - 1)
    expect(alarm).to_be_hidden()
    assert not page.problems


def test_the_balance_shows_the_model_on_the_same_axis_and_gradients_by_layer(server, open_page):
    page = open_page(server.url + PRESET)
    ready(page)
    page.tab.get_by_role("button", name=re.compile("^Step ×10")).click()
    page.tab.wait_for_selector(".map-view[data-frames='11'][data-phase=paused]")
    assert page.value("loss.share_ue") + page.value("loss.share_ra") == pytest.approx(100, abs=0.1)
    curves = page.tab.get_by_role("group", name="Curves")
    curves.get_by_role("button", name="model").click()
    page.tab.locator("[data-key='loss.forget_train']").wait_for()
    curves.get_by_role("button", name="all").click()
    page.tab.locator(".balance .chart").nth(9).wait_for()
    assert page.tab.locator(".balance .chart").count() == 10
    page.tab.get_by_role("button", name="by layer").click()
    page.tab.locator(".layer[data-layer]").first.wait_for()
    assert page.tab.locator(".layer[data-layer]").count() >= 3
    box = page.tab.locator("[data-testid=stMain]")
    assert box.evaluate("e => e.scrollHeight - e.clientHeight") <= 1
    assert not page.problems


def test_slow_motion_names_the_stages(server, open_page):
    page = open_page(server.url + PRESET, motion=True)
    ready(page)
    page.tab.get_by_text("Slow", exact=True).click()
    page.tab.wait_for_timeout(500)
    page.button("Play").click()
    for stage in ("vae", "vae_f", "ue", "ra"):
        page.tab.wait_for_selector(f".slow[data-stage={stage}]", timeout=60_000)
    before = page.number("frames")
    page.tab.wait_for_timeout(3000)
    assert page.number("frames") - before <= 6
    page.until(lambda: page.number("frames") > before)
    page.button("Pause").click()
    page.tab.wait_for_selector(".slow", state="hidden")
    assert not page.problems
