"""Do nothing: the row that every method must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.methods.baselines.base import Baseline, BaselineConfig, BaselineState


@dataclass(frozen=True)
class NothingConfig(BaselineConfig):
    """No settings of its own."""


class Nothing(Baseline):
    """The method that returns the original model unchanged."""

    name = "nothing"
    title = "Do nothing"
    source = ""
    Config = NothingConfig
    needs_labels = False
    reads = ()

    def steps(self, split: Any, config: NothingConfig) -> int:
        """Return 1, so that a run can be played like others."""
        return 1

    def update(
        self, state: BaselineState, config: NothingConfig
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Change nothing."""
        return {}, {}
