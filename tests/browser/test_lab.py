"""What a person does in the Lab, in a real Chromium: open, play, watch, scrub, switch, close."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PRESET = "/?dataset=digits&task=class&classes=0&settings=preset"  # 55 steps, and no search before them
REMAINING = "remain_train"
FORGOTTEN = "forget_train"


@pytest.fixture
def server(full_server):
    return full_server


def play_to_end(page) -> None:
    page.wait_ready()
    page.play_to_end()


def frames(page) -> int:
    return int(page.tab.locator(".map-view").get_attribute("data-frames"))


def wait_for_frames(page, count: int) -> None:
    end = time.monotonic() + 120
    while frames(page) < count:
        assert time.monotonic() < end, f"{frames(page)} frames, wanted {count}"
        time.sleep(0.05)


def server_cpu_seconds(server) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_digits_class_removal_plays_to_the_end_and_the_page_says_it_is_forgotten(server, open_page):
    page = open_page(server.url, motion=True)
    page.wait_ready()
    assert page.layout_shift() <= 0.1
    assert page.value(FORGOTTEN) == pytest.approx(1.0, abs=0.02)
    example = page.tab.locator(".examples li").first
    assert re.search(r"was 0, now 0", example.inner_text())
    play_to_end(page)
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
    play_to_end(page)
    end = page.value(FORGOTTEN)
    slider = page.tab.get_by_role("slider", name="Step")
    slider.focus()
    page.tab.keyboard.press("Home")
    page.tab.wait_for_selector(".map-view[data-frame='0']")
    assert page.value(FORGOTTEN) == pytest.approx(1.0, abs=0.02)
    page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_selector(".map-view[data-frame='1']")
    page.button("Go live").click()
    page.tab.wait_for_selector(f".map-view[data-frame='{frames(page) - 1}']")
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
    from playwright.sync_api import expect

    shown = page.tab.get_by_role("radio", name="retrained")
    expect(shown).to_be_enabled(timeout=120_000)
    shown.click()
    expect(shown).to_have_attribute("aria-checked", "true")
    assert page.tab.locator("[data-key='remain_train.reference']").get_attribute("data-value")


def test_another_method_is_chosen_and_the_retrained_cloud_is_drawn(server, open_page):
    from playwright.sync_api import expect

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
    play_to_end(page)
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
    assert frames(page) == 1
    page.tab.get_by_role("button", name=re.compile("^Step(?! ×)")).click()
    wait_for_frames(page, 2)
    page.tab.get_by_role("button", name=re.compile("^Step ×10")).click()
    wait_for_frames(page, 12)
    page.tab.wait_for_timeout(700)
    assert frames(page) == 12
    page.button("Reset").click()
    page.tab.wait_for_selector(".map-view[data-frames='1']")


def test_the_space_bar_plays_and_pauses(server, open_page):
    page = open_page(server.url, motion=True)
    page.wait_ready()
    page.tab.keyboard.press("Space")
    wait_for_frames(page, 5)
    page.tab.keyboard.press("Space")
    page.button("Play").wait_for()
    page.tab.wait_for_selector(".map-view[data-phase=paused]")

    def holds() -> bool:  # the last frame may come after the pause
        held = frames(page)
        page.tab.wait_for_timeout(1000)
        return frames(page) == held

    page.until(holds)
    assert page.tab.locator(".map-view").get_attribute("data-phase") == "paused"


def test_a_second_tab_has_its_own_run(server, open_page):
    first = open_page(server.url)
    play_to_end(first)
    second = open_page(server.url)
    second.wait_ready()
    assert frames(second) == 1
    assert frames(first) > 1


def test_switching_pages_stops_nothing(server, open_page):
    page = open_page(server.url + PRESET)
    page.wait_ready()
    page.button("Play").click()
    wait_for_frames(page, 2)
    page.visit("Guide")
    page.tab.get_by_role("heading", name="How to read the Lab").wait_for()
    page.tab.wait_for_timeout(1500)
    page.visit("Lab")
    page.tab.wait_for_selector(".map-view[data-phase=done]", timeout=120_000)
    wait_for_frames(page, 51)  # a page that was away gets them in several packets
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
    wait_for_frames(page, 2)
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


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_lab_fits_one_screen_without_scrolling(server, open_page, scheme):
    page = open_page(server.url, scheme)
    page.wait_ready()
    box = page.tab.locator("[data-testid=stMain]")
    assert box.evaluate("e => e.scrollHeight - e.clientHeight") <= 1


def test_the_map_is_seen_before_streamlit_has_started_and_stays_in_its_place(server, open_page):
    page = open_page(server.url)
    early = page.tab.locator("#laf-early")
    box = page.tab.evaluate(
        """() => new Promise((done) => {
          const look = () => {
            const found = document.querySelector("#laf-early[data-drawn=true]");
            if (found) { const { x, y, width, height } = found.getBoundingClientRect(); done({ x, y, width, height }); } else setTimeout(look, 10);
          };
          look();
        })"""
    )
    for _ in range(2):  # the second time with a cookie
        page.wait_ready()
        expect(early).to_have_count(0)
        there = page.tab.locator(".map-view").bounding_box()
        assert all(abs(box[side] - there[side]) < 1 for side in ("x", "y", "width", "height"))
        page.tab.reload()
    assert not page.problems


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
    play_to_end(page)
    end = frames(page)
    page.tab.get_by_role("button", name="Play on 20 steps").click()
    wait_for_frames(page, end + 20)
    expect(page.tab.locator(".remark")).to_contain_text(re.compile("20 steps past LAF's stop at step .* → "))
    page.tab.set_viewport_size({"width": 390, "height": 844})
    buttons = page.tab.locator(".st-key-setup-bar button:visible")
    expect(buttons).to_have_count(4)
    for name in ("Digits", "class 0", "Forget more", "Knobs"):  # what a phone must show of the four buttons
        assert _is_readable(buttons.filter(has_text=name).get_by_text(name).first, name), name


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_no_label_is_cut_and_retrained_stays_at_any_width(server, open_page, width, height):
    page = open_page(server.url)
    page.wait_ready()
    page.tab.set_viewport_size({"width": width, "height": height})
    page.tab.wait_for_selector(".map-view[data-references='5']", timeout=240_000)
    page.tab.wait_for_timeout(500)
    cut = page.tab.locator(".readouts .name").evaluate_all(
        "all => all.filter(e => e.offsetLeft + e.offsetWidth > e.parentElement.offsetLeft + e.parentElement.clientWidth + 1).map(e => e.textContent)"
    )
    assert cut == []
    assert page.tab.locator("[data-key='remain_train.reference']").is_visible()
    tools = page.tab.locator(".map-view .tools").bounding_box()
    for name in page.tab.locator(".map-view .names button:visible").all():
        box = name.bounding_box()
        beside = box["x"] >= tools["x"] + tools["width"] or box["x"] + box["width"] <= tools["x"]
        assert beside or box["y"] >= tools["y"] + tools["height"], name.inner_text()
    rail = page.tab.locator(".timeline .rail").bounding_box()
    assert rail["width"] >= 180
    assert rail["x"] >= 0
    assert rail["x"] + rail["width"] <= width
    if width < 500:
        assert page.tab.locator(".timeline .thumb").bounding_box()["width"] >= 24
