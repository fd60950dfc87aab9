"""Every page in dark and light through axe-core: contrast, names, roles and focus order, in a real Chromium."""

from __future__ import annotations

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

# What Streamlit draws itself and no setting of ours changes: (axe's rule, a part of the element's address or markup).
STREAMLITS_OWN = (
    # the label of a selectbox that is disabled: inactive parts need no contrast, but it is not tied to the box for axe to see it
    ("color-contrast", "<p>Images are seen</p>"),
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


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_no_page_has_a_serious_finding(server, open_page, scheme):
    page = open_page(server.url, scheme)
    page.wait_ready()
    problems = []
    for name in PAGES:
        page.tab.get_by_role("link", name=name, exact=True).first.click()
        app = page.tab.locator("[data-testid=stApp]")
        expect(app).to_have_attribute("data-test-script-state", "notRunning")
        page.tab.wait_for_timeout(400)  # what fades in has faded in: axe measures colours as they are drawn
        problems += [f"{name}: {line}" for line in grave(Axe().run(page.tab, options=RULES).response)]
    assert problems == [], "\n".join(problems)
