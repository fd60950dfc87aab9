"""Settings as frozen dataclasses.

Each checks its values when it is made and raises ConfigError for a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from core.config import environment
from core.config.choices import LEARNS, PRECISIONS, SCHEDULES, STEPPED, VAE_DATA
from core.config.preset_tables import LAF_PRESETS, QUICK, REPAIR_PRESETS, TRAIN_PRESETS, find_preset
from core.errors import ConfigError
from core.runtime import bounds
from core.runtime.bounds import Bound, check


@dataclass(frozen=True)
class TrainConfig:
    """Supervised training of an original or retrained model by Adam on cross-entropy."""

    net: str = "digits-cnn"
    epochs: int = 20
    batch_size: int = 64
    lr: float = 3e-3
    weight_decay: float = 1e-4
    augment: bool = False  # random crops and mirror images; for photographs, not for digits
    mirrors: bool = True  # of ``augment``; False: crops alone, where a mirror image means something else
    decays: bool = False  # the rate falls to zero along half a cosine; False keeps it constant
    warmup: float = (
        0.0  # share of the steps in which the rate rises from 0; transformers need it, other nets do not
    )
    threads: int = 1  # OpenMP threads on a CPU; more than one is slow on a busy machine

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "epochs": bounds.EPOCHS,
        "batch_size": bounds.BATCH,
        "lr": bounds.RATE,
        "weight_decay": bounds.WEIGHT,
        "warmup": bounds.MOMENTUM,
        "threads": bounds.THREADS,
    }

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def preset(cls, dataset: str, task: str = "") -> Self:
        """Return the training preset of the task, or else that of the dataset or family.

        Raises RequestError for an unknown dataset.
        """
        key: Any = (dataset, task) if (dataset, task) in TRAIN_PRESETS else dataset
        found: Self = find_preset(TRAIN_PRESETS, key, "training preset")
        return found


@dataclass(frozen=True)
class VAEConfig:
    """A VAE over representations. The VAEs h and h_f share these settings."""

    latent: int = 8
    epochs: int = 10
    batch_size: int = 32
    lr: float = 1e-3
    kl_weight: float = 0.025
    output: str = "linear"  # or "sigmoid", as in the reference, whose outputs lie in (0, 1)

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "latent": bounds.whole(4096),
        "epochs": bounds.EPOCHS,
        "batch_size": bounds.BATCH,
        "lr": bounds.RATE,
        "kl_weight": bounds.WEIGHT,
    }

    def __post_init__(self) -> None:
        check(self)
        if self.output not in ("linear", "sigmoid"):
            raise ConfigError(f"VAE output must be 'linear' or 'sigmoid', got {self.output!r}")


@dataclass(frozen=True)
class LAFConfig:
    """Label-Agnostic Forgetting: two VAEs, then steps on L_UE and L_RA.

    The defaults are the paper's for its CNN.
    """

    epochs: int = 20
    steps: int | None = None  # total steps, in place of epochs; for forget sets of few batches
    lr_ue: float = 5e-5
    lr_ra: float = 1e-4  # at least twice lr_ue, or the accuracy on D_r falls
    temperature: float = 20.0  # at 100 nothing is forgotten; 1 and below break the model
    batch_size: int = 32  # images of D_f, and as many of D_r
    bounded: bool = True  # phi(m), as in the reference; False: the plain squared error, as in the paper
    schedule: str = "alternate"  # a key of SCHEDULES
    losses: str = "both"  # a key of STEPPED; one loss alone shows its effect
    ue_per_ra: int = 1  # steps on L_UE for each pair of batches before the one on L_RA
    weight_remain: float = 1.0  # of the first term of L_UE
    weight_forget: float = 1.0  # of the second term of L_UE
    weight_align: float = 1.0  # of the first term of L_RA
    weight_repel: float = 1.0  # of the second term of L_RA
    vae: VAEConfig = field(default_factory=VAEConfig)
    threads: int = 1
    learns: str = "all"  # a key of LEARNS
    most_remain: int | None = None  # images of D_r to use, drawn at random; None: all
    most_forget: int | None = None  # images of D_f to use, drawn at random; None: all
    precision: str = "float32"  # a key of PRECISIONS
    vae_data: str = "all"  # a key of VAE_DATA

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "epochs": bounds.EPOCHS,
        "steps": bounds.STEPS,
        "lr_ue": bounds.RATE,
        "lr_ra": bounds.RATE,
        "temperature": bounds.POSITIVE,
        "batch_size": bounds.BATCH,
        "ue_per_ra": bounds.whole(1000),
        **dict.fromkeys(("weight_remain", "weight_forget", "weight_align", "weight_repel"), bounds.WEIGHT),
        "threads": bounds.THREADS,
        **dict.fromkeys(("most_remain", "most_forget"), bounds.whole(100_000_000)),
    }

    def __post_init__(self) -> None:
        check(self)
        allowed = {
            "schedule": SCHEDULES,
            "losses": STEPPED,
            "vae_data": VAE_DATA,
            "learns": LEARNS,
            "precision": PRECISIONS,
        }
        for name, choices in allowed.items():
            value = getattr(self, name)
            if value not in choices:
                raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}")

    @property
    def approximate(self) -> bool:
        """True when LAF uses only part of the images, or trains only the last layer of the extractor."""
        return self.learns != "all" or self.most_remain is not None or self.most_forget is not None

    @classmethod
    def preset(cls, dataset: str, task: str) -> Self:
        """Return the preset of (dataset or family, task); ``core.config.origin`` names its source.

        Raises RequestError when there is none.
        """
        found: Self = find_preset(LAF_PRESETS, (dataset, task), "LAF preset")
        return found


@dataclass(frozen=True)
class RepairConfig:
    """Supervised training of the head on labelled images of D_r, after LAF."""

    share: float = 1.0  # part of D_r that has labels, in (0, 1]
    epochs: int = 1
    batch_size: int = 64
    lr: float = 3e-3

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "share": bounds.SHARE,
        "epochs": bounds.EPOCHS,
        "batch_size": bounds.BATCH,
        "lr": bounds.RATE,
    }

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class LAFRConfig:
    """LAF+R, which is LAF followed by repair."""

    laf: LAFConfig = field(default_factory=LAFConfig)
    repair: RepairConfig = field(default_factory=RepairConfig)

    def __post_init__(self) -> None:
        check(self)

    @property
    def threads(self) -> int:
        """OpenMP threads of LAF and of the repair, on a CPU."""
        return self.laf.threads

    @classmethod
    def preset(cls, dataset: str, task: str) -> Self:
        """Return LAF's preset with the repair of the dataset.

        Raises RequestError when there is no LAF preset.
        """
        return cls(LAFConfig.preset(dataset, task), REPAIR_PRESETS.get(dataset, RepairConfig(lr=1e-3)))


@dataclass(frozen=True)
class EvalConfig:
    """The number of images behind each frame, and the number of frames of a run."""

    batch_size: int = 256
    max_points: int = 2000  # training images on the map, at most half of them from D_f
    max_test: int = 1000  # test images for each frame; the final report uses all
    frames: int = 100  # in a run; a long run records one every 1/frames of its steps
    adapts: bool = True  # skip a frame while two are being computed; False: wait for them

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "batch_size": bounds.BATCH,
        "max_points": bounds.whole(100_000),
        "max_test": bounds.whole(10_000_000),
        "frames": bounds.whole(10_000),
    }

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def preset(cls, dataset: str) -> Self:
        """Return the preset of a dataset or family: a frame for nearly each step on digits, few frames on larger images.

        ``$LAF_FRAMES`` sets another number of frames. benchmarks/frame_cost.py measures what a frame costs.
        Raises RequestError when ``$LAF_FRAMES`` cannot be used.
        """
        asked = environment.frames()
        if dataset == "digits":
            return cls(frames=asked or 1000, adapts=False)
        if dataset in QUICK:
            return cls() if asked is None else cls(frames=asked)
        return cls(batch_size=64, max_points=1000, max_test=300, frames=asked or 16)

    def cadence(self, total_steps: int) -> int:
        """Return the number of steps from one frame to the next."""
        return max(1, round(total_steps / self.frames))


# field -> the default at which ``as_dict`` leaves it out
ADDED_LATER = {"decays": False, "mirrors": True, "warmup": 0.0}


def as_dict(config: Any) -> dict[str, Any]:
    """Return a config as nested dicts of plain values, in field order, for cache keys, records and JSON.

    Fields that later versions added are left out at their default, so that keys of earlier versions stay the same.
    """
    values = {f.name: getattr(config, f.name) for f in fields(config)}
    return {
        name: as_dict(value) if hasattr(value, "__dataclass_fields__") else value
        for name, value in values.items()
        if not (name in ADDED_LATER and value == ADDED_LATER[name])
    }
