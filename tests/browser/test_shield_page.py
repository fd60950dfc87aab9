"""The shield in a real Chromium: every page works under the policy, the cookie is out of reach, other origins stay outside."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = ["", "forget", "attack", "compare", "studies", "judge", "lessons", "runs", "audit", "guide"]


def token(page) -> dict:
    """The browser's cookie, as the browser keeps it."""
    (found,) = [c for c in page.context.cookies() if c["name"] == "laf-browser"]
    return found


def test_every_page_works_under_the_policy(server, open_page):
    page = open_page(server.url)
    page.wait_ready()
    for name in PAGES[1:]:
        page.tab.goto(f"{server.url}/{name}")
        expect(page.tab.get_by_test_id("stMain")).to_be_visible(timeout=60_000)
        expect(page.tab.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=60_000)
        expect(page.tab.get_by_test_id("stException")).to_have_count(0)
    # Streamlit's page looks for its server below the page's own path first, which is a 404 on every page but the Lab's
    assert [p for p in page.problems if "404 (Not Found)" not in p] == []


def test_no_script_reads_the_cookie_and_a_reload_keeps_it(server, open_page):
    page, other = open_page(server.url), open_page(server.url)
    page.wait_ready()
    other.wait_ready()
    found = token(page)
    assert (found["httpOnly"], found["sameSite"], found["secure"], found["path"]) == (
        True,
        "Strict",
        False,
        "/",
    )
    assert "laf-browser" not in page.tab.evaluate("document.cookie")
    assert token(other)["value"] != found["value"]
    deep = open_page(f"{server.url}/lessons")  # the browser's first page is another than the Lab's
    expect(deep.tab.get_by_text("why not just retrain").first).to_be_visible(timeout=60_000)
    assert token(deep)["httpOnly"]
    page.tab.reload()
    page.wait_ready()
    assert token(page)["value"] == found["value"]


def test_the_token_of_an_older_lab_stays_and_leaves_the_scripts_reach(server, browser, open_page):
    page = open_page(f"{server.url}/_stcore/host-config")  # an answer of the server that sets no cookie
    old = "0123456789abcdef" * 2
    page.tab.evaluate(f"document.cookie = 'laf-browser={old}; max-age=31536000; path=/; SameSite=Strict'")
    assert old in page.tab.evaluate("document.cookie")
    page.tab.goto(server.url)
    page.wait_ready()
    assert token(page)["value"] == old
    assert "laf-browser" not in page.tab.evaluate("document.cookie")


@pytest.fixture
def elsewhere():
    """A site of another origin with one page, which a test fills."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(site.page.encode())

        def log_message(self, *_):
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    site.page = "<p>elsewhere</p>"
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield site
    site.shutdown()
    site.server_close()


OPEN = """url => new Promise(done => {
    const socket = new WebSocket(url);
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
})"""


def test_a_page_of_another_origin_is_refused_with_the_right_token(server, open_page, elsewhere):
    page = open_page(server.url)
    page.wait_ready()
    run = page.tab.locator(".theatre").get_attribute("data-run")
    line = f"{server.url.replace('http', 'ws')}/laf-feed/{run}"
    stream = f"{server.url.replace('http', 'ws')}/_stcore/stream"
    assert page.tab.evaluate(OPEN, line) == "open"
    for host in ("127.0.0.1", "localhost"):
        other = open_page(f"http://{host}:{elsewhere.server_port}/")
        assert [other.tab.evaluate(OPEN, url) for url in (line, stream)] == ["refused", "refused"]


def test_no_other_site_frames_the_lab(server, open_page, elsewhere):
    elsewhere.page = f"<iframe src='{server.url}' width='800' height='600'></iframe>"
    page = open_page(f"http://127.0.0.1:{elsewhere.server_port}/")
    page.tab.wait_for_timeout(2000)
    assert page.tab.frames[1].url.startswith("chrome-error:")
    assert any("frame-ancestors" in problem for problem in page.problems)


def test_a_link_from_another_site_keeps_the_browser_s_runs(server, open_page, elsewhere):
    page = open_page(server.url)
    page.wait_ready()
    found = token(page)["value"]
    elsewhere.page = f"<a href='{server.url}'>Lab</a> <a href='{server.url}/_stcore/health'>health</a>"
    for link in ("health", "Lab"):
        page.tab.goto(f"http://localhost:{elsewhere.server_port}/")  # another site than 127.0.0.1
        page.tab.get_by_text(link, exact=True).click()
        page.tab.wait_for_url(f"{server.url}/**")
    page.wait_ready()
    assert token(page)["value"] == found
