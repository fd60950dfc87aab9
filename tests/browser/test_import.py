"""Bring your own data, as a person does: upload a zip, look at it, import it, and play; all on the page."""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def stripes(label: str, seed: int) -> bytes:
    """A 10x10 grey picture whose bright stripes say its class."""
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 90, (10, 10), dtype=np.uint8)
    if label == "rows":
        pixels[::3] += 140
    elif label == "columns":
        pixels[:, ::3] += 140
    else:
        pixels[3:7, 3:7] += 140
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def brought() -> bytes:
    """Three classes, 60 training and 20 test images each, one file that is no image."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as made:
        for k, label in enumerate(("columns", "rows", "squares")):
            for i in range(80):
                part = "train" if i < 60 else "test"
                made.writestr(f"mine/{part}/{label}/{i:03}.png", stripes(label, 1000 * k + i))
        made.writestr("mine/train/rows/notes.txt", "no image")
    return data.getvalue()


def open_dialog(page):
    own = page.tab.get_by_role("button", name="Your own data…")
    dialog = page.tab.get_by_role("dialog", name="Your own data")
    page.click_until(page.tab.get_by_role("button", name=re.compile("^Data ")), own)
    page.click_until(own, dialog.get_by_text("A zip with a folder for each class"))
    page.tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.tab.wait_for_timeout(
        1000
    )  # the last poll before the dialog may be under way still: Streamlit drops a file that comes beside it
    return dialog


def upload(dialog, name: str, data: bytes) -> None:
    dialog.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "application/zip", "buffer": data}
    )


def test_a_zip_is_shown_before_it_is_imported_and_then_plays(server, open_page, brought):
    page = open_page(server.url)
    page.wait_ready()
    dialog = open_dialog(page)
    upload(dialog, "stripes.zip", brought)
    table = dialog.get_by_role("table", name="Classes")
    table.wait_for()
    for label in ("columns", "rows", "squares"):
        assert "60" in table.get_by_role("row").filter(has_text=label).inner_text()
    assert "no image" in dialog.inner_text()
    assert "notes.txt" in dialog.inner_text()
    assert dialog.locator("img").count() == 0  # one sheet, as a background
    dialog.get_by_role("button", name="Import").click()
    dialog.wait_for(state="detached")
    page.tab.get_by_role("button", name=re.compile("^Data stripes")).wait_for()
    page.wait_ready()
    page.tab.get_by_role("button", name=re.compile("^Forget class columns")).wait_for()
    page.tab.get_by_role("button", name=re.compile("^Step ×10")).click()
    page.wait_for_frames(3)
    assert not page.problems


def test_a_bad_archive_is_one_sentence_and_the_lab_goes_on(server, open_page, brought):
    page = open_page(server.url)
    page.wait_ready()
    dialog = open_dialog(page)
    upload(dialog, "half.zip", brought[: len(brought) // 2])
    alert = dialog.get_by_role("alert")
    alert.wait_for()
    assert "half.zip is cut off or broken" in alert.inner_text()
    assert not dialog.get_by_role("button", name="Import").count()
    page.tab.keyboard.press("Escape")
    dialog.wait_for(state="detached")
    page.button("Play").click()
    page.tab.wait_for_selector(".map-view[data-phase=running], .map-view[data-phase=done]")
    page.tab.get_by_role("button", name=re.compile("^Data Digits")).wait_for()
    assert not page.problems


def import_folder(page, dialog, path) -> None:
    line = dialog.get_by_role("textbox", name=re.compile("^A folder on this machine"))
    line.fill(str(path))
    line.press("Enter")
    page.tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    dialog.get_by_role("button", name="Import").click()


def test_a_folder_on_disk_is_kept_offered_again_renamed_and_removed(server, open_page, tmp_path):
    folder = tmp_path / "again"
    folder.mkdir()
    y = np.arange(240) % 3
    made = [stripes(("columns", "rows", "squares")[c], i) for i, c in enumerate(y)]
    np.save(folder / "images.npy", np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in made]))
    np.save(folder / "labels.npy", y[:-1])
    page = open_page(server.url)
    page.wait_ready()
    dialog = open_dialog(page)
    import_folder(page, dialog, folder)
    dialog.get_by_text("240 images in images.npy and 239 labels in labels.npy; wanted one each").wait_for()
    np.save(folder / "labels.npy", y)
    dialog.get_by_role("button", name="Import").click()
    dialog.wait_for(state="detached")
    page.wait_ready()
    page.tab.get_by_role("button", name=re.compile("^Data (stripes|again)")).click()
    page.tab.get_by_role("button", name="Rename…").click()
    dialog = page.tab.get_by_role("dialog", name="Rename")
    dialog.get_by_role("textbox", name="Title").fill("Bars and boxes")
    dialog.get_by_role("textbox", name="Title").press("Enter")
    page.tab.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    dialog.get_by_role("button", name="Rename", exact=True).click()
    dialog.wait_for(state="detached")
    page.tab.get_by_role("button", name="Data Bars and boxes").click()
    page.tab.get_by_role("button", name="Remove…").click()
    dialog = page.tab.get_by_role("dialog", name="Remove")
    dialog.get_by_role("button", name="Remove", exact=True).click()
    dialog.wait_for(state="detached")
    page.tab.get_by_role("button", name=re.compile("^Data Digits")).click()
    page.tab.get_by_role("radio", name=re.compile("^Digits")).wait_for(state="attached")
    assert page.tab.get_by_text("Bars and boxes").count() == 0
    assert not page.problems
