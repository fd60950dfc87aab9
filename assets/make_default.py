"""Make assets/shelf: the default's trained model and its map, so that the first picture waits for neither.

Run it again after a change to the digits preset or to training: python assets/make_default.py
The same machine gives the same bits.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

SHELF = Path(__file__).parent / "shelf"


def main() -> None:
    shutil.rmtree(SHELF, ignore_errors=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAF_HOME"] = home
        from core.experiment import Experiment
        from core.runner import Runner
        from core.setup import Setup

        experiment = Experiment(Setup(device="cpu"), Runner())
        experiment.start()
        while experiment.run is None:
            if experiment.error is not None:
                raise SystemExit(str(experiment.error))
            time.sleep(0.1)
        experiment.close()
        for kind in ("models", "maps"):
            for file in (Path(home) / kind).glob("*.safetensors"):
                (SHELF / kind).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, SHELF / kind)
                print(file.name, file.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
