"""All benchmarks, one after the other: python -m benchmarks [--mnist DIR]"""

from __future__ import annotations

import subprocess
import sys

PARTS: dict[
    str, tuple[str, ...] | None
] = {  # name -> what it takes instead of --mnist DIR; None: it takes it
    "batches": None,
    "projection": None,
    "theatre": (),
    "lasso": (),
    "first_picture": (),
    "sessions": (),
    "comparison": ("--dataset", "digits"),  # MNIST's takes an hour: with --data-dir
    "calibration": (),
    "studies": (),
    "attack_calibration": (),
}
MNIST_ONLY = ("speed", "watched", "growth", "frame_cost")  # with --data-dir DIR


def main() -> None:
    given = sys.argv[1:]
    for name, instead in PARTS.items():
        run(name, given if instead is None else list(instead))
    if "--mnist" in given:
        for name in MNIST_ONLY:
            run(name, ["--data-dir", given[given.index("--mnist") + 1]])


def run(name: str, arguments: list[str]) -> None:
    """One benchmark in a process of its own."""
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)
    print()


if __name__ == "__main__":
    main()
