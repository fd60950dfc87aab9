"""Presets: the settings with which a dataset and task begin. docs/presets.md tells how they were measured."""

from __future__ import annotations

from dataclasses import replace

from core.config.choices import TASKS
from core.config.preset_tables import (
    LAF_PRESETS,
    ORIGINS,
    PAPER,
    PAPER_PRESETS,
    QUICK,
    REPAIR_PRESETS,
    TRAIN_PRESETS,
    UNMEASURED,
    find_preset,
)
from core.config.settings import LAFConfig, RepairConfig, TrainConfig, VAEConfig

_DIGITS_VAE = VAEConfig(latent=8, epochs=30, batch_size=128, lr=3e-3)
_MNIST_VAE = VAEConfig(latent=8, epochs=3, batch_size=256, lr=2e-3)
_PAPER_CNN = LAFConfig()
_PAPER_RESNET = LAFConfig(epochs=40, lr_ue=1e-5, lr_ra=4e-5, vae=VAEConfig(latent=16))
# ten thousand images take minutes on one CPU thread; the paper's settings take a day
_QUICK_RESNET = LAFConfig(
    steps=32,
    lr_ue=1e-4,
    lr_ra=5e-4,
    temperature=10,
    vae=VAEConfig(latent=16, epochs=3, batch_size=256, lr=2e-3),
)


def _add_digits() -> None:
    TRAIN_PRESETS["digits"] = TrainConfig("digits-cnn", epochs=20, batch_size=64, lr=3e-3)
    # at a constant rate the wrong labels of the last batches decide how well the original ends
    TRAIN_PRESETS["digits", "noise"] = replace(TRAIN_PRESETS["digits"], decays=True)
    LAF_PRESETS["digits", "class"] = LAFConfig(
        epochs=11, lr_ue=1e-3, lr_ra=6e-3, temperature=15, vae=_DIGITS_VAE
    )
    LAF_PRESETS["digits", "data"] = LAFConfig(
        epochs=8, lr_ue=3e-3, lr_ra=9e-3, temperature=7, vae=_DIGITS_VAE
    )
    LAF_PRESETS["digits", "noise"] = LAFConfig(
        epochs=20,
        lr_ue=1.2e-3,
        lr_ra=2.4e-3,
        temperature=7,
        batch_size=16,
        vae=VAEConfig(latent=4, epochs=10, batch_size=128, lr=3e-3, output="sigmoid"),
    )
    LAF_PRESETS["digits", "indices"] = LAFConfig(
        steps=20, lr_ue=1e-3, lr_ra=3e-3, temperature=15, vae=_DIGITS_VAE
    )


def _add_mnist() -> None:
    TRAIN_PRESETS["mnist"] = TrainConfig("cnn", epochs=2, batch_size=64, lr=1.5e-3)
    # at a higher rate LAF ends lower, because the wrong labels of the last batches decide
    TRAIN_PRESETS["mnist", "noise"] = TrainConfig("cnn", epochs=5, batch_size=32, lr=1.5e-4)
    LAF_PRESETS["mnist", "class"] = LAFConfig(
        epochs=1, lr_ue=1e-4, lr_ra=5e-4, temperature=10, vae=_MNIST_VAE
    )
    LAF_PRESETS["mnist", "data"] = LAFConfig(epochs=1, lr_ue=1e-4, lr_ra=2e-4, temperature=5, vae=_MNIST_VAE)
    LAF_PRESETS["mnist", "noise"] = LAFConfig(
        steps=300, lr_ue=3e-4, lr_ra=3e-4, temperature=8, vae=replace(_MNIST_VAE, output="sigmoid")
    )
    LAF_PRESETS["mnist", "indices"] = replace(LAF_PRESETS["mnist", "data"], steps=100)
    ORIGINS["mnist", "indices"] = "those of data removal, not measured"


def _add_papers_table() -> None:
    """Add the settings of arXiv 2404.00506: its CNN's for MNIST and Fashion-MNIST, its ResNet-18's for CIFAR-10 and SVHN."""
    for name in ("mnist", "fashion_mnist"):
        for task, temperature in (("class", 20.0), ("data", 5.0), ("noise", 20.0)):
            PAPER_PRESETS[name, task] = replace(_PAPER_CNN, temperature=temperature)
    for name in ("cifar10", "svhn"):
        PAPER_PRESETS[name, "class"] = replace(_PAPER_RESNET, lr_ra=5e-5, temperature=20.0)
        PAPER_PRESETS[name, "data"] = replace(_PAPER_RESNET, temperature=20.0)
        PAPER_PRESETS[name, "noise"] = replace(_PAPER_RESNET, temperature=5.0)


def _add_papers_datasets() -> None:
    """Add Fashion-MNIST, CIFAR-10 and SVHN with the paper's settings, which stand until settings are found on the data."""
    TRAIN_PRESETS["fashion_mnist"] = TRAIN_PRESETS["mnist"]
    for name in ("fashion_mnist", "cifar10", "svhn"):
        for task in TASKS:
            ORIGINS[name, task] = UNMEASURED if name == "svhn" else PAPER
            if (name, task) in PAPER_PRESETS:
                LAF_PRESETS[name, task] = PAPER_PRESETS[name, task]
    for name in ("cifar10", "svhn"):
        TRAIN_PRESETS[name] = TrainConfig("resnet18", epochs=20, batch_size=32, lr=1e-4)
        LAF_PRESETS[name, "indices"] = replace(PAPER_PRESETS[name, "data"], steps=200)


def _add_uploads() -> None:
    """Add the families of uploaded data. Small grey images use digits' presets, larger grey ones MNIST's."""
    for family, like in (("own-small", "digits"), ("own-grey", "mnist")):
        TRAIN_PRESETS[family] = TRAIN_PRESETS[like]
        for task in TASKS:
            LAF_PRESETS[family, task] = LAF_PRESETS[like, task]
            ORIGINS[family, task] = f"that of {like}, not measured on these images"
    TRAIN_PRESETS["own-colour"] = TrainConfig("resnet18", epochs=5, batch_size=64, lr=1e-3)
    for task, temperature in (("class", 10.0), ("data", 20.0), ("noise", 5.0), ("indices", 20.0)):
        LAF_PRESETS["own-colour", task] = replace(_QUICK_RESNET, temperature=temperature)
        ORIGINS["own-colour", task] = (
            "class removal's rates on a tenth of CIFAR-10, the paper's τ; not measured for this task"
        )
    ORIGINS["own-colour", "class"] = "measured on a tenth of CIFAR-10: docs/presets.md"


def _add_values() -> None:
    """Add the families of vectors and of series; their training is found by a recipe, and LAF's settings on the data."""
    for family, net in (("vectors", "mlp"), ("series", "series-cnn")):
        TRAIN_PRESETS[family] = TrainConfig(net, epochs=20, batch_size=32, lr=3e-3, decays=True)
        for task in TASKS:
            LAF_PRESETS[family, task] = LAF_PRESETS["digits", task]
            ORIGINS[family, task] = f"that of digits, not measured on {family}"


def paper_preset(family: str, task: str) -> LAFConfig:
    """Return the paper's settings for (dataset or family, task), the choice "paper".

    Raises RequestError, which names what there is, where the paper has none.
    """
    found: LAFConfig = find_preset(PAPER_PRESETS, (family, task), "setting of the paper")
    return found


_add_digits()
_add_mnist()
_add_papers_table()
_add_papers_datasets()
_add_uploads()
_add_values()
for _dataset in QUICK:
    REPAIR_PRESETS[_dataset] = RepairConfig(epochs=10, lr=1e-2)
