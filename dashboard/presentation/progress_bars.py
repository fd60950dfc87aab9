"""Progress bars on standard error, one for each stage of the work."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


class StageBars:
    """A progress bar for each stage; a call advances the bar of its stage."""

    def __init__(self, titles: Mapping[str, str], *, on: bool) -> None:
        self._titles = titles
        self._on = on
        self._stage = ""
        self._bar: Any = None

    def __call__(self, progress: Any) -> None:
        if not self._on:
            return
        if progress.stage != self._stage:
            self.close()
            self._stage = progress.stage
            self._bar = self._new_bar(
                f"{self._titles.get(progress.stage, progress.stage):10}", progress.total
            )
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """Finish the bar in progress."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _new_bar(self, title: str, total: int) -> Any:
        from tqdm import tqdm

        return tqdm(total=total, desc=title, file=sys.stderr, leave=True)
