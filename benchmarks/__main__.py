"""Run all benchmarks: python -m benchmarks [--data-dir DIR] [--minutes 20] [--long]

After --minutes no benchmark is begun, and those left out are named; --long runs all of them, and the longest too.
Without --data-dir MNIST is looked for, or downloaded to, where the Lab has it; where it cannot be had, what needs it is left out and named.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from core import load
from core.errors import DataError, RequestError
from core.runtime.storage import home

# a benchmark and its arguments; DATA stands for --data-dir and the folder of MNIST. In the order of issue and docs: cost first, then the screen, then studies.
DATA = "DATA"
PARTS: list[tuple[str, tuple[str, ...]]] = [
    ("summary", ()),
    ("verdict_time", ()),
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
    ("scale", ()),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST/raw")
    parser.add_argument("--long", action="store_true", help="those, too, that take a quarter of an hour each")
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="after which no benchmark is begun (default: 20)"
    )
    a = parser.parse_args()
    start = time.monotonic()
    try:
        load("mnist", data_dir=a.data_dir)
        there = True
    except RequestError as error:
        parser.error(str(error))
    except DataError as error:
        print(f"Left out: what needs MNIST ({error})\n", flush=True)
        there = False
    folder = a.data_dir or str(home() / "data")
    failed, left_out = [], []
    for name, arguments in [*PARTS, *(LONG if a.long else [])]:
        if DATA in arguments and not there:
            continue
        if not a.long and time.monotonic() - start > 60 * a.minutes:
            left_out.append(" ".join([name, *arguments]).replace(DATA, "--data-dir DIR"))
            continue
        given = [w for x in arguments for w in (("--data-dir", folder) if x == DATA else (x,))]
        print(f"## python -m benchmarks.{name} {' '.join(given)}".rstrip(), flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *given], check=False).returncode:
            failed.append(name)
        print(flush=True)
    if left_out:
        print(f"Left out after {a.minutes:g} minutes: {', '.join(left_out)}. --long runs them too.")
    if failed:
        sys.exit(f"These did not come to their end: {', '.join(failed)}")


if __name__ == "__main__":
    main()
