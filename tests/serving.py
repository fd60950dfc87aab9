"""A server for tests: the Lab's own, in a process, with two tabs that no browser opened. Its first line says their tokens."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from toys import Flat

from dashboard import cli, serving

BROWSER = "b" * 32


def tabs(*, plays: bool) -> None:
    from core.prepared import Kept
    from core.runner import Runner
    from core.setup import Setup
    from dashboard.state import Lab

    runner, beside, kept = Runner(1), Runner(1), Kept()
    made = [Lab(runner, Flat(), beside, kept, browser=BROWSER) for _ in range(2)]
    made[1].open(Setup(seed=1, device="cpu"))
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
    options = {**cli.settings(), "server.port": port, "server.baseUrlPath": base}
    serving.serve(str(Path(cli.__file__).with_name("app.py")), "dashboard.server:app", options)
