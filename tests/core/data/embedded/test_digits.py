"""Digits, read without scikit-learn, against scikit-learn."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from core.data.embedded import digits as module
from core.errors import DataError


def test_the_test_images_are_scikit_learns_stratified_fifth(digits):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    labels = load_digits().target
    train, test = train_test_split(np.arange(1797), test_size=0.2, stratify=labels, random_state=0)
    np.testing.assert_array_equal(digits.train.ids, np.sort(train))
    np.testing.assert_array_equal(digits.test.ids, np.sort(test))


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"1,2,x\n"), gzip.compress(b"1,2,3\n")])
def test_a_broken_file_is_named(content, tmp_path, monkeypatch):
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(content)
    monkeypatch.setattr(module, "_file", lambda: path)
    with pytest.raises(DataError, match=r"digits\.csv\.gz .*install scikit-learn again"):
        module.load_digits(Path())


def test_without_scikit_learn_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="install scikit-learn again"):
        module.load_digits(Path())
