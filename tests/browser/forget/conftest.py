"""The page Forget set, ready to be used."""

from __future__ import annotations

import pytest


@pytest.fixture
def forget_page(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    page.visit("Forget set")
    page.tab.wait_for_selector(".gallery[data-ready=true]")
    page.tab.wait_for_selector(".map-view[data-ready=true]")
    page.tab.get_by_text("training images are on the map").wait_for()
    page.tab.wait_for_timeout(500)
    return page
