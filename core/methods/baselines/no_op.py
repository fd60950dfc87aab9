"""Do nothing: the row that every other method must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState


@dataclass(frozen=True)
class NothingConfig(BaselineConfig):
    """There is nothing to choose."""


class Nothing(Baseline):
    """The original model, handed back."""

    name = "nothing"
    title = "Do nothing"
    source = ""
    Config = NothingConfig
    needs_labels = False

    def steps(self, split: Any, config: NothingConfig) -> int:
        """One, so that it can be played like the others."""
        return 1

    def update(
        self, state: BaselineState, config: NothingConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Changes nothing."""
        return {}, {}
