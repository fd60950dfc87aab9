"""UMAP behind a process boundary: the same bits, and a child that neither outlives its parent nor hangs its callers."""

from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import LabError
from core.projection import umap_layout, umap_process
from core.projection.projection import Projection
from core.projection.umap_process import UmapProcess
from tests import toys

ROOT = Path(umap_process.__file__).parents[2]
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads /proc, which only Linux has"
)


def blobs(n=150, d=10, seed=0):
    rng = np.random.default_rng(seed)
    return (3 * rng.normal(size=(4, d))[np.arange(n) % 4] + rng.normal(size=(n, d))).astype(np.float32)


@pytest.fixture(scope="module")
def process():
    backend = UmapProcess()
    yield backend
    backend.close()


def test_maps_are_the_same_to_the_bit_as_in_this_process(process):
    e = blobs(600, 40)
    here, there = Projection.fit(e, seed=3), Projection.fit(e, seed=3, umap=process)
    np.testing.assert_array_equal(there.positions, here.positions)
    moved = e + np.float32(0.4) * blobs(600, 40, seed=1)
    now, across = here.positions, there.positions
    for _ in range(3):
        now, across = here.follow(now, moved), there.follow(across, moved)
        np.testing.assert_array_equal(across, now)
    assert not np.array_equal(now, here.positions)


@needs_proc
def test_the_child_carries_no_torch(process):
    process.fit(blobs(), 0)
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert "numba" in maps or "llvmlite" in maps  # so that the next line means something
    assert "torch" not in maps


def test_an_error_in_the_child_is_one_sentence_and_the_child_lives_on(process):
    process.fit(blobs(), 0)
    pid = process.pid
    with pytest.raises(LabError, match=r"^the map could not be laid out: ValueError: Seed must .*[^\n]$"):
        process.fit(blobs(), -1)
    with pytest.raises(LabError, match="cannot be followed by 150 representations"):
        process.follow(np.zeros((4, 2), np.float32), blobs())
    process.fit(blobs(), 0)
    assert process.pid == pid


def test_threads_take_turns_and_each_gets_its_own_answer(process):
    inputs = [blobs(60 + 10 * i, seed=i) for i in range(6)]
    expected = [umap_layout.fit_layout(e, i) for i, e in enumerate(inputs)]
    answers: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda i=i, e=e: answers.update({i: process.fit(e, i)}))
        for i, e in enumerate(inputs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, positions in enumerate(expected):
        np.testing.assert_array_equal(answers[i], positions)


def child_that(code: str):
    """A stand-in for umap_process._start: a child that runs ``code``."""

    def start():
        return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    return start


# Answers every request with an empty map, without umap's weight.
ECHO = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from core.projection.umap_process import _receive, _send
while _receive(sys.stdin.buffer) is not None:
    _send(sys.stdout.buffer, {{"positions": np.zeros((0, 2), np.float32)}})
"""


@needs_proc
def test_a_child_that_was_killed_is_replaced_at_the_next_call(monkeypatch):
    monkeypatch.setattr(umap_process, "_start", child_that(ECHO))
    backend = UmapProcess()
    for _ in range(2):  # every time anew
        backend.fit(blobs(), 0)
        old = backend.pid
        os.kill(old, signal.SIGKILL)
        assert toys.gone_within(30, [old])
        np.testing.assert_array_equal(backend.fit(blobs(), 0), np.zeros((0, 2)))
        assert backend.pid != old
    backend.close()


def test_a_child_that_dies_on_every_request_is_an_error_not_a_loop(monkeypatch):
    starts = []

    def start():
        starts.append(1)
        return child_that("import sys; sys.stdin.buffer.read(8)")()

    monkeypatch.setattr(umap_process, "_start", start)
    backend = UmapProcess()
    with pytest.raises(LabError, match="died twice"):
        backend.fit(blobs(), 0)
    assert len(starts) == 2
    backend.close()


def test_an_answer_that_breaks_off_counts_as_a_death(monkeypatch):
    half = "import sys, struct; o = sys.stdout.buffer; o.write(struct.pack('<Q', 900) + b'PK'); o.flush()"
    monkeypatch.setattr(umap_process, "_start", child_that(half))
    backend = UmapProcess()
    with pytest.raises(LabError, match="died twice"):
        backend.fit(blobs(), 0)
    backend.close()


def test_a_python_that_cannot_be_started_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(LabError, match="could not be started"):
        UmapProcess().fit(blobs(), 0)


@needs_proc
def test_closing_ends_the_child_and_a_call_in_flight(monkeypatch):
    monkeypatch.setattr(umap_process, "_start", child_that("import time; time.sleep(600)"))
    backend, raised = UmapProcess(), []

    def call():
        try:
            backend.fit(blobs(), 0)
        except LabError as error:
            raised.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    while backend.pid is None:
        time.sleep(0.01)
    pid = backend.pid
    backend.close()
    thread.join(20)
    assert not thread.is_alive()
    assert "closed" in raised[0]
    assert not toys.alive(pid)
    assert backend.pid is None
    backend.close()
    with pytest.raises(LabError, match="closed"):
        backend.follow(np.zeros((150, 2), np.float32), blobs())


def test_warming_returns_at_once_and_never_raises(monkeypatch):
    release = threading.Event()

    def start():
        release.wait(20)
        raise LabError("no")

    monkeypatch.setattr(umap_process, "_start", start)
    backend = UmapProcess()
    backend.warm()  # would wait for ever if it waited
    assert not release.is_set()
    release.set()
    backend.close()


PARENT = """
import sys, threading, time, numpy as np
from core.errors import LabError
from core.projection.umap_process import UmapProcess
backend = UmapProcess()
if sys.argv[1] == "idle":
    try:
        backend.follow(np.zeros((4, 2)), np.zeros((5, 2)))  # refused, so the child is up and waits
    except LabError:
        pass
elif sys.argv[1] == "compiles":
    backend.warm()
    while backend.pid is None:
        time.sleep(0.01)
    time.sleep(3)  # it has read the request and compiles
else:
    backend.fit(np.eye(20, dtype=np.float32), 0)
    e = np.random.default_rng(0).normal(size=(20_000, 64)).astype(np.float32)  # half a minute's work
    threading.Thread(target=backend.fit, args=(e, 0), daemon=True).start()
    time.sleep(2)
print(backend.pid, flush=True)
time.sleep(600)
"""


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "how"),
    [
        ("idle", signal.SIGKILL),
        ("idle", signal.SIGTERM),
        ("compiles", signal.SIGTERM),
        ("lays out", signal.SIGKILL),
    ],
)
def test_the_child_does_not_outlive_a_parent_that_was_killed(state, how, tmp_path):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    if state == "compiles":
        env["NUMBA_CACHE_DIR"] = str(tmp_path)  # nothing is there yet
    parent = subprocess.Popen([sys.executable, "-c", PARENT, state], stdout=subprocess.PIPE, env=env)
    try:
        child = int(parent.stdout.readline())
        assert toys.alive(child)
    finally:
        parent.send_signal(how)
        parent.wait()
        parent.stdout.close()
    assert toys.gone_within(10, [child])  # in the middle of compiling, too


@needs_proc
def test_the_child_does_not_outlive_its_owner(monkeypatch):
    monkeypatch.setattr(umap_process, "_start", child_that(ECHO))
    backend = UmapProcess()
    backend.fit(blobs(), 0)
    pid = backend.pid
    del backend
    assert toys.gone_within(30, [pid])


def test_it_starts_from_any_folder_even_one_with_a_core_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("raise SystemExit('the wrong core')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    child = umap_process._start()
    umap_process._send(child.stdin, {"what": np.array("nonsense")})
    assert "nonsense" in str(umap_process._receive(child.stdout)["error"])
    child.stdin.close()
    assert child.wait(30) == 0  # the end of its stdin is the end of it
    child.stdout.close()


STRAY = """
import os, sys
from core.projection import umap_layout, umap_process
def fit_layout(e, seed):
    print("a print"); os.write(1, b"a write"); os.system("echo a child's echo")
    assert sys.stdin.read() == "", "only the child reads the requests"
    return e[:, :2]
umap_layout.fit_layout = fit_layout
umap_process._serve()
"""


def test_stray_output_in_the_child_does_not_reach_the_messages(monkeypatch):
    def start():
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-c", STRAY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
        )

    monkeypatch.setattr(umap_process, "_start", start)
    backend, e = UmapProcess(), blobs()
    for _ in range(2):
        np.testing.assert_array_equal(backend.fit(e, 0), e[:, :2])
    backend.close()


def test_messages_hold_no_pickle():
    packed = io.BytesIO()
    np.savez(packed, evil=np.array([{"a": 1}], dtype=object))
    stream = io.BytesIO(struct.pack("<Q", packed.getbuffer().nbytes) + packed.getvalue())
    with pytest.raises(ValueError, match="allow_pickle"):
        umap_process._receive(stream)
