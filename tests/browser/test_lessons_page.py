"""Every lesson finished in a real Chromium as a student would; links, the class's predictions, and a replay from disk without a network."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.lessons import read_lessons
from core.lessons.assessment.submission import digest_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHIPPED = Path(__file__).parents[2] / "core" / "lessons" / "builtin"
LESSONS, PROBLEMS = read_lessons([SHIPPED])
QUIET = "[data-testid=stApp][data-test-script-state=notRunning]"


def settle(page) -> None:
    page.tab.wait_for_selector(QUIET)


def at(page, part: int) -> None:
    page.tab.wait_for_selector(f".lesson-steps[data-at='{part}']")
    settle(page)


def turn(page, to: int) -> None:
    """On to the next part."""
    expect(page.button("Next")).to_be_enabled()
    page.click_until(page.button("Next"), page.tab.locator(f".lesson-steps[data-at='{to}']"))
    at(page, to)


def choose(page, choice: str, button: str) -> None:
    """Pick a choice of the question that is shown, by its text, and confirm it."""
    page.tab.locator(".st-key-lesson-text [role=radiogroup] label").filter(has_text=choice).first.click()
    confirm = page.tab.get_by_role("button", name=button, exact=True)
    expect(confirm).to_be_enabled()
    settle(page)  # Streamlit loses a click that comes while it draws anew
    confirm.click()


def knob(page, label: str, value: str) -> None:
    """Turn one knob and begin anew with it."""
    page.button("Knobs").click()
    box = page.tab.get_by_label(re.compile(f"^{label}"))
    box.fill(value)
    box.press("Tab")
    page.tab.get_by_role("button", name="Reset with these").click()
    page.tab.wait_for_selector(".map-view[data-phase=ready]")
    settle(page)
    page.tab.keyboard.press("Escape")


def mend(page, lesson, number: int) -> None:
    """What a student does where no button does it for him."""
    label, value = {"2-two-vaes": ("VAE's lr", "0.004"), "5-the-balance": ("τ", "14")}[lesson.id]
    knob(page, label, value)
    expect(page.button("Play")).to_be_enabled()
    page.button("Play").click()


def do_step(page, lesson, number: int) -> None:
    """One step: the button, the check, the question."""
    part = lesson.parts[number - 1]
    if part.do is not None:
        button = page.button(part.do.label)
        if part.do.measure is not None:  # needs the retrained models
            page.tab.wait_for_selector(".map-view[data-references='3']", timeout=120_000)
        expect(button).to_be_enabled()
        button.click()
    elif part.knobs:
        mend(page, lesson, number)
    if part.check is not None:
        page.tab.wait_for_selector(".lesson-check[data-passed=true]", timeout=120_000)
    if part.question is not None:
        choose(page, part.question.choices[part.question.answer - 1], "Answer")
        page.tab.wait_for_selector(".lesson-answer.right")


def look_at_all_requests(page) -> None:
    """The loss balance of the chain: the open request at the cursor, an earlier one under the pointer."""
    page.tab.get_by_role("button", name="all requests", exact=True).click()
    told = page.tab.locator(".balance.whole .when")
    expect(told).to_contain_text(re.compile("^request 2, step "))
    page.tab.locator(".balance canvas").first.hover(position={"x": 50, "y": 10})
    expect(told).to_contain_text(re.compile("^request 1, step "))


@pytest.mark.parametrize("lesson", LESSONS, ids=[x.id for x in LESSONS])
def test_a_student_finishes_the_lesson(server, open_page, lesson):
    page = open_page(f"{server.url}/lessons?lesson={lesson.number}")
    at(page, 0)
    expect(page.button("Next")).to_be_disabled()
    choose(page, lesson.prediction.choices[0], "This is my prediction")
    for number in range(1, len(lesson.parts) + 1):
        turn(page, number)
        do_step(page, lesson, number)
    turn(page, len(lesson.parts) + 1)
    page.tab.wait_for_selector(".lesson-check[data-finished=true]")
    if lesson.id == "10-one-after-another":
        look_at_all_requests(page)
    page.tab.wait_for_selector(".katex-html", state="attached")  # typeset a moment after the text is there
    assert page.tab.locator(".katex-error").count() == 0
    with page.tab.expect_download() as got:
        page.tab.get_by_role("button", name="Download your submission").click()
    values = json.loads(Path(got.value.path()).read_text())
    assert values["finished"]
    assert values["digest"] == digest_of(values)
    assert len(values["checks"]) == sum(p.check is not None for p in lesson.parts)
    assert values["seed"] == 0
    wide = "() => { const m = document.querySelector('[data-testid=stMain]'); return m.scrollHeight - m.clientHeight }"
    assert page.tab.evaluate(wide) <= 1  # one screen
    assert [p for p in page.problems if "404" not in p] == []


def test_the_class_predicts_and_the_teacher_sees_it_when_he_asks(server, open_page):
    lesson = LESSONS[2]
    for choice in (0, 1, 1):
        student = open_page(f"{server.url}/lessons?lesson={lesson.id}&class=2b&controls=hidden")
        at(student, 0)
        assert student.tab.get_by_role("button", name=re.compile("^Play")).count() == 0
        assert student.tab.get_by_role("button", name="Knobs").count() == 0
        assert student.tab.get_by_text("Show the class's predictions").count() == 0
        choose(student, lesson.prediction.choices[choice], "This is my prediction")
        student.tab.get_by_text("You predict:").wait_for()
        if choice == 0:
            student.tab.reload()  # it is kept
            student.tab.get_by_text("You predict:").wait_for()
        student.close()
    teacher = open_page(f"{server.url}/lessons?lesson={lesson.id}&class=2b&present=1", "light")
    at(teacher, 0)
    assert teacher.tab.locator(".lesson-tally").count() == 0
    teacher.tab.get_by_text("Show the class's predictions").click()
    teacher.tab.wait_for_selector(".lesson-tally")
    counts = [int(li.get_attribute("data-count")) for li in teacher.tab.locator(".lesson-tally li").all()]
    assert counts == [1, 2, 0]
    size = "() => parseFloat(getComputedStyle(document.querySelector('.st-key-lesson-text p')).fontSize)"
    assert teacher.tab.evaluate(size) > 18
    teacher.tab.get_by_role("button", name="Start counting again").click()
    teacher.tab.wait_for_selector(".lesson-tally li[data-count='0'] >> nth=2")


def test_by_keyboard_alone_from_the_list_to_a_passed_check(server, open_page):
    home = server.log.parent / "lessons"
    home.mkdir(exist_ok=True)
    (home / "broken.toml").write_text('title = "x"\nprediction = 3\n')
    page = open_page(f"{server.url}/lessons")
    page.tab.get_by_text("broken.toml").wait_for()
    (home / "broken.toml").unlink()
    begin = page.tab.locator(".st-key-lesson-enter-5-the-balance button").first
    begin.focus()
    page.tab.keyboard.press("Enter")
    at(page, 0)
    if page.tab.get_by_role("button", name="This is my prediction").count():
        page.tab.locator(".st-key-lesson-text input[type=radio]").first.focus()
        page.tab.keyboard.press("Space")
        settle(page)
        confirm = page.tab.get_by_role("button", name="This is my prediction")
        expect(confirm).to_be_enabled()
        told = page.tab.get_by_text("You predict:")
        for _ in range(3):  # Streamlit loses a key that comes while it draws anew
            if not told.count():
                confirm.focus()
                page.tab.keyboard.press("Enter")
                page.tab.wait_for_timeout(3000)
        told.wait_for()
    settle(page)
    page.tab.evaluate("document.activeElement.blur()")
    page.tab.keyboard.press("n")
    at(page, 1)
    page.tab.keyboard.press("d")
    page.tab.wait_for_selector(".lesson-check[data-passed=true]")
    settle(page)
    page.tab.keyboard.press("Shift+N")
    at(page, 0)


TINY = """
title = "Two runs"
goal = "A goal."
[prediction]
question = "What will <b>happen</b>?"
choices = ["this", "</script>that"]
answer = 2
[[steps]]
title = "Six steps"
text = '''Of $D_f$ and **more**.'''
do = { label = "Play", begin = {}, play = 6 }
vae_curves = true
numbers = ["train_f", "js"]
check = 'steps >= 6'
[[steps]]
title = "Six others"
text = "With another temperature."
do = { label = "Play again", begin = { tau = 4 }, play = 6 }
check = 'tau == 4'
[steps.question]
text = "Why?"
choices = ["a", "b"]
answer = 1
why = "So."
[summary]
text = "Done."
formula = '''
d = 1 - \\cos\\left( e_U, e_D \\right)
'''
"""


@pytest.fixture(scope="module")
def replay_page(prepared_home, tmp_path_factory):
    """A lesson of two short runs, played and written as the command does."""
    from dashboard.cli.main import main

    home = Path(shutil.copytree(prepared_home, tmp_path_factory.mktemp("replay") / "home"))
    own, path = home / "tiny.toml", home / "lesson.html"
    own.write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAF_HOME", str(home))
        assert main(["lesson", "export", "tiny", "--lesson", str(own), "--out", str(path), "--quiet"]) == 0
    return read_lessons([], [own])[0][0], path


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_replay_is_followed_from_disk_without_a_network(replay_page, browser, open_page, scheme):
    lesson, path = replay_page
    page = open_page(path.as_uri(), scheme)
    page.context.set_offline(True)
    body, following = page.tab.locator("body"), page.tab.get_by_role("button", name="Next")
    expect(following).to_be_disabled()
    for number in range(len(lesson.parts) + 2):
        expect(body).to_have_attribute("data-part", str(number))
        article = page.tab.locator("#parts > article").nth(number)
        for field in article.locator("fieldset").all():
            field.locator("input").first.check()
            field.get_by_role("button").click()
        act = article.locator("button.do")
        if act.count():
            act.click()
            expect(body).to_have_attribute("data-frame", "6", timeout=20_000)
        if number <= len(lesson.parts):
            page.tab.keyboard.press("n")
    assert page.tab.locator("math").count() == 2
    assert page.tab.locator(".lesson-curves img").evaluate("e => e.naturalWidth") > 0
    page.tab.get_by_text("You predicted:").wait_for()
    assert [r for r in page.requests if not r.startswith("data:")] == [path.as_uri()]
    assert page.problems == []


def test_no_shipped_lesson_is_broken():
    assert PROBLEMS == []
    assert [x.number for x in LESSONS] == list(range(1, 12))
