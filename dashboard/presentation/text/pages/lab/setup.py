"""The English of the bar that shows and changes what the Lab forgets."""

from __future__ import annotations

CLASS_REMOVAL = "Class removal"
DATA_REMOVAL = "Data removal"
NOISY_LABELS = "Noisy labels"
PLANTED_TRUTH = "Planted truth"
OWN_NET = "The dataset's own"
SMALL_CNN = "CNN for small images"
PAPERS_CNN = "The paper's CNN"
SMALL_RESNET = "Small ResNet"
RESNET_18 = "ResNet-18"
VIT = "ViT, a small transformer"
VIT_CONV = "ViT behind convolutions"
DATA_HELP = "Choose a dataset and a seed"
FOLDER = "Folder with its files (empty: the Lab's own)"
FOLDER_HELP = "The folder is only read; missing files are downloaded into the Lab's own folder"
SEED_HELP = "Decides initial weights, batches and noise"
USE_DATA = "Use this data"
NET = "Net"
NET_HELP = "The original and the retrained models are trained as this net; the Lab finds out how"
BEING_READ = "The data are being read."
WHAT_IS_PLANTED = "What is planted"
PLANTED_NOTE = "The original model is trained on data with the plant. Forgetting must remove what only the plant teaches."
FORGET_THESE = "Forget these"
SHARE_MISLABELLED = "Share of each class that is mislabelled, %"
SHARE_OF_EACH = "Share of each class, %"
NOISE_NOTE = "Each gets a random wrong label. The original model is trained on these labels."
READING = "Reading the data"
BY_HAND = "by hand"
MODEL = "Model"
RETRAINED = "Retrained"
YOURS = "yours"
SHIPS = "ships with the Lab"
DEVICE = "Device"
MODEL_HELP = "The original model, which forgets; how long its training took"
RETRAINED_HELP = "Models trained from scratch without what must be forgotten, and how long the first one took"
DEVICE_HELP = "Where the computing runs, and the seed of the run's random numbers"


def data_button(title: str) -> str:
    """Return the label of the button Data."""
    return f"Data **{title}**"


def forget_button(what: str, count: str = "") -> str:
    """Return the label of the button Forget; a phone leaves the ``count`` out."""
    return f"Forget **{what}** *{count}*" if count else f"Forget **{what}**"


def forget_help(kind: str) -> str:
    """Return the help of the button Forget."""
    return f"Choose which {kind} must be forgotten"


def fork_of(method: str) -> str:
    """Return the name of a fork's method."""
    return f"{method}, fork"


def own_original(method: str) -> str:
    """Return whose original the model is."""
    return f"{method}'s own original"


def turned(fit: float) -> str:
    """Return how well an uploaded model's retrained model was rotated."""
    return f", rotated to fit {fit:.2f}"


def share(forgotten: int, number: int, kind: str) -> str:
    """Return how much of the training data is forgotten."""
    return f"· {forgotten:,} of {number:,} {kind}"


def trained(seconds: float) -> str:
    """Return how long the original's training took."""
    return f"trained {seconds:.1f} s"


def shipped(seconds: float) -> str:
    """Say why no original was trained here."""
    return f"This model comes with the Lab, so nothing was trained here. Its training took {seconds:.1f} s on another machine."


def retrained(number: int, seconds: float) -> str:
    """Return how many retrained models there are, and how long the first one took."""
    return f"{number} · first {seconds:.1f} s"


def threads(number: int) -> str:
    """Return the number of threads."""
    return f" · {number} thread{'s' * (number != 1)}"


def seed(number: int) -> str:
    """Return the seed."""
    return f"seed {number}"
