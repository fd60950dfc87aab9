"""The Python snippets of README.md and docs/*.md run, those of one page one after another."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
import torch
import torchvision

from core.experiments.purge.manifest import proof_of
from core.models.uploads import check
from core.projection.projection import Projection
from tests import toys
from tests.uploads import image, pack

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def snippets(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


WITH_SNIPPETS = [page for page in PAGES if snippets(page)]


def run(text: str, names: dict[str, object]) -> None:
    """Run ``text`` as a notebook's cell; ``_`` is the value of its last line, where that is an expression."""
    tree = ast.parse(text)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "snippet", "exec"), names)
    if isinstance(last, ast.Expr):
        names["_"] = eval(compile(ast.Expression(last.value), "snippet", "eval"), names)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the files that the snippets name, and a home of its own."""
    monkeypatch.setenv("LAF_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    pictures = {f"{c}/{i}.png": image((8, 8), "L", seed=i) for c in ("cat", "dog") for i in range(10)}
    (tmp_path / "photos.zip").write_bytes(pack(pictures))
    monkeypatch.setattr(Projection, "fit", functools.partial(Projection.fit, umap=toys.Flat()))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_SNIPPETS, ids=lambda p: p.stem)
def test_the_snippets_of_a_page_run_and_do_what_it_says(page, folder, capsys):
    names: dict[str, object] = {"__name__": "__main__", **GIVEN.get(page.stem, {})}
    for text in snippets(page):
        run(text, names)
    CHECKS[page.stem](names, capsys.readouterr().out)


def readme(names, printed) -> None:
    assert len(printed.splitlines()) == len(names["run"].steps) + 1
    assert names["gold"].width == names["model"].width


def data(names, printed) -> None:
    assert names["dataset"].name.startswith("own-")
    assert names["dataset"].classes == ("cat", "dog")


def methods(names, printed) -> None:
    assert names["_"].run.unlearner.name == "neggrad+"
    assert names["Uniform"].name == "uniform", "tests/core/methods/test_plug_ins.py runs it"


def runs(names, printed) -> None:
    assert names["_"] is True, "the proof of the purge"


def own_model(names, printed) -> None:
    """Check docs/own_model.md: the twin is of the user's class, never saw class 0, and everything was compared with it."""
    model, twin, comparison = (names[n] for n in ("model", "twin", "comparison"))
    assert f"# {model!r}\n" in snippets(ROOT / "docs" / "own_model.md")[1]
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (model, twin)]
    assert shapes[0] == shapes[1]
    assert {type(m).__name__ for m in twin.modules()} == {type(m).__name__ for m in model.modules()}
    of = {line.split()[0]: [float(x) for x in re.findall(r"\d\.\d+", line)] for line in printed.splitlines()}
    assert of["original"][0] > 0.95, "Train_f of the module that the page's own loop trained"
    assert of["retrained"][0] < 0.02
    assert of["retrained"][1] > 0.9
    assert comparison.errors == {}
    assert {c.state for c in comparison.cells.values()} == {"done"}
    assert comparison.reference_count == len(comparison.retrained[0]) == 2
    assert all(r.figures["train_f"].value < 0.02 for r in comparison.retrained[0])


# what a reader of the page has: the manifest of a purge and its receipt
GIVEN = {
    "runs": {
        "manifest": {"dataset": "own-1", "proof": proof_of("key", "own-1", (), ["Ann"])},
        "receipt": "key",
    },
}
CHECKS = {"README": readme, "data": data, "methods": methods, "own_model": own_model, "runs": runs}


@pytest.mark.parametrize("arch", ["lab:digits-cnn", "resnet18"])
def test_a_model_that_is_saved_as_the_docs_say_can_be_uploaded(arch, folder, toy_split, toy_model):
    text = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"`(safetensors\.torch\.save\w+\([^`]+)`", text)
    model = toy_model if arch.startswith("lab:") else torchvision.models.get_model(arch, num_classes=4).eval()
    run(f"import safetensors.torch\n{command}", {"model": model})
    uploaded = check(arch, "", folder / "mine.safetensors", toy_split.dataset)
    x = toy_split.train.floats(slice(0, 3))
    images = x if arch.startswith("lab:") else x.expand(-1, 3, -1, -1)
    with torch.no_grad():
        assert torch.allclose(uploaded.model(x), model(images), atol=1e-4)
