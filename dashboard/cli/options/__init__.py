"""Options that several commands of laf share: the dataset and the images to forget, the seed, the output."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from core.errors import RequestError
from dashboard.cli.options import clients
from dashboard.cli.options.classes import classes_of
from dashboard.cli.terminal import path_of, require_folder
from dashboard.presentation.text import numbers

MOST_BYTES = 64_000_000  # largest file of ids


def add(command: argparse.ArgumentParser) -> None:
    """Add the options for the dataset, the images to forget, and the device."""
    command.add_argument(
        "--dataset",
        default="digits",
        help="a name (digits, wine, mnist, …), or a zip of folders, an npz or a csv, or a folder with images.npy and labels.npy, whose images stay on disk (default: digits)",
    )
    command.add_argument(
        "--task",
        default=None,
        help="class: forget whole classes; data: a share of each; noise: a share that is mislabelled; indices: the ids in a file "
        "(default: class)",
    )
    command.add_argument(
        "--indices",
        default=None,
        metavar="FILE",
        help="for indices: ids of training images, one a line; - for standard input",
    )
    command.add_argument(
        "--plant",
        default=None,
        metavar="KIND",
        help="plant something and forget it: duplicates, canaries or trigger",
    )
    command.add_argument(
        "--classes",
        default=None,
        metavar="LIST",
        help="numbers, ranges and names: 0 or 5-9 or 1,4 (default: the paper's for the task)",
    )
    command.add_argument(
        "--fraction",
        type=numbers.fraction,
        default=None,
        metavar="F",
        help="for data and noise: share of each class, between 0 and 1 (default: 0.4 and 0.6)",
    )
    command.add_argument(
        "--data-dir", default=None, metavar="DIR", help="folder of downloaded data (default: $LAF_HOME/data)"
    )
    command.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")


def add_common(
    command: argparse.ArgumentParser,
    *,
    seed: str | None = None,
    json: str | None = None,
    quiet: str | None = None,
) -> None:
    """Add those of --seed, --json and --quiet that have a text.

    ``seed`` says what the seed decides, ``json`` what is written as JSON, and ``quiet`` what is not printed.
    """
    if seed is not None:
        command.add_argument(
            "--seed", type=numbers.whole(0, numbers.SEED), default=0, help=f"{seed} (default: 0)"
        )
    if json is not None:
        command.add_argument(
            "--json", default=None, metavar="FILE", help=f"write {json} as JSON; - for standard output"
        )
    if quiet is not None:
        command.add_argument("--quiet", action="store_true", help=f"no {quiet}")


def add_net(command: argparse.ArgumentParser) -> None:
    """Add the option that chooses the net of the original."""
    command.add_argument(
        "--net",
        default=None,
        metavar="NAME",
        help="the net that the original and retrained models are trained as: vit, cnn, resnet18, … (default: the dataset's own)",
    )


def add_model(command: argparse.ArgumentParser) -> None:
    """Add the options that name an uploaded model."""
    command.add_argument(
        "--model", default=None, metavar="FILE", help="your own trained model: its weights as safetensors"
    )
    command.add_argument(
        "--arch",
        default=None,
        metavar="NAME",
        help="for --model: torchvision's name of the net, or the Lab's",
    )
    command.add_argument(
        "--layer",
        default=None,
        metavar="NAME",
        help="for --model: the layer whose output is the representation (default: the last one that will do)",
    )
    command.add_argument(
        "--resize",
        type=numbers.whole(1, numbers.PIXELS),
        default=None,
        metavar="N",
        help="for --model: scale images to NxN pixels for it",
    )


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add the options that choose the settings of the method."""
    source = command.add_mutually_exclusive_group()
    source.add_argument(
        "--settings",
        default=None,
        metavar="KIND",
        help="automatic: for exact LAF, found on this data without labels or retrained models, with the original's training "
        "where no measured preset fits; preset; or paper: the paper's table (default: automatic for laf, "
        "unless a measured preset is better, as for noisy labels of digits and for mnist)",
    )
    source.add_argument(
        "--auto", action="store_const", dest="settings", const="automatic", help="as --settings automatic"
    )


def add_speed(command: argparse.ArgumentParser) -> None:
    """Add the options for speed and precision."""
    speed = command.add_mutually_exclusive_group()
    speed.add_argument(
        "--exact",
        action="store_const",
        dest="speed",
        const="exact",
        default="exact",
        help="the paper's arithmetic (the default)",
    )
    speed.add_argument(
        "--fast",
        action="store_const",
        dest="speed",
        const="fast",
        help="for laf and laf+r: approximate, in a hundredth of the time; moves only the last layer, on kept features "
        "of a part of the images",
    )
    command.add_argument(
        "--precision",
        default="float32",
        metavar="KIND",
        help="for laf and laf+r: float32, bf16, or auto: bf16 where the processor supports it (default: float32)",
    )


def setup_of(a: argparse.Namespace) -> Any:
    """Return the Setup without its classes. Raises RequestError for options that exclude each other."""
    from core.config import TASKS
    from core.data.registry import DATASETS
    from core.runs.setup import Setup
    from core.runtime.device import pick_device

    shared = clients.chosen(a)
    leaves = "client" in shared
    usual = "indices" if a.indices is not None or leaves else "class"
    task = usual if a.task is None else a.task
    if task not in TASKS:
        raise RequestError(f"unknown task {task!r}; there are: {', '.join(TASKS)}")
    if not leaves:
        _require_fitting_options(a, task)
    ids = ids_in(a.indices) if task == "indices" and not leaves else ()
    needs_files = a.dataset in DATASETS and DATASETS[a.dataset].needs_files
    if not needs_files:  # otherwise `load` names the missing files
        require_folder(a.data_dir, option="--data-dir")
    pick_device(a.device)
    return Setup(
        a.dataset,
        task,
        (),
        a.fraction,
        getattr(a, "seed", 0),
        a.data_dir,
        a.device,
        ids,
        a.plant,
        getattr(a, "method", "laf"),
        net=getattr(a, "net", None),
        **shared,
    )


def setup_and_dataset(a: argparse.Namespace) -> tuple[Any, Any]:
    """Load the dataset, and return the Setup with its classes, and the dataset. Raises LabError."""
    from core.data.registry import load

    setup = setup_of(a)
    dataset = load(a.dataset, data_dir=a.data_dir, note=None if a.quiet else partial(_tell, a.dataset))
    setup = replace(setup, dataset=dataset.name)  # the key under which an uploaded file is kept
    if setup.task in ("class", "data", "noise") and setup.plant is None:
        setup = replace(setup, classes=classes_of(a, setup.task, dataset.classes))
    return setup, dataset


def _tell(name: str, note: str) -> None:
    """Print a note about an uploaded file on standard error."""
    print(f"{name}: {note}", file=sys.stderr)


def _require_fitting_options(a: argparse.Namespace, task: str) -> None:
    """Raise RequestError for options that do not go with ``task`` or with --plant."""
    from core.config import TASKS
    from core.runs.setup import FRACTIONS

    if a.plant is not None and (a.task, a.classes, a.fraction, a.indices) != (None, None, None, None):
        raise RequestError(
            "--plant decides what is forgotten; leave out --task, --classes, --fraction and --indices"
        )
    if a.fraction is not None and task not in FRACTIONS:
        raise RequestError(
            f"--fraction goes with --task data or noise; {TASKS[task]} forgets whole {'classes' if task == 'class' else 'images'}"
        )
    if task != "indices" and a.indices is not None:
        raise RequestError(f"--indices goes with --task indices, not {task}")
    if task == "indices" and a.indices is None:
        raise RequestError("--task indices needs --indices FILE, a file of image ids")
    if task == "indices" and a.classes is not None:
        raise RequestError("--classes does not go with --task indices; the ids decide what is forgotten")


def ids_in(name: str) -> tuple[int, ...]:
    """Return the ids in the file ``name``, or in standard input for -.

    Raises RequestError for a file that cannot be read, is too large, or holds something else.
    """
    from core.data.forget_selection import parse_ids

    title = "standard input" if name == "-" else name or "the empty name"
    try:
        with nullcontext(sys.stdin) if name == "-" else open(path_of(name), encoding="utf-8") as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"{title} cannot be read ({getattr(error, 'strerror', None) or 'it is not a text file'}); name a text file of image ids"
        ) from error
    if len(text) > MOST_BYTES:
        raise RequestError(
            f"{title} is larger than {MOST_BYTES // 1_000_000} MB; name a text file of image ids"
        )
    return tuple(parse_ids(text))
