"""scikit-learn's digits, read from its file without the import of scikit-learn, which takes a second."""

from __future__ import annotations

import base64
import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch

from core.data.images import Dataset, LabelledImages
from core.errors import DataError

# One bit for each row: 1 for the 360 test images, in the order of scikit-learn's file. It is the stratified fifth of
# ``train_test_split(rows, test_size=0.2, stratify=labels, random_state=0)``, from which a test computes it anew.
_IS_TEST = (
    "AAAEiDUkEEAABkEAk0IFABoACAEAJAAoBiwSABAAlAoAkBkSBCD4oAKBEKAACAqIIEQVJElCQKAKAAAAQATYAACBgCAASAXEABBA"
    "CKAQAAVASAAwEAACDsQJAAIkhACDqAE8IKaYCgAAAAsIQAgEoBhIAgJAQcEAgARARoQ3aoECFgBEgABAQqCkGApQAIQLhWHGCBCA"
    "CABMgMAgBAaOAAEIggCBADgIA8AIGQAAEA4BAIQQoCEAMygpBMBEwIBoDgECgwCCAIgipkAsJAQhCKhggJCBoAwCggJCEgE4pBUA"
)


def load_digits(_: Path) -> Dataset:
    """Return scikit-learn's 1,797 digits of 8x8 pixels in [0, 16], split 80/20 and stratified.

    An id is the row in scikit-learn's file. Raises DataError when that file is not there or broken.
    """
    rows = _read(_file())
    x = torch.from_numpy(rows[:, :-1].astype(np.uint8).reshape(-1, 1, 8, 8))
    y = torch.from_numpy(rows[:, -1].astype(np.int64))
    is_test = torch.from_numpy(
        np.unpackbits(np.frombuffer(base64.b64decode(_IS_TEST), np.uint8))[: len(y)] == 1
    )

    def part(wanted: torch.Tensor) -> LabelledImages:
        index = wanted.nonzero().flatten()
        return LabelledImages(x[index], index, 16, y[index])

    return Dataset("digits", "Digits", tuple(map(str, range(10))), part(~is_test), part(is_test))


def _file() -> Path:
    """Return the path of the digits in the installed scikit-learn."""
    found = importlib.util.find_spec("sklearn")  # finds the package without its import
    folders = [] if found is None else found.submodule_search_locations or []
    for folder in map(Path, folders):
        path = folder / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return path
    raise DataError("scikit-learn's file digits.csv.gz is not there; install scikit-learn again")


def _read(path: Path) -> np.ndarray:
    """Return the rows (1797, 65) float64: 64 pixels, then the label."""
    try:
        with gzip.open(path, "rt") as lines:
            rows = np.loadtxt(lines, delimiter=",")
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} is broken ({error}); install scikit-learn again") from error
    if rows.shape != (1797, 65):
        raise DataError(
            f"{path} holds {rows.shape} numbers instead of (1797, 65); install scikit-learn again"
        )
    return rows
