"""Every page in dark and light through axe-core: contrast, names, roles and focus order, in a real Chromium."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = ("Lab", "Forget set", "Attack", "Compare", "Studies", "Judge", "Lessons", "Runs", "Audit", "Guide")
GRAVE = ("serious", "critical")
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
}
# Names, roles and order are the same in both schemes. Only the colours differ.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}, "resultTypes": ["violations"]}
BACKGROUNDS = {"dark": "rgb(13, 17, 28)", "light": "rgb(246, 247, 251)"}

# What Streamlit draws itself and no setting of ours changes: (axe's rule, a part of the element's address or markup).
STREAMLITS_OWN = (
    # the label of a selectbox that is disabled: inactive parts need no contrast, but it is not tied to the box for axe to see it
    ("color-contrast", "<p>Size of the images</p>"),
    # the header's Stop, which fades in and out with each run of the script
    ("color-contrast", ">Stop</button>"),
)


def grave(found: dict[str, Any]) -> list[str]:
    """A line for each element with a serious finding that is not Streamlit's own."""
    lines = []
    for violation in found["violations"]:
        if violation["impact"] not in GRAVE:
            continue
        for node in violation["nodes"]:
            where = f"{node['target']} {node['html']}"
            if not any(violation["id"] == rule and part in where for rule, part in STREAMLITS_OWN):
                summary = " ".join(node.get("failureSummary", "").split())
                lines.append(f"{violation['id']} ({violation['impact']}): {where[:300]} | {summary[:260]}")
    return lines


def change_scheme(page: Any, scheme: str) -> None:
    page.tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    expect(page.tab.get_by_test_id("stApp")).to_have_css("background-color", BACKGROUNDS[scheme])
    page.tab.wait_for_timeout(400)  # what fades in has faded in: axe measures colours as they are drawn


def findings(page: Any, name: str) -> list[str]:
    """Those of what is shown, in dark and in light, with its name."""
    found = []
    for scheme, rules in (("dark", RULES), ("light", COLOURS)):
        change_scheme(page, scheme)
        lines = grave(Axe().run(page.tab, options=rules).response)
        found += [f"{name}, {scheme}: {line}" for line in lines]
    return found


def turn_to(page: Any, name: str) -> None:
    page.visit(name)
    expect(page.tab.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")


def test_no_page_has_a_serious_finding(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    problems = []
    for name in PAGES:
        turn_to(page, name)
        problems += findings(page, name)
    turn_to(page, "Lab")
    page.wait_ready()
    page.tab.get_by_role("button", name=re.compile("^Step ×10")).click()
    expect(page.tab.locator(".map-view")).to_have_attribute("data-frames", "11", timeout=60_000)
    page.tab.get_by_role("button", name=re.compile("^Knobs")).click()
    page.tab.get_by_label(re.compile("^VAE's epochs")).wait_for()
    problems += findings(page, "Lab, played, with its knobs")
    assert problems == [], "\n".join(problems)


def test_what_has_no_contrast_is_found_in_its_scheme(server, open_page):
    page = open_page(f"{server.url}/guide")
    page.settle()
    style = "@media (prefers-color-scheme: light) { [data-testid=stMain] p { color: #eee !important } }"
    page.tab.evaluate(
        "css => { const s = new CSSStyleSheet(); s.replaceSync(css); document.adoptedStyleSheets.push(s) }",
        style,
    )
    found = findings(page, "Guide")
    assert found
    assert all(line.startswith("Guide, light: color-contrast") for line in found)
