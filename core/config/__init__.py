"""Settings as frozen dataclasses that check their values, and the presets for each dataset and task.

docs/presets.md has each preset's measured result and the command that prints it.
"""

from __future__ import annotations

from dataclasses import replace

from core.config import presets  # noqa: F401 - fills the tables of presets
from core.config.choices import LEARNS, PARTITIONS, PRECISIONS, SCHEDULES, SERVERS, STEPPED, TASKS, VAE_DATA
from core.config.preset_tables import LAF_PRESETS as _LAF
from core.config.preset_tables import MEASURED, PAPER, origin
from core.config.preset_tables import TRAIN_PRESETS as _TRAIN
from core.config.presets import paper_preset
from core.config.settings import (
    EvalConfig,
    LAFConfig,
    LAFRConfig,
    RepairConfig,
    TrainConfig,
    VAEConfig,
    as_dict,
)

__all__ = [
    "LEARNS",
    "MEASURED",
    "PAPER",
    "PARTITIONS",
    "PRECISIONS",
    "SCHEDULES",
    "SERVERS",
    "STEPPED",
    "TASKS",
    "VAE_DATA",
    "_LAF",
    "_TRAIN",
    "EvalConfig",
    "LAFConfig",
    "LAFRConfig",
    "RepairConfig",
    "TrainConfig",
    "VAEConfig",
    "as_dict",
    "origin",
    "paper_preset",
    "replace",
]
