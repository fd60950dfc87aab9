"""Hostile uploads: each is refused in one sentence or read, and none takes the Lab's memory, time or life."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from core.data.forget_selection import Selection, save_list
from core.data.uploads import isolated_reader
from core.data.uploads.names import clean_name, clean_text, hidden
from core.data.uploads.store import inspect
from core.errors import DataError, LabError, RequestError
from core.models.registry import NETS, build
from core.models.uploads import LAB, check
from core.runs.storage.index import note_run, rename_run
from tests import uploads
from tests.uploads import chunk, classes, image, member, npy, pack, png, read_here, safetensors

ROOT = Path(__file__).parents[4]
MB = 2**20
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def assert_one_sentence(text: str) -> None:
    assert "\n" not in text
    assert 20 < len(text) < 500
    assert text.isprintable()
    assert "Traceback" not in text
    assert str(ROOT) not in text


def rss(pid: int, field: str = "VmRSS") -> int:
    """Bytes of memory that a process holds; 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field + ":")), 0)


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
        {f"{'ab'[i % 2]}/{i}.png": one for one in [png(7000, 7000, 1, 0)] for i in range(60)}, zipfile.ZIP_STORED
    ),
    "a progressive JPEG of 1,300 scans": lambda: pack(classes({"cat/9.jpg": uploads.scans(7000, 7000, 1300)})),
    "a PNG of 64 bits a pixel": lambda: pack(classes({"cat/9.png": png(7000, 7000, 16, 6)})),
    "a zip that understates a size": lambda: uploads.understated(400 * MB, 1000),
}  # fmt: skip


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
        [sys.executable, "-c", "import core.data.uploads.reader, sys; print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
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
    monkeypatch.setattr(isolated_reader, "_PATIENCE", 0)
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
    code = f"from core.data.uploads import reader\n{code}"
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


# arrays

HEADER = "{{'descr': {}, 'fortran_order': False, 'shape': {}}}"
ARRAYS = {
    "V0": npy(HEADER.format("'|V0'", "(20, 9, 9)")),
    "U0": npy(HEADER.format("'<U0'", "(20, 9, 9)")),
    "S0": npy(HEADER.format("'|S0'", "(20,)")),
    "V8": npy(HEADER.format("'|V8'", "(20,)"), bytes(160)),
    "objects": npy(HEADER.format("'|O'", "(20, 9, 9)"), b"cos\nsystem\n."),
    "a record": npy(HEADER.format("[('a', '|u1'), ('b', '<f4')]", "(20, 9, 9)"), bytes(20 * 81 * 5)),
    "a type of arrays": npy(HEADER.format("('|u1', (3,))", "(20, 9, 9)"), bytes(20 * 81 * 3)),
    "a side below 0": npy(HEADER.format("'|u1'", "(-20, -9, 9)"), bytes(1620)),
    "a product that overflows": npy(HEADER.format("'|u1'", f"({2**32}, {2**32}, {2**32})"), bytes(1)),
    "a huge side beside none": npy(HEADER.format("'|u1'", f"(0, {10**4000})")),
    "a side of 4,000 digits": npy(HEADER.format("'|u1'", f"({10**4000}, 9)"), bytes(9)),
    "70 sides": npy(HEADER.format("'|u1'", str((1,) * 70)), bytes(1)),
    "a side that is no number": npy(HEADER.format("'|u1'", "(True, 'a')"), bytes(9)),
    "dates": member(np.zeros((20, 9, 9), "M8[s]")),
    "spans of time": member(np.zeros((20, 9, 9), "m8[s]")),
    "truths": member(np.zeros((20, 9, 9), bool)),
    "complex numbers": member(np.zeros((20, 9, 9), np.complex64)),
    "text": member(np.full((20, 9, 9), "a")),
    "no dimension": member(np.array(5, np.uint8)),
    "a long header": npy(HEADER.format("'|u1'", "(" + "(" * 5000 + "1,")),
    "a header beyond numpy's": npy(HEADER.format("'|u1'", "(1,)" + " " * 12_000)),
    "nothing": b"",
    "half a magic": b"\x93NUM",
    "version 9": b"\x93NUMPY\x09\x00" + bytes(100),
    "version 2 of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(100),
    "an image of 100 MB": None,  # made where it is used
}  # fmt: skip


@pytest.mark.parametrize("which", ARRAYS)
@pytest.mark.parametrize("part", ["x", "y", "classes"])
def test_an_array_of_a_strange_type_or_shape_is_one_sentence(which, part):
    body = ARRAYS[which]
    if body is None:
        body = npy(HEADER.format("'|u1'", f"(1, {100 * MB}, 1)"), bytes(100 * MB))
    arrays = {"x": member(np.zeros((20, 9, 9), np.uint8)), "y": member(np.arange(20) % 2)} | {part: body}
    with pytest.raises(DataError) as caught:
        read_here(pack({f"{n}.npy": a for n, a in arrays.items()}), "mine.npz", lambda done, total: None)
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize("dtype", [">u2", ">i8", "<f2", ">f4", ">f8", "u1", "<i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_of_every_order_of_bytes_are_read(dtype, order):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 9, 9))
    x = (pixels / 255 if "f" in dtype else pixels).astype(dtype, order=order)
    file = io.BytesIO()
    np.savez(file, x=x, y=(np.arange(20) % 2).astype(">u4"))
    found = read_here(file.getvalue(), "mine.npz", lambda done, total: None)
    assert (found.x[:, 0].int() - torch.from_numpy(pixels)).abs().max() <= ("f2" in dtype)


# names

NAMES = [  # as given, cleaned
    ("CON", "CON_"), ("nul", "nul_"), ("LPT1.txt", "LPT1_.txt"), ("cat ", "cat"), ("cat.", "cat"), ("cat. .", "cat"), ("a\u3164b", "ab"),
    ("\u3164", ""), ("\u200b\u2060", ""), ("\u202egnp.exe", "gnp.exe"), ("a\tb\nc", "a b c"), ("\u2800", ""), ("...", ""), ("\x00", ""),
    ("e\u0301", "é"), ("\u0301", ""), ("a" + "\u0335" * 50, "a" + "\u0335" * 3), ("\ud800x", "x"), ("x" * 60_000, "x" * 100),
    ("grüße", "grüße"), ("猫", "猫"), ("قطة", "قطة"), ("great white shark", "great white shark"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "cleaned"), NAMES)
def test_names_are_cleaned(given, cleaned):
    assert clean_name(given) == cleaned
    assert clean_name(cleaned) == cleaned


def named(first: str, second: str = "dog") -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.zeros((20, 9, 9), np.uint8), y=np.arange(20) % 2, classes=np.array([first, second]))
    return file.getvalue()


@pytest.mark.parametrize("given", ["CON", "cat.", "a\u3164b", "x" * 60_000, "\u202ecat", "a\u200bb"])
def test_a_class_name_that_was_cleaned_is_told(given):
    found = inspect(named(given), name="mine.npz")
    assert found.classes == (clean_name(given), "dog")
    note = next(n for n in found.notes if "cleaned" in n)
    assert clean_name(given)[:20] in note
    assert_one_sentence(note)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("\u3164", "dog", "no visible character"),
        ("", "dog", "no visible character"),
        ("ｄｏｇ", "dog", "one name"),
        ("DOG", "dog", "one name"),
        ("do\u200bg", "dog", "one name"),
        ("dog.", "dog", "one name"),
        ("straße", "STRASSE", "one name"),
    ],
)
def test_class_names_that_are_empty_or_look_alike_are_refused(first, second, words):
    with pytest.raises(DataError, match=words) as caught:
        read_here(named(first, second), "mine.npz", lambda done, total: None)
    assert_one_sentence(str(caught.value))


def test_folders_have_their_names_cleaned_too():
    files = {f"{c}/{i}.png": image(seed=i) for c in ("CON", "a\u3164", "b ") for i in range(3)}
    found = read_here(pack(files), "mine.zip", lambda done, total: None)
    assert found.classes == ("CON_", "a", "b")
    assert any("CON_" in note for note in found.notes)
    files |= {f"a/{i}.png": image(seed=i) for i in range(3)}
    with pytest.raises(DataError, match="one name"):
        read_here(pack(files), "mine.zip", lambda done, total: None)


def test_titles_names_of_runs_and_of_lists_hold_what_can_be_seen(tmp_path, monkeypatch, toy_split):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    assert inspect(pack(classes()), name="\u202egpj.zip").title == "gpj"
    assert clean_text("x" * 60_000, 40) == "x" * 40
    assert hidden("two\nlines, a family 👩\u200d👧 and a heart ❤\ufe0f") == ""
    for text in ("a\u202eb", "\u3164", "a\u200bb", "\x07"):
        with pytest.raises(RequestError, match="cannot be seen"):
            rename_run("no-such-run", text)
        with pytest.raises(RequestError, match="cannot be seen"):
            note_run("no-such-run", text)
    with pytest.raises(RequestError, match="cannot be the name of a list"):
        save_list("a\u3164", toy_split.dataset, Selection((0,)))


# weights


def entry(dtype: str, shape: list[int], first: int, last: int) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


BAD_WEIGHTS = {
    "nothing": b"",
    "a length beyond the file": safetensors("{}", length=2**63),
    "a length beyond all": safetensors("{}", length=2**64 - 1),
    "no JSON": safetensors("{"),
    "a list": safetensors("[1]"),
    "deep JSON": safetensors("[" * 100_000),
    "a name twice": safetensors('{"a":' + json.dumps(entry("F32", [1], 0, 4)) + ',"a":' + json.dumps(entry("F32", [1], 0, 4)) + "}", bytes(4)),
    "overlapping": safetensors(json.dumps({"a": entry("F32", [1], 0, 4), "b": entry("F32", [1], 0, 4)}), bytes(4)),
    "a hole": safetensors(json.dumps({"a": entry("F32", [1], 4, 8)}), bytes(8)),
    "a size that does not fit": safetensors(json.dumps({"a": entry("F32", [9], 0, 4)}), bytes(4)),
    "a product that overflows": safetensors(json.dumps({"a": entry("F32", [2**62, 2**62], 0, 4)}), bytes(4)),
    "a negative side": safetensors(json.dumps({"a": entry("F32", [-1, -1], 0, 4)}), bytes(4)),
    "an unknown type": safetensors(json.dumps({"a": entry("F\u202e", [1], 0, 4)}), bytes(4)),
    "an entry that is none": safetensors('{"a": 5}'),
    "a million tensors": safetensors(json.dumps({str(i): entry("F32", [0], 0, 0) for i in range(10**6)})),
    "empty tensors": save({"a": torch.zeros(0), "b": torch.zeros(3, 0)}),
    "a long name": save({"x\u202e" * 30_000: torch.zeros(1)}),
}  # fmt: skip


@pytest.mark.parametrize("data", BAD_WEIGHTS.values(), ids=BAD_WEIGHTS)
def test_a_file_of_weights_that_lies_is_one_sentence(data, digits):
    with pytest.raises(LabError) as caught:
        check(next(iter(LAB)), "", data, digits, title="mine.safetensors")
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize(
    "dtype",
    [torch.complex64, torch.bool, torch.float8_e4m3fn, torch.float8_e5m2, torch.int32, torch.uint8, torch.int64],
)  # fmt: skip
def test_weights_that_are_no_real_numbers_are_refused(dtype, digits):
    net = next(iter(NETS))
    state = {k: v.contiguous() for k, v in build(net, digits.shape, 10, seed=0).state_dict().items()}
    name = next(k for k, v in state.items() if v.is_floating_point())
    state[name] = state[name].contiguous().to(dtype)
    with pytest.raises(LabError, match=name) as caught:
        check(f"lab:{net}", "", save(state), digits, title="mine.safetensors")
    assert_one_sentence(str(caught.value))


@pytest.mark.parametrize(("dtype", "value"), [(torch.float32, float("nan")), (torch.float64, 1e300), (torch.bfloat16, float("inf"))])  # fmt: skip
def test_weights_that_are_not_finite_are_refused(dtype, value, digits):
    net = next(iter(NETS))
    state = {k: v.contiguous() for k, v in build(net, digits.shape, 10, seed=0).state_dict().items()}
    name = next(k for k, v in state.items() if v.is_floating_point())
    state[name] = torch.full_like(state[name], 0, dtype=dtype)
    state[name].view(-1)[0] = value
    with pytest.raises(DataError, match="not finite"):
        check(f"lab:{net}", "", save(state), digits, title="mine.safetensors")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precisions_are_read(dtype, digits):
    net = next(iter(NETS))
    state = {k: v.contiguous() for k, v in build(net, digits.shape, 10, seed=0).state_dict().items()}
    given = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    own = check(f"lab:{net}", "", save(given), digits, title="\u202emine\u3164" + "x" * 60_000)
    for name, value in own.model.state_dict().items():
        torch.testing.assert_close(value, given[name].to(value.dtype))
    assert own.about.title == ("mine" + "x" * 60_000)[:100]


# five hundred of all kinds


def tiff(pages: int, tags: list[tuple[int, int, int, int]]) -> bytes:
    """A TIFF of ``pages`` directories with these tags: number, type, count, value."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    for page in range(pages):
        out += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        out += struct.pack("<I", len(out) + 4 if page < pages - 1 else 8)  # the last leads back to the first
    return bytes(out) + bytes(200)


def gif(frames: int) -> bytes:
    file = io.BytesIO()
    Image.new("P", (4, 4)).save(file, "GIF")
    data = file.getvalue()
    start = data.index(b",", 13)
    return data[:-1] + data[start:-1] * frames + b";"


def hostile_image(draw: random.Random) -> bytes:
    side = draw.choice((1, 100, 5000, 20_000, 2**31 - 1))
    kind = draw.randrange(12)
    if kind == 0:
        head = struct.pack(
            ">IIBBBBB",
            side,
            draw.choice((1, side)),
            draw.choice((1, 8, 16)),
            draw.choice((0, 2, 3, 4, 6)),
            0,
            0,
            0,
        )
        return (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(bytes(500)))
            + chunk(b"IEND", b"")
        )
    if kind == 1:
        text = draw.choice((chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(20 * MB))), chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(20 * MB))),
                            chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(20 * MB)))))  # fmt: skip
        return png(20, 20, 8, 2, *[text] * draw.randint(1, 40))
    if kind == 2:
        return png(
            9, 9, 8, 2, chunk(b"eXIf", b"II*\0\x08\0\0\0" + struct.pack("<H", 65535) + draw.randbytes(5000))
        )
    if kind == 3:
        return uploads.scans(draw.choice((40, 1500)), 1000, draw.choice((5, 300)))
    if kind == 4:
        return gif(draw.choice((1, 3000)))
    if kind == 5:
        tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, draw.choice((1, 5, 7, 8, 34712))), (262, 3, 1, 1),
                (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, side), (279, 4, 1, draw.choice((100, 2**31)))]  # fmt: skip
        return tiff(draw.choice((1, 2000)), tags)
    if kind == 6:
        return tiff(1, [(256, 4, 2**30, 8), (257, 3, 65535, 8), (273, 16, 2**28, 8)])
    if kind == 7:
        return (
            b"RIFF"
            + struct.pack("<I", 60)
            + b"WEBPVP8X"
            + struct.pack("<IB", 10, 0x12)
            + bytes(3)
            + b"\xfe\x3f\0" * 2
            + draw.randbytes(40)
        )
    if kind == 8:
        return f"P6 {side} {side} 255\n".encode() + bytes(100)
    if kind == 9:
        return (
            b"BM"
            + struct.pack(
                "<IHHIIiiHHIIiiII",
                200,
                0,
                0,
                54,
                40,
                side,
                -side,
                1,
                draw.choice((1, 8, 24, 32)),
                draw.randrange(4),
                0,
                0,
                0,
                2**31,
                0,
            )
            + bytes(150)
        )
    if kind == 10:
        return draw.choice(
            (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"RIFF", b"BM", b"P5 ")
        ) + draw.randbytes(300)
    data = bytearray(image((30, 30), kind=draw.choice(("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"))))
    for _ in range(draw.randint(1, 20)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def hostile_zip(draw: random.Random) -> bytes:
    kind = draw.randrange(9)
    if kind == 0:
        return pack(classes({"cat/in.zip": pack({"in.zip": pack(classes())})}))
    if kind == 1:
        return uploads.understated(draw.choice((5 * MB, 30 * MB)), draw.choice((0, 1, 5000, 2**31)))
    if kind == 2:
        return pack({f"{c}/{i}.png": bytes(30 * MB) for c in "ab" for i in range(2)})
    if kind == 3:
        made = bytearray(pack(classes()))
        for at in (made.find(b"PK\x03\x04") + 6, made.find(b"PK\x01\x02") + 8):
            made[at] |= draw.choice((1, 0x20, 0x40))
        return bytes(made)
    if kind == 4:
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as made:
            info = zipfile.ZipInfo("cat/link")
            info.external_attr = draw.choice((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR)) << 16
            made.writestr(info, "/etc/passwd")
        return data.getvalue()
    if kind == 5:
        name = draw.choice(
            (
                "/etc/x",
                "../x",
                "a/../../x",
                "C:/x",
                "a\\x",
                "a//x",
                "./x",
                "\u202ea/x",
                "a" * 2000 + "/x",
                "cat/0.PNG",
                "CAT/x.png",
            )
        )
        return pack(classes({name: image()}))
    if kind == 6:
        return pack(
            {
                f"{c}/{i}.png": image(seed=i)
                for c in draw.sample(("CON", "a ", "ａ", "a", "\u3164", "é", "e\u0301", "x" * 900, "..."), 3)
                for i in range(2)
            }
        )
    data = pack(classes(), draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
    if kind == 7:
        return data[: draw.randrange(len(data))]
    made = bytearray(data)
    for _ in range(draw.randint(1, 30)):
        made[draw.randrange(len(made))] = draw.randrange(256)
    return bytes(made)


def hostile_npz(draw: random.Random) -> bytes:
    arrays = {
        "x": member(np.zeros((20, 9, 9), np.uint8)),
        "y": member(np.arange(20) % 2),
        "classes": member(np.array(["a", "b"])),
    }
    which = draw.choice(sorted(arrays))
    if draw.random() < 0.5:
        side = draw.choice((0, 1, 20, 2**31, 2**63, -1))
        kind = draw.choice(
            (
                "'|u1'",
                "'<f8'",
                "'<U0'",
                "'|V0'",
                "'|O'",
                "'<M8[s]'",
                "'<c16'",
                "[('a','<i4')]",
                "'<U60000'",
                "'|b1'",
            )
        )
        arrays[which] = npy(
            HEADER.format(kind, draw.choice((f"({side}, 9, 9)", f"({side},)", "()"))),
            draw.randbytes(draw.choice((0, 20, 1620))),
        )
    else:
        data = bytearray(arrays[which])
        for _ in range(draw.randint(1, 10)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        arrays[which] = bytes(data)
    return pack({f"{name}.npy": data for name, data in arrays.items()})


def hostile_csv(draw: random.Random) -> bytes:
    lines = [
        draw.choice(
            (
                "file,subject",
                "id,subject",
                "file;subject",
                "subject",
                "",
                "file,subject,\u202e",
                '"file","subject"',
            )
        )
    ]
    for i in range(draw.randrange(8)):
        who = draw.choice(("Ann", "", "\u3164", "x" * 60_000, "\u202eAnn", "CON", '"', "a\0b", "Ann "))
        lines.append(f"{draw.choice(('cat', 'dog'))}/{i % 4}.png{draw.choice((',', ';', ''))}{who}")
    return "\n".join(lines).encode(draw.choice(("utf-8", "utf-16")))


class Kept:
    """A reader that serves many uploads: what a start for each would cost is not what is tested."""

    child: isolated_reader.Reader | None = None

    def __enter__(self):
        if Kept.child is None or Kept.child._child.poll() is not None:
            Kept.child = Kept.real()
        return Kept.child

    def __exit__(self, kind, *_):
        if kind is not None and not issubclass(kind, DataError):
            Kept.child.close()


@pytest.fixture(scope="module")
def one_reader():
    with pytest.MonkeyPatch.context() as patch:
        Kept.real = isolated_reader.Reader
        patch.setattr(isolated_reader, "Reader", Kept)
        yield Kept
        if Kept.child is not None:
            Kept.child.close()
            Kept.child = None


@LINUX
@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(kind=st.sampled_from(("image", "image", "zip", "npz", "csv", "weights")), seed=st.integers(0, 2**32))
def test_a_hostile_upload_is_read_or_refused_and_the_lab_lives(kind, seed, one_reader, digits):
    draw = random.Random(seed)
    base = rss(os.getpid())
    begun = time.monotonic()
    try:
        if kind == "weights":
            data = bytearray(
                BAD_WEIGHTS[draw.choice(sorted(set(BAD_WEIGHTS) - {"nothing", "a million tensors"}))]
            )
            for _ in range(draw.randint(0, 5)):
                data[draw.randrange(min(200, len(data)))] = draw.randrange(256)
            check(next(iter(LAB)), "", bytes(data), digits)
        else:
            data, table = pack(classes()), None
            if kind == "image":
                data = pack(
                    classes({f"cat/{9 + i}.png": hostile_image(draw) for i in range(2)}), zipfile.ZIP_STORED
                )
            elif kind == "csv":
                table = hostile_csv(draw)
            else:
                data = hostile_zip(draw) if kind == "zip" else hostile_npz(draw)
            found = inspect(data, name="fuzz.zip", subjects=table)
            assert len(found.classes) >= 2
            assert all(clean_name(c) == c for c in found.classes)
            for note in found.notes:
                assert note.isprintable()
    except LabError as error:
        assert_one_sentence(str(error))
    assert time.monotonic() - begun < 30
    grown = max(0, rss(os.getpid()) - base) + (
        0 if one_reader.child is None else rss(one_reader.child.pid, "VmHWM")
    )
    assert grown < 300 * MB


# the page


def test_a_page_that_fails_shows_no_path_and_no_traceback():
    from dashboard.cli.main import settings as page_settings

    assert page_settings()["client.showErrorDetails"] == "none"
    clone = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())
    assert clone["client"]["showErrorDetails"] == "none"
    code = "import json, sys\nfrom streamlit.testing.v1 import AppTest\nat = AppTest.from_string('raise RuntimeError(\"secret words\")').run()\n"
    code += "e = at.exception[0].proto\nprint(json.dumps([e.type, e.message, list(e.stack_trace)]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    kind, message, trace = json.loads(done.stdout)
    assert (kind, trace) == ("", [])
    assert "secret" not in message
    assert "/" not in message
    assert message


def test_an_upload_that_breaks_the_form_is_told_in_a_sentence_and_logged():
    script = """
from types import SimpleNamespace
import streamlit as st
from core.models import uploads as own_model
from core.data.uploads import store as custom
from dashboard.forms import dataset_upload as imports, model_upload as models_form
def fail(*a, **k):
    raise RuntimeError("secret words of " + __file__)
custom.inspect = own_model.check = fail
file = SimpleNamespace(file_id="1", name="a.zip", size=1, getvalue=lambda: b"x")
st.error(imports._looked_at(file, None))
st.error(models_form._checked(file, "a", "b", None, SimpleNamespace(fingerprint="x")))
"""
    code = f"""
import json
from streamlit.testing.v1 import AppTest
at = AppTest.from_string({script!r}).run(timeout=60)
print(json.dumps([[e.value for e in at.error], len(at.exception)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    told, exceptions = json.loads(done.stdout.splitlines()[-1])
    assert (len(told), exceptions) == (2, 0)
    for text in told:
        assert_one_sentence(text)
        assert "secret" not in text
    assert "secret words" in done.stderr
