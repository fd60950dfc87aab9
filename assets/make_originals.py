"""Make the originals of MNIST and Fashion-MNIST in core/training/shelf, and a map for the removal of each class.

They ship with the Lab, so that no run waits for that training and no page for such a map.

Run it again after a change to the preset of MNIST, to the recipe or to training: python assets/make_originals.py --data-dir DIR
DIR holds both datasets' files. The same machine gives the same weights and maps; only the seconds of training, which are CPU seconds, differ.
downloaded.json holds, for each dataset, the keys of its model and maps and what the model's key was made of.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

NAMES = ("mnist", "fashion_mnist")
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", metavar="DIR", required=True)
    folder = parser.parse_args().data_dir
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAF_HOME"] = home
        from core.runtime import content_cache
        from core.training import supervised

        shelf, content_cache.SHIPPED = (
            content_cache.SHIPPED,
            Path(home),
        )  # nothing is taken from the shelf itself
        vars(supervised)["time"] = SimpleNamespace(
            perf_counter=time.process_time
        )  # another program may hold the cores

        made = {name: make(name, folder) for name in NAMES}
        listed = shelf / "downloaded.json"
        for file in files(json.loads(listed.read_text()) if listed.exists() else {}):
            (shelf / file).unlink(missing_ok=True)
        for file in files(made):
            shutil.copyfile(Path(home) / file, shelf / file)
        listed.write_text(json.dumps(made, indent=1) + "\n")


def files(listed: dict[str, Any]) -> list[Path]:
    """Return the files of all datasets in downloaded.json, relative to the shelf."""
    return [
        Path(kind) / f"{key}.safetensors"
        for dataset in listed.values()
        for kind, keys in (("models", [dataset["key"]]), ("maps", dataset["maps"]))
        for key in keys
    ]


def make(name: str, folder: str) -> dict[str, Any]:
    """Train the original of ``name`` as a run with the usual settings does, and lay out the maps; return the keys."""
    from core.config import EvalConfig, as_dict
    from core.data.registry import load
    from core.experiments.automatic_run import get_original
    from core.projection.map_cache import fitted_map, map_key
    from core.runs.observer import Observer
    from core.runs.original_models import original_key
    from core.runs.setup import Setup

    dataset = load(name, data_dir=folder, download=False)
    split = Setup(dataset=name, seed=SEED).split(dataset)
    model, _ = get_original(split, seed=SEED, device="cpu")
    assert model.provenance is not None
    config = model.provenance.config
    key = original_key(split, config, SEED, "cpu")
    print(f"{split.dataset.title}: {key}, {model.provenance.seconds:.0f} s of training", flush=True)
    maps = []
    for number in range(len(dataset.classes)):
        request = Setup(dataset=name, classes=(number,), seed=SEED).split(dataset)
        observer = Observer(request, model, EvalConfig.preset(dataset.family), seed=SEED)
        fitted_map(model, dataset, observer.rows, observer.original.train.representations, seed=SEED)
        maps.append(map_key(model, dataset, observer.rows, SEED))
    return {"key": key, "fingerprint": dataset.fingerprint, "config": as_dict(config), "maps": maps}


if __name__ == "__main__":
    main()
