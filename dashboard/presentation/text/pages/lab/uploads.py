"""The English of the dialogs of uploaded datasets and models."""

from __future__ import annotations

DATA_FAILED = "This file could not be read, and nothing was kept. Zip its images again as PNG or JPEG, or save its numbers as CSV."
REMOVED_DATA = "Removed data"
REMOVED_NOTE = "removed: only open here"
YOURS_SHARED = "yours, shared"
YOURS, IS_SHARED = "yours", "shared"
FROM_TERMINAL = "from a terminal"
YOUR_DATA_BUTTON = "Your own data…"
YOUR_DATA_HELP = "Import a zip of class folders, an npz or a csv"
RENAME_BUTTON = "Rename…"
REMOVE_BUTTON = "Remove…"
RENAME = "Rename"
DATA_FILE = "Data: a zip of class folders, an npz or a csv"
SUBJECTS_FILE = "Subjects: a CSV that names who is on each image, optional"
SUBJECTS_HELP = "Columns: file (as in the zip) or id (row of the npz), and subject. All images of a subject can then be chosen at once."
IMPORT = "Import"
OPEN = "Open"
IMPORT_HELP = "Keep the data, and open the Lab on them"
READING = "Reading the data"
RENAME_IT = "Rename"
COPIES_STAY = "Copies that other users keep are not deleted, nor is your original file. Models trained on these data stay in the Lab's folder."
MODEL_FAILED = "This file could not be checked, and nothing was kept. Save the model again with safetensors.torch.save_file."
AS_THEY_ARE = "as they are, or 224"
HOW_MODEL = "The weights as a safetensors file, `safetensors.torch.save_file(model.state_dict(), …)`, with the names that torchvision gives them. A pickle (.pt, .pth) is refused, since it can run code. Retrained models begin with fresh weights."
ORIGINAL_MODEL = "Original model"
TRAINED_BY_LAB = "Trained by the Lab"
YOUR_MODEL_BUTTON = "Your own model…"
YOUR_MODEL_HELP = "Use a model that you trained: architecture, layer, safetensors file"
YOUR_MODEL = "Your own model"
REMOVED = "Removed"
WEIGHTS = "Weights (.safetensors)"
NEAR_GUESSING = "The model is hardly better than guessing. Check that dataset, scale and normalisation are those it was trained with."
USE_MODEL = "Use this model"
ARCHITECTURE = "Architecture"
ARCHITECTURE_HELP = "A torchvision classifier, or one of the Lab's networks"
IMAGES_ARE_SEEN = "Size of the images"
SCALE_HELP = "Image size that the network was trained on; the Lab's own networks use images unscaled"
LAYER = "Layer whose output is the representation"
LAYER_HELP = "In the order of computation; the layers after it are the head"
MEASURING_MODEL = "Reading and measuring the model"
MODEL_SHARED_HELP = "Every browser that reaches this Lab may use it"
IN_USE = "This Lab uses it"
NET = "Net"
PARAMETERS = "Parameters"
REPRESENTATION = "Representation"
HEAD = "Head"
RIGHT_ON_TRAINING = "Correct on training data"
RIGHT_ON_TEST = "Correct on test data"
SCALED_TO = "Images scaled to"
FOLDER = "A folder on this machine, for more images than fit memory"
FOLDER_HELP = (
    "It holds images.npy (uint8) and labels.npy, or x_train.npy, y_train.npy, x_test.npy and y_test.npy. "
    "The images are copied once and stay on disk."
)
FOLDER_IMPORT_HELP = "Copy the images, and open the Lab on them"
FOLDER_MISSING = "No folder is named; write the path of one with images.npy and labels.npy"
FOLDER_READING = "Reading and copying all images"


def how_data(megabytes: int) -> str:
    """Return the forms of data that an upload may have."""
    return (
        "A zip with a folder for each class, `train/CLASS/…` and `test/CLASS/…` or just `CLASS/…`; or an npz with `x_train`, `y_train`, `x_test`, `y_test` or just `x`, `y`: images, vectors (N, d) or series (N, channels, length); or a csv with one vector a line and a column `label`. "
        f"Up to {megabytes} MB. It stays on the machine that the Lab runs on."
    )


def data_shared_help(kind: str) -> str:
    """Return the help of the switch that shares a dataset."""
    return f"Every browser that reaches this Lab may use these {kind}"


def data_kept_already(title: str) -> str:
    """Say that an uploaded dataset is kept already."""
    return f"These data are kept already, as “{title}”."


def removal(number: int, kind: str, title: str, size: int) -> str:
    """Say what is deleted with a dataset of ``size`` bytes."""
    return f"The {number:,} {kind} of “{title}” ({size / 2**20:,.1f} MB) are deleted from this machine."


def of_a_part(number: int) -> str:
    """Return the note beside an accuracy that was measured on a part of ``number`` images."""
    return f" (of {number:,}; only a part was measured, to save time)"


def accuracy(share: float, number: int, part: str) -> str:
    """Return an accuracy in words."""
    return f"{100 * share:.1f} % of {number:,}{part}"


def by_class(accuracies: str, more: str) -> str:
    """Return the line with the accuracy of each class."""
    return f"Test, by class: {accuracies}{more}."


def more(number: int) -> str:
    """Return how many classes are left out."""
    return f", {number} more"


def numbers(width: int) -> str:
    """Return the size of a representation."""
    return f"{width:,} numbers"
