"""All benchmarks, one after the other: python -m benchmarks [--mnist DIR]"""

from __future__ import annotations

import subprocess
import sys

PARTS = {
    "batches": True,
    "steps": True,
    "projection": True,
    "theatre": False,
    "lasso": False,
    "first_picture": False,
}  # name -> whether it takes --mnist


def main() -> None:
    for name, takes_mnist in PARTS.items():
        subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", *(sys.argv[1:] if takes_mnist else [])], check=True
        )
        print()


if __name__ == "__main__":
    main()
