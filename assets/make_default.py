"""Make core/training/shelf (the default's trained model and its map, and the models of the lesson on transformers) and the early picture in dashboard/static.

The originals of downloaded datasets stay; assets/make_originals.py makes them. Run it again after a change to the digits preset, to the recipe of the ViT or to training: python assets/make_default.py
The same machine gives the same bits.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from make_originals import files  # beside this script

SHELF = Path(__file__).parent.parent / "core" / "training" / "shelf"
EARLY = Path(__file__).parent.parent / "dashboard" / "static" / "early.json"


def main() -> None:
    downloaded = files(json.loads((SHELF / "downloaded.json").read_text()))
    for old in SHELF.glob("*/*.safetensors"):
        if old.relative_to(SHELF) not in downloaded:
            old.unlink()
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAF_HOME"] = home
        from core.experiments.session.experiment import Experiment
        from core.runs.setup import Setup
        from core.runtime.scheduler import Scheduler
        from dashboard.presentation.wire.scene import scene

        experiment = Experiment(Setup(device="cpu"), Scheduler())
        experiment.start()
        while experiment.run is None:
            if experiment.error is not None:
                raise SystemExit(str(experiment.error))
            time.sleep(0.1)
        early(scene(experiment, ""))
        experiment.close()
        transformers()
        for kind in ("models", "maps"):
            for file in (Path(home) / kind).glob("*.safetensors"):
                (SHELF / kind).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, SHELF / kind)
                print(file.name, file.stat().st_size, "bytes")


def transformers() -> None:
    """Train the original and three retrained models of the lesson on transformers, which take half a minute each."""
    from core import load
    from core.lessons.library import load_lessons
    from core.runs.original_models import net_training, original
    from core.runs.reference_models import references
    from core.runtime.progress import run_to_end

    for lesson in load_lessons()[0]:
        if lesson.setup.net is not None:
            split = lesson.setup.split(load(lesson.setup.dataset))
            config = net_training(lesson.setup, split)
            model = run_to_end(original(split, seed=lesson.setup.seed, config=config), None)
            references(split, model, count=3, seed=lesson.setup.seed)


def early(packet: bytes) -> None:
    """Write what the page draws before Streamlit has started: the remaining points, then the forgotten ones."""
    from dashboard.presentation.wire.packet import unpack

    header, arrays = unpack(packet)
    order = np.argsort(arrays["forget"], kind="stable")
    kept = {
        "words": f"Map of {header['dataset']}, forget {header['forget']}",
        "forget": [int((arrays["forget"] == 0).sum()), len(order)],
        "position": base64.b64encode(arrays["position"][order].astype("<i2").tobytes()).decode(),
    }
    EARLY.write_text(json.dumps(kept, separators=(",", ":")) + "\n")
    print(EARLY.name, EARLY.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
