"""Run all benchmarks: python -m benchmarks [--data-dir DIR] [--long]

Without --data-dir MNIST is looked for, or downloaded to, where the Lab has it; where it cannot be had, what needs it is left out and named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from core import load
from core.errors import DataError, RequestError
from core.runtime.storage import home

# a benchmark and its arguments; DATA stands for --data-dir and the folder of MNIST. In the order of issue and docs: cost first, then the screen, then studies.
DATA = "DATA"
PARTS: list[tuple[str, tuple[str, ...]]] = [
    ("speed", (DATA,)),
    ("speed", ("--digits",)),
    ("profile", (DATA,)),
    ("growth", (DATA,)),
    ("sessions", ()),
    ("watched", (DATA,)),
    ("frame_cost", (DATA,)),
    ("keeping", (DATA,)),
    ("batches", (DATA,)),
    ("projection", (DATA,)),
    ("map_view", ()),
    ("lasso", ()),
    ("first_picture", ()),
    ("studies", ()),
    ("calibration", ()),
    ("comparison", ("--dataset", "digits")),
]
LONG: list[tuple[str, tuple[str, ...]]] = [  # a quarter of an hour each, and more
    ("classroom", ()),
    ("memory", ("--page",)),
    ("attack_calibration", ()),
    ("inside", ()),
    ("lessons", ()),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST/raw")
    parser.add_argument("--long", action="store_true", help="those, too, that take a quarter of an hour each")
    a = parser.parse_args()
    try:
        load("mnist", data_dir=a.data_dir)
        there = True
    except RequestError as error:
        parser.error(str(error))
    except DataError as error:
        print(f"Left out: what needs MNIST ({error})\n", flush=True)
        there = False
    folder = a.data_dir or str(home() / "data")
    failed = []
    for name, arguments in [*PARTS, *(LONG if a.long else [])]:
        if DATA in arguments and not there:
            continue
        given = [w for x in arguments for w in (("--data-dir", folder) if x == DATA else (x,))]
        print(f"## python -m benchmarks.{name} {' '.join(given)}".rstrip(), flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *given], check=False).returncode:
            failed.append(name)
        print(flush=True)
    if failed:
        sys.exit(f"These did not come to their end: {', '.join(failed)}")


if __name__ == "__main__":
    main()
