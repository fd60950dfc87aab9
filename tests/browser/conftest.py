"""Fixtures for tests in a real Chromium: the server, the browser, a page. Both run on this machine only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import expect, sync_playwright

from core.data import load
from core.methods import LAF
from core.runs.original_models import original
from core.runs.reference_models import references
from core.runs.setup import Setup
from core.runtime.progress import run_to_end
from tests.browser.chromium import FLAGS, chromium
from tests.browser.page import Page, Profile
from tests.browser.server import QUICK, Server


@pytest.fixture(scope="session")
def prepared_home(shared_folder: Path) -> Path:
    """Return a folder to copy as LAF_HOME: the default setup's retrained models, trained once for all pytest workers."""
    prepared = shared_folder / "prepared-home"
    with FileLock(shared_folder / "prepared-home.lock"):
        if not prepared.exists():
            making = shared_folder / "prepared-home-in-work"
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("LAF_HOME", str(making))
                split = Setup(device="cpu").split(load("digits"))
                references(split, run_to_end(original(split, LAF())))
            shutil.copytree(making / "models", shared_folder / "models", dirs_exist_ok=True)
            making.rename(prepared)
    return prepared


@pytest.fixture
def home(prepared_home: Path, tmp_path: Path) -> Path:
    """Return a LAF_HOME for a server of the test's own."""
    return Path(shutil.copytree(prepared_home, tmp_path / "home"))


@pytest.fixture(scope="session")
def server(
    prepared_home: Path, shared_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Start the server that the tests of one pytest worker share, as for a slow machine: few frames, two retrained models fewer.

    It has models and maps in common with those of the other workers.
    """
    home = _shared_home(prepared_home, shared_folder, tmp_path_factory)
    made = Server(home, **QUICK)
    made.wait()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def full_server(
    prepared_home: Path, shared_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Start a server as a user does, for tests of a run's frames and of all five retrained models."""
    made = Server(_shared_home(prepared_home, shared_folder, tmp_path_factory))
    made.wait()
    yield made
    made.stop()


def _shared_home(prepared: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a LAF_HOME with the models and maps that all servers share."""
    home = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("lab") / "home"))
    for kind in ("models", "maps"):
        if (home / kind).exists():
            shutil.rmtree(home / kind)
        (home / kind).symlink_to(shared / kind)
    return home


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    path = chromium()
    if path is None:
        message = "no Chromium on this machine; `make browser` installs one, or set LAF_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=60_000)  # a busy machine is slow, not wrong
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def usual_profile(browser: object) -> Profile:
    """Return the profile that the first page of each test has."""
    return Profile(browser, is_usual=True)


@pytest.fixture
def open_page(browser: object, usual_profile: Profile) -> Iterator[object]:
    """Return a function that opens a page; pages that are open at once are those of different browsers."""
    opened: list[Page] = []

    def make(url: str, scheme: str = "dark", *, motion: bool = False) -> Page:
        usual = url.startswith("http") and not usual_profile.in_use
        usual_profile.in_use |= usual
        opened.append(Page(usual_profile if usual else Profile(browser), url, scheme, motion=motion))
        return opened[-1]

    yield make
    for page in opened:
        page.close()
