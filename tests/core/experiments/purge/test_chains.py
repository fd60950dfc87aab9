"""A purge and the runs of a chain: ids go from every request, and a run that still knew the images goes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from core.experiments.purge import purge
from core.runs.setup import EarlierRequest, Setup
from core.runs.storage import run_info, runs_home, setup_after
from core.runs.storage.folder import RunFolder
from core.runs.storage.serialization import setup_dict

FIRST, SECOND = "20260101-000000-aaaaaa", "20260101-000001-bbbbbb"


def keep(run_id, setup, digits):
    """Write the description of a finished run, which is all that a purge reads of it."""
    folder = RunFolder(runs_home() / run_id)
    folder.path.mkdir(parents=True)
    about = {
        "name": "",
        "note": "",
        "created": datetime.now(UTC).isoformat(),
        "owner": None,
        "shared": True,
        "parent": None,
        "parent_step": None,
        "exports": [],
        "setup": setup_dict(setup),
        "forget": "images",
        "dataset": digits.fingerprint,
        "phase": "done",
        "total_steps": 1,
    }
    folder.write_about(about)


@pytest.fixture
def chain(monkeypatch, tmp_path, digits):
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    a, b, c, d = ids = sorted(digits.train.ids[:4].tolist())
    keep(FIRST, Setup(task="indices", classes=(), ids=(a, b)), digits)
    earlier = (EarlierRequest(FIRST, "w", "indices", ids=(a, b)),)
    keep(SECOND, Setup(task="indices", classes=(), ids=(c, d), earlier=earlier), digits)
    return ids


def test_ids_of_an_earlier_request_go_from_every_run_of_the_chain(chain):
    a, b, c, d = chain
    purge("digits", [a])
    after = run_info(SECOND).setup
    assert run_info(FIRST).setup.ids == (b,)
    assert [request.ids for request in after.earlier] == [(b,)]
    assert after.ids == (c, d)
    with pytest.raises(ValueError, match="was purged"):
        setup_after(SECOND)


def test_the_run_before_goes_where_it_still_knew_the_images(chain):
    purge("digits", [chain[2]])
    assert not (runs_home() / FIRST).exists()
    assert run_info(SECOND).setup.ids == (chain[3],)
