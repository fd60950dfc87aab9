"""Hostile uploads are read or refused, and the page shows one sentence."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import tomllib
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.uploads import isolated_reader
from core.data.uploads.names import clean_name
from core.data.uploads.store import inspect
from core.errors import DataError, LabError
from core.models.uploads import LAB, check
from tests.core.data.uploads.hostile import (
    BAD_WEIGHTS,
    LINUX,
    MB,
    ROOT,
    assert_one_sentence,
    hostile_csv,
    hostile_image,
    hostile_npz,
    hostile_zip,
    rss,
)
from tests.uploads import classes, pack


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


def test_a_page_that_fails_shows_no_path_and_no_traceback():
    from dashboard.cli.dashboard import settings as page_settings

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
st.error(imports._inspected(file, None))
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
