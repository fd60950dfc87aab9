"""Build the static site: start page, lessons as replays, a gallery of runs, findings and documentation.

    make site                                        # or: python assets/make_site.py [--out site] [--no-runs]

Any static host serves the folder, and it opens from disk without a network. It plays eleven lessons and twelve runs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from assets.site.builder import Site, build  # noqa: E402


def main() -> None:
    options = argparse.ArgumentParser(description="Build the static site of LAF Lab.")
    options.add_argument("--out", type=Path, default=ROOT / "site", help="folder to write (default: site)")
    options.add_argument(
        "--no-runs", action="store_true", help="leave out lessons and gallery: documents only, in seconds"
    )
    a = options.parse_args()
    build(Site(a.out, lessons=(), examples=()) if a.no_runs else Site(a.out))


if __name__ == "__main__":
    main()
