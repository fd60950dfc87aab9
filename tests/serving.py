"""A program for tests: the Lab's server with two tabs that no browser opened. It prints their tokens first."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from core.experiments.session import reference_pool
from core.experiments.session.preparation_cache import PreparationCache
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.cli import dashboard
from dashboard.server import serving
from dashboard.session import lab as tab
from tests.toys import Flat

BROWSER = "b" * 32


def tabs(*, plays: bool) -> None:
    reference_pool.usual_count = lambda *_: 0  # retraining takes most of the time, and is not under test here
    tab.usual_setup = lambda: Setup(settings="preset", device="cpu")  # nor is the search for settings
    runner, beside, kept = Scheduler(1), Scheduler(1), PreparationCache()
    made = [tab.Lab(runner, Flat(), beside, kept, browser=BROWSER) for _ in range(2)]
    while any(lab.experiment.run is None for lab in made):
        assert not any(lab.experiment.error for lab in made)
        time.sleep(0.02)
    if plays:
        made[0].experiment.play()
        while made[0].run_id is None or len(made[0].experiment.run.steps) < 3:
            time.sleep(0.01)
    print(json.dumps([lab.token for lab in made]), flush=True)
    threading.Event().wait()  # the tabs stay open


if __name__ == "__main__":
    port, base, plays = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "plays"
    threading.Thread(target=tabs, kwargs={"plays": plays}, daemon=True).start()
    options = {**dashboard.settings(), "server.port": port, "server.baseUrlPath": base}
    serving.serve(str(Path(dashboard.__file__).parents[1] / "app.py"), "dashboard.server.asgi:app", options)
