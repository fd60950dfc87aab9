"""The static site, built small, opened from disk in a real Chromium without a network: no page asks outside, no link is dead."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

from assets.site.builder import Site, build
from assets.site.gallery import EXAMPLES
from core.lessons import read_lessons
from tests.browser.test_lessons_page import TINY

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site with one lesson of two short runs and one run of the gallery."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "tiny.toml").write_text(TINY)
    lesson = read_lessons([], [folder / "tiny.toml"])[0][0]
    example = replace(EXAMPLES[0], settings={"epochs": 1})
    build(Site(folder / "out", lessons=[lesson], examples=[example], tell=lambda text: None))
    return folder / "out"


def followed(page, start: str) -> dict[str, set[str]]:
    """Open every page that can be reached from ``start``; return for each its anchors."""
    waiting, seen, wanted = [start], {}, set()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        page.tab.goto(address)
        seen[address] = set(page.tab.eval_on_selector_all("[id]", "all => all.map(e => e.id)"))
        for href in page.tab.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))"):
            if re.match(r"https?:|mailto:", href):
                continue  # leads outside when it is clicked, and asks nothing before
            target, anchor = urldefrag(urljoin(address, href))
            wanted.add((address, target, unquote(anchor)))
            if target.endswith(".html"):
                waiting.append(target)
            else:
                assert Path(unquote(urlsplit(target).path)).is_file(), (address, href)
    dead = [(a, t, anchor) for a, t, anchor in wanted if anchor and t in seen and anchor not in seen[t]]
    assert dead == []
    return seen


def test_the_site_opens_offline_asks_nothing_outside_and_has_no_dead_link(site, open_page):
    start = (site / "index.html").as_uri()
    page = open_page(start)
    page.context.set_offline(True)
    seen = followed(page, start)
    assert {Path(unquote(urlsplit(a).path)) for a in seen} == set(site.rglob("*.html"))
    assert [r for r in page.requests if not r.startswith(("file:", "data:"))] == []
    assert page.problems == []
    broken = "all => all.filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
    for name in ("docs/findings.html", "docs/alarms.html", "index.html"):
        page.tab.goto((site / name).as_uri())
        page.tab.wait_for_load_state("load")
        assert page.tab.eval_on_selector_all("img", broken) == []


def test_lesson_and_run_of_the_site_play_and_lead_back(site, open_page):
    page = open_page((site / "runs" / f"{EXAMPLES[0].name}.html").as_uri())
    page.tab.locator("#play").click()
    page.tab.wait_for_selector("body:not([data-frame='0'])")
    assert page.tab.locator("#beside").is_visible()  # a retrained model
    assert page.tab.locator("#figures tbody tr").count() == 3
    assert "LAF, seed 0" in page.tab.locator("dl").inner_text(), "the method by its title"
    page.tab.set_viewport_size({"width": 390, "height": 844})
    box = page.tab.locator("#play").bounding_box()
    assert box["y"] + box["height"] <= 844, "both maps and Play on a phone's first screen"
    assert box["height"] >= 44
    assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390
    page.tab.get_by_role("link", name="← All").click()
    page.tab.get_by_role("heading", name="Runs that teach something").wait_for()
    page.tab.get_by_role("link", name="Lessons", exact=True).click()
    page.tab.get_by_role("link", name=re.compile("Two runs")).click()
    page.tab.get_by_role("button", name="This is my prediction").wait_for()


def test_documents_have_formulas_and_tables_and_no_markdown_left(site, open_page):
    page = open_page((site / "docs" / "concepts.html").as_uri())
    assert page.tab.locator("math").count() > 10
    assert not re.search(
        r"\$[A-Za-z_^{}]+\$|\]\(|\*\*|\\[a-zA-Z]+\{", page.tab.locator("article").inner_text()
    )
    assert page.tab.locator(".formula math").count() > 2
    page.tab.goto((site / "docs" / "index.html").as_uri())
    assert page.tab.locator("table").count() >= 2
