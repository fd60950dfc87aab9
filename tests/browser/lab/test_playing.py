"""A run in the Lab, in a real Chromium: play it, step, scrub, compare it with retrained models, and play on."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

REMAINING = "remain_train"
FORGOTTEN = "forget_train"


def test_digits_class_removal_plays_to_the_end_and_the_page_says_it_is_forgotten(server, open_page):
    page = open_page(server.url, motion=True)
    page.wait_ready()
    assert page.layout_shift() <= 0.1
    assert page.value(FORGOTTEN) == pytest.approx(1.0, abs=0.02)
    example = page.tab.locator(".examples li").first
    assert re.search(r"was 0, now 0", example.inner_text())
    page.play_to_end()
    assert page.value(FORGOTTEN) <= 0.05
    assert page.value(REMAINING) >= 0.95
    page.tab.get_by_text(re.compile("^Forgotten:")).first.wait_for()
    shown = page.tab.locator(".sentence[data-final=true]")
    assert shown.evaluate("e => e.scrollHeight <= e.clientHeight + 1")  # the verdict is not cut
    expect(example).to_contain_text(re.compile(r"was 0, now [1-9], [1-5] of 5 retrained models say [1-9]"))
    stop = page.tab.locator(".marks .stop").get_attribute("title")
    assert stop.startswith("LAF stopped here: ")
    stage = page.tab.locator("span.stage")
    assert stage.inner_text() == stop
    assert stage.evaluate("e => e.scrollHeight <= e.clientHeight + 1")  # the sentence is not cut
    assert "an oracle's view" in page.tab.locator(".marks .nearest").get_attribute("title")
    page.tab.wait_for_selector(".map-view[data-cloud=true]")  # all retrained models show by themselves
    assert page.tab.get_by_text("LAF took").is_visible()
    assert page.tab.evaluate(
        "() => [...window.lafLab.stores?.values?.() ?? []].every(s => s.stats.lost === 0)"
    )
    assert not page.problems
    assert all(
        r.startswith((server.url, "data:", "blob:", server.url.replace("http", "ws"))) for r in page.requests
    )
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "Error" not in log


def test_scrubbing_back_shows_the_untouched_model_and_go_live_returns(server, open_page):
    page = open_page(server.url, motion=True)
    page.play_to_end()
    end = page.value(FORGOTTEN)
    slider = page.tab.get_by_role("slider", name="Step")
    slider.focus()
    page.tab.keyboard.press("Home")
    page.tab.wait_for_selector(".map-view[data-frame='0']")
    assert page.value(FORGOTTEN) == pytest.approx(1.0, abs=0.02)
    page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_selector(".map-view[data-frame='1']")
    page.button("Go live").click()
    page.tab.wait_for_selector(f".map-view[data-frame='{page.number('frames') - 1}']")
    assert page.value(FORGOTTEN) == end
    page.tab.get_by_role("button", name="moved", exact=True).click()
    root = page.tab.locator(".map-view")
    id_, angle = root.evaluate("""r => {
      const s = window.lafLab.store(r.dataset.run);
      const { angle } = s.frames[s.newest];
      const i = angle.indexOf(Math.max(...angle));
      return [s.scene.ids[i], angle[i]];
    }""")
    row = root.locator(".moved section").first.get_by_role("button").first
    expect(row).to_contain_text(f"{angle}°")
    row.click()
    expect(root).to_have_attribute("data-pin", str(id_))


def test_the_retrained_model_can_be_shown_when_it_is_there(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    shown = page.tab.get_by_role("radio", name="retrained")
    expect(shown).to_be_enabled(timeout=120_000)
    shown.click()
    expect(shown).to_have_attribute("aria-checked", "true")
    assert page.tab.locator("[data-key='remain_train.reference']").get_attribute("data-value")


def test_another_method_is_chosen_and_the_retrained_cloud_is_drawn(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    page.button("Forget").click()
    page.tab.get_by_role("combobox", name=re.compile("Method")).click()
    page.tab.get_by_role("option", name=re.compile("^Fine-tune")).click()
    # a click while the form is drawn anew is lost; a person takes this long to the button
    page.tab.wait_for_timeout(300)
    page.tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    run = page.tab.locator(".map-view").get_attribute("data-run")
    page.tab.get_by_role("button", name="Forget these").first.click()
    page.tab.wait_for_selector(f".map-view[data-ready=true]:not([data-run='{run}'])")
    page.play_to_end()
    expect(page.tab.locator("[data-key='clock.seconds']")).to_contain_text("Fine-tune")
    page.tab.locator("[data-key='loss.loss_remain'][data-value]:not([data-value=''])").wait_for()
    page.tab.wait_for_selector(".map-view[data-references='5']", timeout=240_000)
    group = page.tab.get_by_role("radiogroup", name="Retrained")
    cloud = group.get_by_role("radio", name="all 5")
    expect(cloud).to_be_enabled()
    cloud.click()
    page.tab.wait_for_selector(".map-view[data-cloud=true]")
    expect(page.tab.locator("[data-key=cloud]")).to_have_attribute("title", re.compile("held-out"))
    expect(page.tab.locator("[data-key='remain_train.place']")).to_have_attribute(
        "title", re.compile("band of 5|percentile of 5")
    )
    page.tab.locator(".map-view .stage canvas").first.focus()
    page.tab.keyboard.press("]")
    expect(page.tab.locator(".map-view .card")).to_contain_text(re.compile(r"[1-5] of 5 say \d"))
    page.tab.get_by_role("button", name="Curve of AUC, learned").click()
    expect(page.tab.locator(".balance h3")).to_have_text("AUC, learned")
    assert not page.problems


def test_one_step_makes_one_frame_and_ten_make_ten(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    assert page.number("frames") == 1
    page.tab.get_by_role("button", name=re.compile("^Step(?! ×)")).click()
    page.wait_for_frames(2)
    page.tab.get_by_role("button", name=re.compile("^Step ×10")).click()
    page.wait_for_frames(12)
    page.tab.wait_for_timeout(700)
    assert page.number("frames") == 12
    page.button("Reset").click()
    page.tab.wait_for_selector(".map-view[data-frames='1']")


def test_the_space_bar_plays_and_pauses(server, open_page):
    page = open_page(server.url, motion=True)
    page.wait_ready()
    page.tab.keyboard.press("Space")
    page.wait_for_frames(5)
    page.tab.keyboard.press("Space")
    page.button("Play").wait_for()
    page.tab.wait_for_selector(".map-view[data-phase=paused]")

    def holds() -> bool:  # the last frame may come after the pause
        held = page.number("frames")
        page.tab.wait_for_timeout(1000)
        return page.number("frames") == held

    page.until(holds)
    assert page.tab.locator(".map-view").get_attribute("data-phase") == "paused"


def test_the_trials_of_settings_are_on_map_and_curves_and_can_be_hidden(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    entry = page.tab.locator("[data-key=trials]")
    expect(entry).to_have_text(re.compile(r"^\d trials?$"))
    expect(entry).to_have_attribute("aria-pressed", "true")
    entry.click()
    expect(entry).to_have_attribute("aria-pressed", "false")
    page.tab.get_by_role("group", name="Curves").get_by_role("button", name="trials").click()
    expect(page.tab.locator(".trial.chosen")).to_have_count(1)
    expect(page.tab.locator(".balance .chart")).to_have_count(2)


def _is_readable(label, start: str) -> bool:
    """Return whether the first characters of a label lie inside of its button."""
    return label.evaluate(
        """(e, start) => {
          const text = document.createTreeWalker(e, NodeFilter.SHOW_TEXT).nextNode(), range = document.createRange();
          range.setStart(text, 0); range.setEnd(text, start.length);
          return range.getBoundingClientRect().right <= e.closest("button").getBoundingClientRect().right && range.getBoundingClientRect().width > 10;
        }""",
        start,
    )


def test_playing_on_says_what_it_costs(server, open_page):
    page = open_page(server.url)
    page.play_to_end()
    end = page.number("frames")
    page.tab.get_by_role("button", name="Play on 20 steps").click()
    page.wait_for_frames(end + 20)
    expect(page.tab.locator(".remark")).to_contain_text(re.compile("20 steps past LAF's stop at step .* → "))
    page.tab.set_viewport_size({"width": 390, "height": 844})
    buttons = page.tab.locator(".st-key-setup-bar button:visible")
    expect(buttons).to_have_count(4)
    for name in ("Digits", "class 0", "Forget more", "Knobs"):  # what a phone must show of the four buttons
        assert _is_readable(buttons.filter(has_text=name).get_by_text(name).first, name), name
