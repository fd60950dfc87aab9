"""A terminal: bars of progress, and files that are refused before the work rather than after it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from core.errors import RequestError

TITLES = {
    "train": "train",
    "vae": "VAE of D",
    "vae_f": "VAE of D_f",
    "unlearn": "unlearn",
    "retrain": "retrain",
}


class Bars:
    """A bar for each stage, on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._off = quiet or not sys.stderr.isatty()
        self._bar: Any = None
        self._stage = ""

    def __call__(self, progress: Any) -> None:
        if self._off:
            return
        from tqdm import tqdm

        if progress.stage != self._stage:
            self.close()
            self._stage = progress.stage
            self._bar = tqdm(
                total=progress.total,
                desc=f"{TITLES.get(progress.stage, progress.stage):10}",
                file=sys.stderr,
                leave=True,
            )
        self._bar.update(progress.done - self._bar.n)

    def show(self, what: str, done: int, total: int, now: str) -> None:
        """One bar for work of many kinds; ``now`` says which goes on."""
        if self._off:
            return
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(total=total, desc=what, file=sys.stderr, leave=True)
        self._bar.set_postfix_str(now, refresh=False)
        self._bar.update(done - self._bar.n)
        self._bar.refresh()

    def close(self) -> None:
        """Finish the bar in progress."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def require_writable(path: Path, *, option: str = "--json") -> None:
    """Refuse before the work, not after it."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise RequestError(
            f"the folder {folder} for {option} does not exist; make it, or name a file elsewhere"
        )
    if path.is_dir():
        raise RequestError(f"{option} {path} is a folder; name a file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise RequestError(f"{option} {path} cannot be written; name a file elsewhere")


def write(path: Path, text: str) -> None:
    from core.errors import DataError

    try:
        path.write_text(text)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); name a file elsewhere with --json"
        ) from error
