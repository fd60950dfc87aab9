"""The reading process: its limits on memory and time, its start and its end."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core.data.uploads import isolated_reader
from core.data.uploads.store import inspect
from core.errors import DataError
from tests import uploads
from tests.core.data.uploads.hostile import LINUX, MB, ROOT, assert_one_sentence, rss
from tests.uploads import classes, image, pack, png, read_here


class Peak:
    """The most memory that this process gained and the reading process held, together."""

    def __init__(self, monkeypatch) -> None:
        self.pids: list[int] = []
        self.most = 0
        self._over = threading.Event()
        start = isolated_reader.Reader.__init__

        def noted(reading) -> None:
            start(reading)
            self.pids.append(reading.pid)

        monkeypatch.setattr(isolated_reader.Reader, "__init__", noted)

    def __enter__(self) -> Peak:
        self._base = rss(os.getpid())
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            gained = max(0, rss(os.getpid()) - self._base)
            self.most = max(self.most, gained + sum(rss(pid, "VmHWM") for pid in self.pids[-1:]))


# the four files that the budget was made for

NAMED = {
    "60 one-bit PNGs of 49 million pixels": lambda: pack(
        {f"{'ab'[i % 2]}/{i}.png": one for one in [png(7000, 7000, 1, 0)] for i in range(60)},
        zipfile.ZIP_STORED,
    ),
    "a progressive JPEG of 1,300 scans": lambda: pack(
        classes({"cat/9.jpg": uploads.scans(7000, 7000, 1300)})
    ),
    "a PNG of 64 bits a pixel": lambda: pack(classes({"cat/9.png": png(7000, 7000, 16, 6)})),
    "a zip that understates a size": lambda: uploads.understated(400 * MB, 1000),
}


@LINUX
@pytest.mark.parametrize("make", NAMED.values(), ids=NAMED)
def test_a_file_that_takes_too_much_is_refused_within_seconds_and_300_mb(make, monkeypatch):
    data = make()
    with Peak(monkeypatch) as peak:
        start = time.monotonic()
        with pytest.raises(DataError) as caught:
            inspect(data, name="hostile.zip")
        took = time.monotonic() - start
    assert_one_sentence(str(caught.value))
    assert took < 30  # 5 s on an idle machine: the reader counts its own computing
    assert peak.most < 300 * MB


# honest uploads


def test_the_reading_process_finds_what_this_one_finds():
    files = classes({"cat/wide.jpg": image((40, 30), kind="JPEG"), "dog/read.me": b"hello"})
    files |= {f"bird/{i}.png": image(mode="L", seed=i) for i in range(4)}
    x = np.random.default_rng(0).random((40, 20, 20), np.float32)
    table = io.BytesIO()
    np.savez_compressed(table, x=x, y=np.arange(40) % 2)
    for data in (pack(files), table.getvalue()):
        there = isolated_reader.read(data, "mine.zip", lambda done, total: None)
        here = read_here(data, "mine.zip", lambda done, total: None)
        assert torch.equal(there.x, here.x)
        assert torch.equal(there.y, here.y)
        assert (there.classes, there.sizes, there.notes) == (here.classes, here.sizes, here.notes)
        assert (there.paths, there.left_out) == (here.paths, here.left_out)


def test_a_large_photo_is_read_strip_by_strip_as_it_was_whole():
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (900, 700, 4), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    files = {f"{c}/{i}.png": file.getvalue() for c in "ab" for i in range(2)}
    share = pixels[..., 3:].astype(np.float32) / 255
    white = np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    wanted = np.asarray(Image.fromarray(white).resize((50, 64), Image.Resampling.BICUBIC))
    found = inspect(pack(files, zipfile.ZIP_STORED), name="mine.zip")
    np.testing.assert_array_equal(found.train.x[0].permute(1, 2, 0), wanted)


def test_progress_is_told_up_to_the_end_and_the_file_may_be_a_path(tmp_path):
    path = tmp_path / "mine.zip"
    path.write_bytes(pack({f"{c}/{i}.png": image((100, 100), seed=i) for c in "ab" for i in range(250)}))
    told = []
    inspect(path, name="mine.zip", progress=lambda done, total: told.append((done, total)))
    assert told
    assert all(0 <= done <= total for done, total in told)
    assert told == sorted(told)


# the process


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


@LINUX
def test_the_process_imports_no_torch_and_ends_with_the_reading(monkeypatch):
    done = subprocess.run(
        [sys.executable, "-c", "import core.data.uploads.reading.reader, sys; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.strip() == "False"
    with Peak(monkeypatch) as peak:
        inspect(pack(classes()), name="mine.zip")

        class Stop(BaseException):
            pass

        def stop(done, total):
            raise Stop

        with pytest.raises(Stop):
            inspect(pack(classes()), name="mine.zip", progress=stop)
        with pytest.raises(DataError):
            inspect(b"no zip", name="mine.zip")
    assert len(peak.pids) == 3
    assert not any(map(alive, peak.pids))


@LINUX
def test_a_lab_that_is_killed_leaves_no_process_behind():
    code = "from core.data.uploads.isolated_reader import Reader; r = Reader(); print(r.pid, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as lab:
        pid = int(lab.stdout.readline())
        assert alive(pid)
        lab.kill()
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


@LINUX
@pytest.mark.parametrize(
    ("code", "words"), [(signal.SIGXCPU, "takes longer to read"), (signal.SIGSEGV, "could not be read")]
)
def test_a_process_that_dies_is_told_in_a_sentence(code, words, monkeypatch):
    start = isolated_reader.Reader.__init__

    def killed(reading):
        start(reading)
        os.kill(reading.pid, code)

    monkeypatch.setattr(isolated_reader.Reader, "__init__", killed)
    with pytest.raises(DataError, match=words) as caught:
        inspect(pack(classes()), name="mine.zip")
    assert_one_sentence(str(caught.value))


@LINUX
def test_a_process_that_does_not_end_is_killed(monkeypatch):
    start = isolated_reader.Reader.__init__

    def stopped(reading):
        start(reading)
        os.kill(reading.pid, signal.SIGSTOP)

    monkeypatch.setattr(isolated_reader.Reader, "__init__", stopped)
    monkeypatch.setattr(isolated_reader, "_START_S", 0.2)
    monkeypatch.setattr(isolated_reader, "_SECONDS_PER_CPU_SECOND", 0)
    with pytest.raises(DataError, match="takes longer"):
        inspect(pack(classes()), name="mine.zip")


@LINUX
@pytest.mark.parametrize(
    ("code", "rc"),
    [
        ("reader._limit_memory(); bytearray(400 << 20)", 1),
        ("reader._limit_memory(); bytearray(100 << 20)", 0),
        ("reader._limit_cpu(0.1)\nwhile True: pass", -signal.SIGXCPU),
    ],
)
def test_the_limits_of_the_process_hold(code, rc):
    code = f"from core.data.uploads.reading import reader\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, timeout=60)
    assert done.returncode == rc
    assert (b"MemoryError" in done.stderr) == (rc == 1)


def test_two_are_read_at_once_and_the_next_waits_and_can_be_stopped(monkeypatch):
    monkeypatch.setattr(isolated_reader, "_turns", threading.BoundedSemaphore(1))
    monkeypatch.setattr(isolated_reader, "_WAIT_S", 0.01)
    isolated_reader._turns.acquire()
    told = []

    def wait(done, total):
        told.append(done)
        if len(told) == 3:
            isolated_reader._turns.release()

    inspect(pack(classes()), name="mine.zip", progress=wait)
    assert told[:3] == [0, 0, 0]
