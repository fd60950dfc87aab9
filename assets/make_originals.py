"""Make the originals of MNIST and Fashion-MNIST in core/training/shelf, which ship with the Lab so that no run waits for their training.

Run it again after a change to the preset of MNIST, to the recipe or to training: python assets/make_originals.py --data-dir DIR
DIR holds both datasets' files. The same machine gives the same weights; only the seconds of training differ. The shelf's list
of downloaded datasets holds, for each, the key of its model and what the key was made of.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

NAMES = ("mnist", "fashion_mnist")
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", metavar="DIR", required=True)
    folder = parser.parse_args().data_dir
    with tempfile.TemporaryDirectory() as home:
        os.environ["LAF_HOME"] = home
        from core.runtime.content_cache import SHIPPED

        made = {name: make(name, folder) for name in NAMES}
        listed = SHIPPED / "downloaded.json"
        for old in json.loads(listed.read_text()).values() if listed.exists() else ():
            (SHIPPED / "models" / f"{old['key']}.safetensors").unlink(missing_ok=True)
        for values in made.values():
            shutil.copy(Path(home) / "models" / f"{values['key']}.safetensors", SHIPPED / "models")
        listed.write_text(json.dumps(made, indent=1) + "\n")


def make(name: str, folder: str) -> dict[str, Any]:
    """Train the original of ``name`` as a run with the usual settings does; return its key and what the key is of."""
    from core.config import as_dict
    from core.data.registry import load
    from core.experiments.automatic_run import get_original
    from core.runs.original_models import original_key
    from core.runs.setup import Setup

    setup = Setup(dataset=name, seed=SEED)
    split = setup.split(load(name, data_dir=folder, download=False))
    model, _ = get_original(split, seed=SEED, device="cpu")
    assert model.provenance is not None
    config = model.provenance.config
    key = original_key(split, config, SEED, "cpu")
    print(f"{split.dataset.title}: {key}, {model.provenance.seconds:.0f} s of training", flush=True)
    return {"key": key, "fingerprint": split.dataset.fingerprint, "config": as_dict(config)}


if __name__ == "__main__":
    main()
