"""Settings as frozen dataclasses, checked when made, and the presets that were measured.

Every preset's result stands in docs/presets.md beside the command that prints it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Self

from core.errors import ConfigError, RequestError
from core.runtime import bounds
from core.runtime.bounds import Bound, check

TASKS = {
    "class": "class removal",
    "data": "data removal",
    "noise": "noisy labels",
    "indices": "chosen images",
}

SCHEDULES = {
    "alternate": "a step on L_UE, then one on L_RA, for each pair of batches, as in the paper",
    "two-stage": "all steps on L_UE first, then as many on L_RA",
    "joint": "one step on the sum of both, at lr_RA",
}
STEPPED = {"both": "L_UE and L_RA", "ue": "L_UE alone", "ra": "L_RA alone"}
VAE_DATA = {
    "all": "h is fitted on all of D, the paper's stand-in for D_r",
    "remain": "h is fitted on D_r itself",
}
LEARNS = {
    "all": "all layers of the extractor, as in the paper",
    "last": "its last layer, on features below it that are computed once: approximate",
}
PRECISIONS = {
    "float32": "32-bit floats",
    "bf16": "forward and backward pass of the extractor in bfloat16",
    "auto": "bfloat16 where the processor multiplies in it, else 32-bit floats",
}


@dataclass(frozen=True)
class TrainConfig:
    """Supervised training of an original or retrained model: Adam on cross-entropy."""

    net: str = "digits-cnn"
    epochs: int = 20
    batch_size: int = 64
    lr: float = 3e-3
    weight_decay: float = 1e-4
    augment: bool = False  # random crops and mirror images; for photographs, not for digits
    decays: bool = False  # the rate falls to zero along half a cosine; False keeps it constant
    threads: int = 1  # a second OpenMP thread on a busy two-core machine was measured 50 times slower

    BOUNDS: ClassVar[dict[str, Bound]] = {
        "epochs": bounds.EPOCHS,
        "batch_size": bounds.BATCH,
        "lr": bounds.RATE,
        "weight_decay": bounds.WEIGHT,
        "threads": bounds.THREADS,
    }

    def __post_init__(self) -> None:
        check(self)

    @classmethod
    def preset(cls, dataset: str, task: str = "") -> Self:
        """The measured training of the original model of a dataset or family; some tasks have their own.

        Raises RequestError for an unknown dataset.
        """
        key: Any = (dataset, task) if (dataset, task) in _TRAIN else dataset
        found: Self = _preset(_TRAIN, key, "training preset")
        return found


@dataclass(frozen=True)
class VAEConfig:
    """One VAE over representations; h and h_f share these settings."""

    latent: int = 8
    epochs: int = 10
    batch_size: int = 32
    lr: float = 1e-3
    kl_weight: float = 0.025
    output: str = (
        "linear"  # the reference ends in a sigmoid, which cannot reproduce unbounded representations
    )

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
    """Label-Agnostic Forgetting: two VAEs, then alternating steps on L_UE and L_RA. Defaults: the paper's, for its CNN."""

    epochs: int = 20
    steps: int | None = None  # in all, instead of epochs: a forget set of one batch has one step an epoch
    lr_ue: float = 5e-5
    lr_ra: float = 1e-4  # at least twice lr_ue, or the model is not held together
    temperature: float = 20.0  # 100 forgets nothing, 1 and below wreck the model
    batch_size: int = 32  # of D_f and of D_r each
    bounded: bool = True  # phi(m) as in the reference; False is the plain squared error the paper states
    schedule: str = "alternate"  # a key of SCHEDULES
    losses: str = "both"  # a key of STEPPED: a teacher shows what each loss does alone
    ue_per_ra: int = 1  # steps on L_UE for each pair of batches before the one on L_RA
    weight_remain: float = 1.0  # of the four terms of the two losses
    weight_forget: float = 1.0
    weight_align: float = 1.0
    weight_repel: float = 1.0
    vae: VAEConfig = field(default_factory=VAEConfig)
    threads: int = 1
    learns: str = "all"  # a key of LEARNS
    most_remain: int | None = None  # images of D_r that are read, drawn at random; None: all of them
    most_forget: int | None = None  # likewise of D_f
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
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}")
        if self.losses not in STEPPED:
            raise ConfigError(f"losses must be one of {', '.join(STEPPED)}, got {self.losses!r}")
        if self.vae_data not in VAE_DATA:
            raise ConfigError(f"vae_data must be one of {', '.join(VAE_DATA)}, got {self.vae_data!r}")
        if self.learns not in LEARNS:
            raise ConfigError(f"learns must be one of {', '.join(LEARNS)}, got {self.learns!r}")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")

    @property
    def approximate(self) -> bool:
        """Whether it is not the paper's arithmetic: a part of the images, or of the extractor."""
        return self.learns != "all" or self.most_remain is not None or self.most_forget is not None

    @classmethod
    def preset(cls, dataset: str, task: str) -> Self:
        """The settings for (dataset or family, task); ``origin`` says where they come from. Raises RequestError when there are none."""
        found: Self = _preset(_LAF, (dataset, task), "LAF preset")
        return found


@dataclass(frozen=True)
class RepairConfig:
    """Supervised repair of the head on labelled remaining data, after LAF."""

    share: float = 1.0  # of D_r that has labels, in (0, 1]
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
    """LAF+R: LAF, then repair."""

    laf: LAFConfig = field(default_factory=LAFConfig)
    repair: RepairConfig = field(default_factory=RepairConfig)

    def __post_init__(self) -> None:
        check(self)

    @property
    def threads(self) -> int:
        return self.laf.threads

    @classmethod
    def preset(cls, dataset: str, task: str) -> Self:
        """LAF's preset, and the dataset's repair. Raises RequestError when there is no LAF preset."""
        return cls(LAFConfig.preset(dataset, task), _REPAIR.get(dataset, RepairConfig(lr=1e-3)))


def origin(dataset: str, task: str) -> str:
    """Where the LAF preset of (dataset or family, task) comes from: what it was measured on, or the paper's table."""
    return _ORIGIN.get((dataset, task), MEASURED)


MEASURED = "measured: docs/presets.md"
PAPER = "the paper's table, not measured here"


@dataclass(frozen=True)
class EvalConfig:
    """How much is measured, and how often a run is looked at."""

    batch_size: int = 256
    max_points: int = 2000  # fixed ids on the map, at most half of them forgotten
    max_test: int = 1000  # test images measured at each frame; the final report always measures all
    frames: int = 100  # in a run: a long one is looked at every 1/frames of its steps
    adapts: bool = True  # a watched run goes on without a frame while two are being made; False: it waits

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
        """On digits a frame is cheap, and there is one for each step. On MNIST and larger images a run would spend most of its
        time on 100 frames of 3,000 images: benchmarks/frame_cost.py."""
        if dataset == "digits":
            return cls(
                frames=1000, adapts=False
            )  # at 0.4 MB each on disk; a run of under 1,500 steps has one for each
        return (
            cls() if dataset == "own-small" else cls(batch_size=64, max_points=1000, max_test=300, frames=16)
        )

    def cadence(self, total_steps: int) -> int:
        """Steps from one frame to the next."""
        return max(1, round(total_steps / self.frames))


_TRAIN: dict[Any, TrainConfig] = {
    "digits": TrainConfig("digits-cnn", epochs=20, batch_size=64, lr=3e-3),
    "mnist": TrainConfig("cnn", epochs=2, batch_size=64, lr=1.5e-3),
    # at a higher rate LAF ends lower: the wrong labels of the last batches decide
    ("mnist", "noise"): TrainConfig("cnn", epochs=5, batch_size=32, lr=1.5e-4),
}
_DIGITS_VAE = VAEConfig(latent=8, epochs=30, batch_size=128, lr=3e-3)
_MNIST_VAE = VAEConfig(latent=8, epochs=3, batch_size=256, lr=2e-3)
_LAF: dict[Any, LAFConfig] = {
    ("digits", "class"): LAFConfig(epochs=11, lr_ue=1e-3, lr_ra=6e-3, temperature=15, vae=_DIGITS_VAE),
    ("digits", "data"): LAFConfig(epochs=8, lr_ue=3e-3, lr_ra=9e-3, temperature=7, vae=_DIGITS_VAE),
    ("digits", "noise"): LAFConfig(
        epochs=20,
        lr_ue=1.2e-3,
        lr_ra=2.4e-3,
        temperature=7,
        batch_size=16,
        vae=VAEConfig(latent=4, epochs=10, batch_size=128, lr=3e-3, output="sigmoid"),
    ),
    ("digits", "indices"): LAFConfig(steps=20, lr_ue=1e-3, lr_ra=3e-3, temperature=15, vae=_DIGITS_VAE),
    ("mnist", "class"): LAFConfig(epochs=1, lr_ue=1e-4, lr_ra=5e-4, temperature=10, vae=_MNIST_VAE),
    ("mnist", "data"): LAFConfig(epochs=1, lr_ue=1e-4, lr_ra=2e-4, temperature=5, vae=_MNIST_VAE),
}
_REPAIR = {name: RepairConfig(epochs=10, lr=1e-2) for name in ("digits", "own-small")}
_LAF["mnist", "noise"] = LAFConfig(
    steps=300, lr_ue=3e-4, lr_ra=3e-4, temperature=8, vae=replace(_MNIST_VAE, output="sigmoid")
)
_LAF["mnist", "indices"] = replace(_LAF["mnist", "data"], steps=100)
# of presets that were not measured on their own dataset and task
_ORIGIN: dict[tuple[str, str], str] = {("mnist", "indices"): "those of data removal, not measured"}

# The paper's tables: its CNN and its ResNet-18
_PAPER_CNN = LAFConfig()
_PAPER_RESNET = LAFConfig(epochs=40, lr_ue=1e-5, lr_ra=4e-5, vae=VAEConfig(latent=16))
_TRAIN["fashion_mnist"] = _TRAIN["mnist"]
for _name in ("cifar10", "svhn"):
    _TRAIN[_name] = TrainConfig("resnet18", epochs=20, batch_size=32, lr=1e-4)
    _LAF[_name, "data"] = replace(_PAPER_RESNET, temperature=20)
    _LAF[_name, "class"] = replace(_PAPER_RESNET, lr_ra=5e-5, temperature=20)
    _LAF[_name, "noise"] = replace(_PAPER_RESNET, temperature=5)
    _LAF[_name, "indices"] = replace(_PAPER_RESNET, temperature=20, steps=200)
_LAF["fashion_mnist", "data"] = replace(_PAPER_CNN, temperature=5)
for _task in ("class", "noise"):
    _LAF["fashion_mnist", _task] = replace(_PAPER_CNN, temperature=20)
_ORIGIN |= {(name, task): PAPER for name in ("fashion_mnist", "cifar10", "svhn") for task in TASKS}

# What people bring: small grey images as digits, larger grey ones as MNIST, colour as measured on a tenth of CIFAR-10
for _family, _like in (("own-small", "digits"), ("own-grey", "mnist"), ("own-colour", "cifar10")):
    _TRAIN[_family] = _TRAIN[_like]
    for _task in TASKS:
        if (_like, _task) in _LAF:
            _LAF[_family, _task] = _LAF[_like, _task]
            _ORIGIN[_family, _task] = f"that of {_like}, not measured on these images"

# Chosen so that ten thousand images take minutes on one CPU thread, where the paper's settings take a day
_QUICK_RESNET = LAFConfig(
    steps=32, lr_ue=1e-4, lr_ra=5e-4, temperature=10,
    vae=VAEConfig(latent=16, epochs=3, batch_size=256, lr=2e-3),
)  # fmt: skip
_TRAIN["own-colour"] = TrainConfig("resnet18", epochs=5, batch_size=64, lr=1e-3)
for _task, _tau in (("class", 10.0), ("data", 20.0), ("noise", 5.0), ("indices", 20.0)):
    _LAF["own-colour", _task] = replace(_QUICK_RESNET, temperature=_tau)
    _ORIGIN["own-colour", _task] = (
        "class removal's rates on a tenth of CIFAR-10, the paper's τ; not measured for this task"
    )
_ORIGIN["own-colour", "class"] = "measured on a tenth of CIFAR-10: docs/presets.md"


def _preset(table: dict[Any, Any], key: Any, what: str) -> Any:
    if key not in table:
        names = sorted(
            {" ".join(k) if isinstance(k, tuple) else k for k in table if isinstance(k, type(key))}
        )
        asked = " ".join(key) if isinstance(key, tuple) else key
        raise RequestError(f"there is no {what} for {asked!r}; there is one for: {', '.join(names)}")
    return table[key]


def as_dict(config: Any) -> dict[str, Any]:
    """A config as plain nested values, in field order: for keys, records and json."""
    return {
        f.name: as_dict(v) if hasattr(v := getattr(config, f.name), "__dataclass_fields__") else v
        for f in fields(config)
    }


__all__ = [
    "TASKS",
    "EvalConfig",
    "LAFConfig",
    "LAFRConfig",
    "RepairConfig",
    "TrainConfig",
    "VAEConfig",
    "as_dict",
    "replace",
]
