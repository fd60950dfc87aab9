"""Settings of all methods for class removal by one stated budget, and how they do on classes and seeds that the search did not see.

python -m benchmarks.search_baselines [--methods ...] [--candidates 12] [--parts search wider report]

Search: CANDIDATES settings a method, LAF included. The first is the paper's (LAF's: its preset), then what KNOWN lists, the
others random draws from the space of benchmarks.tune and from SPACE. Each is scored on TUNED_ON, pairs of a class and a seed. A candidate
that is already worse than the best after one pair is dropped. The best has the lowest mean of: the absolute gaps to retrained models in
Train_r, Train_f and Test_r, averaged, plus the Jensen-Shannon divergence to them on D_f in nats. This is an oracle's choice: it reads
labels and retrained models.

Wider: more draws for the methods that the first search left failed, from the wider spaces of WIDER, after the preset.

Report: every method's preset on all ten classes and REPORTED seeds, as benchmarks.inside has it.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from benchmarks.inside import HEAD, SEARCHED_LAF, case, row
from benchmarks.machine import machine
from benchmarks.tune import capped, draw
from core import forget_classes, load
from core.config import LAFConfig
from core.methods import METHODS
from core.runtime import seeding

TUNED_ON = ((1, 100), (5, 101), (7, 100), (9, 101))  # (class, seed)
REPORTED = (0, 1, 2)
say = partial(print, file=sys.stderr, flush=True)

# settings that were measured before, and that the search tries first
KNOWN: dict[str, tuple[dict[str, Any], ...]] = {
    "finetune": ({"optimiser": "adam", "momentum": 0.0, "lr": 0.01, "epochs": 10, "batch_size": 128},),
    "neggrad+": (
        {
            "optimiser": "adam",
            "momentum": 0.0,
            "lr": 0.01,
            "epochs": 10,
            "weight_decay": 0.0,
            "alpha": 0.9999,
        },
        {
            "optimiser": "adam",
            "momentum": 0.0,
            "lr": 0.00027,
            "epochs": 8,
            "batch_size": 128,
            "weight_decay": 0.0,
            "alpha": 0.995,
        },
    ),
    "scrub": (
        {
            "optimiser": "adam",
            "momentum": 0.0,
            "lr": 5e-4,
            "weight_decay": 0.0,
            "epochs": 6,
            "msteps": 3,
            "alpha": 0.1,
            "forget_batch_size": 64,
        },
    ),
}
# settings of methods that benchmarks.tune does not know: values, or the ends of a log-uniform range
SPACE: dict[str, dict[str, tuple[Any, ...]]] = {
    "ssd": {"alpha": (1.0, 50.0), "lam": (0.1, 1.0), "batch_size": [16, 64, 256]},  # type: ignore[dict-item]
    "lfssd": {"alpha": (1.0, 20.0), "lam": (0.1, 1.0), "batch_size": [16, 64, 256]},  # type: ignore[dict-item]
    "esc": {"share": [1 / 128, 2 / 128, 3 / 128, 4 / 128]},  # type: ignore[dict-item]
    "mda": {"lr": (1e-4, 1e-2), "steps": [30, 60, 120, 200], "epochs": [100]},  # type: ignore[dict-item]
    "laf": {
        "lr_ue": (2e-4, 3e-3),
        "lr_ra": (1e-3, 1e-2),
        "temperature": (3.0, 30.0),
        "epochs": [5, 10, 14, 20, 30],  # type: ignore[dict-item]
    },
}
DRAWN: dict[str, dict[str, Any]] = {  # beside what benchmarks.tune draws
    "jit": {"deviation": (0.1, 2.0), "lr": (1e-4, 1e-1), "epochs": [1, 2, 5], "copies": [5, 25]},
    "guided": {"warm_up": [0, 1, 2, 4], "forget_epochs": [1, 2, 4, 8], "epochs": [1, 2, 4]},
}

ADAM = {"optimiser": "adam", "momentum": 0.0}
# a second search of the methods that the first left *failed*: draws, fixed settings, space
WIDER: dict[str, tuple[tuple[int, dict[str, Any], dict[str, Any]], ...]] = {
    "lfssd": ((40, {}, {"alpha": (1.0, 100.0), "lam": (0.01, 1.0), "batch_size": [16, 64, 256]}),),
    "neggrad": (
        (20, {}, {"lr": (1e-3, 1e-1), "epochs": [1, 2, 3, 5], "batch_size": [32, 64, 128]}),
        (20, ADAM, {"lr": (1e-5, 3e-3), "epochs": [1, 2, 3, 5], "batch_size": [32, 64, 128]}),
    ),
    "jit": (
        (14, ADAM, {"lr": (3e-5, 3e-3), "epochs": [2, 5, 10], "deviation": (0.05, 2.0), "copies": [5]}),
        (14, {}, {"lr": (1e-3, 1.0), "epochs": [1, 3, 5], "deviation": (0.1, 3.0), "copies": [5]}),
    ),
}


def drawn(space: dict[str, Any], generator: torch.Generator) -> dict[str, Any]:
    """Return one draw: of a list one value, of a pair a log-uniform number."""
    found: dict[str, Any] = {}
    for key, values in space.items():
        if isinstance(values, list):
            found[key] = values[int(torch.randint(len(values), (), generator=generator))]
        else:
            low, high = values
            found[key] = float(f"{low * (high / low) ** float(torch.rand((), generator=generator)):.2g}")
    return found


def candidates(name: str, count: int) -> list[Any]:
    """Return the settings that are tried for a method."""
    generator = seeding.generator(1, "search", name)
    kind: Any = METHODS[name]
    if name == "laf":
        preset = LAFConfig.preset("digits", "class")
        return [preset, *(replace(preset, **drawn(SPACE[name], generator)) for _ in range(count - 1))]
    found = [kind.Config(), *(kind.Config(**known) for known in KNOWN.get(name, ()))]
    found += [preset] if (preset := _preset(name)) not in found else []
    split = forget_classes(load("digits"), [TUNED_ON[0][0]], seed=TUNED_ON[0][1])
    while len(found) < count:
        if name in SPACE:
            found.append(kind.Config(**drawn(SPACE[name], generator)))
        else:
            more = drawn(DRAWN.get(name, {}), generator)
            found.append(capped(name, replace(draw(name, generator), **more), split))
    return found[:count]


def wider(name: str) -> list[Any]:
    """Return the preset of a method and the draws of WIDER."""
    found = [_preset(name)]
    for count, fixed, space in WIDER[name]:
        generator = seeding.generator(2, "wider", name)
        found += [METHODS[name].Config(**{**fixed, **drawn(space, generator)}) for _ in range(count)]  # type: ignore[attr-defined]
    return found


def _preset(name: str) -> Any:
    from core.methods import preset_for

    return preset_for(name, "digits", "class")


def search(name: str, tried: list[Any]) -> tuple[Any, float, float]:
    """Return the best of the settings ``tried``, their objective, and that of the first."""
    scores: list[tuple[float, Any]] = []
    for config in tried:
        total = 0.0
        for one in (case(*key) for key in TUNED_ON):
            total += one.objective(one.reading(name, config)) / len(TUNED_ON)
            if scores and total > min(s for s, _ in scores):
                break
        scores.append((total, config))
    best = min(scores, key=lambda s: s[0])
    return best[1], best[0], scores[0][0]


def differences(name: str, config: Any) -> str:
    """Return what differs from the first candidate, as presets.toml has it."""
    usual = LAFConfig.preset("digits", "class") if name == "laf" else METHODS[name].Config()  # type: ignore[attr-defined]
    own = {k: v for k, v in vars(config).items() if v != getattr(usual, k)}
    return "{ " + ", ".join(f"{k} = {repr(v).replace(chr(39), chr(34))}" for k, v in own.items()) + " }"


def _tell(name: str, found: tuple[Any, float, float]) -> None:
    config, score, first = found
    print(f"{name} = {differences(name, config)}  # {score:.3f}, the first {first:.3f}", flush=True)
    say(f"{time.process_time():6.0f} CPU s  {name}")


def main() -> None:
    """Read the command line, search, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    searched = [n for n in METHODS if n not in ("nothing", "retrain", "sisa", "unroll", "laf+r")]
    parser.add_argument("--methods", nargs="+", default=None)
    parser.add_argument("--candidates", type=int, default=12)
    parser.add_argument(
        "--parts", nargs="+", choices=("search", "wider", "report"), default=["search", "report"]
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=REPORTED)
    a = parser.parse_args()
    torch.set_num_threads(1)
    print(f"# digits, class removal; one thread of {machine()}", flush=True)
    if "search" in a.parts:
        for name in a.methods or searched:
            _tell(name, search(name, candidates(name, a.candidates)))
    if "wider" in a.parts:
        for name in WIDER:
            _tell(name, search(name, wider(name)))
    if "report" in a.parts:
        print(HEAD)
        cases = [case(label, seed) for seed in a.seeds for label in range(10)]
        for name in a.methods or (*METHODS, SEARCHED_LAF):
            print(row(name, cases), flush=True)
            say(f"{time.process_time():6.0f} CPU s  {name}")


if __name__ == "__main__":
    main()
