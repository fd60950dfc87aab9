"""The page's dialog for a model of one's own, without a browser."""

from __future__ import annotations

import pytest
from safetensors.torch import save

from core.models.registry import build
from core.models.uploads import kept_models, remove_model
from dashboard.forms import model_upload
from dashboard.forms.model_upload import report
from tests.dashboard.views.test_lab import app, button, enabled, opened, until  # noqa: F401 - app is a fixture


@pytest.fixture(autouse=True)
def _nothing_kept():
    yield
    for key in kept_models():
        remove_model(key)


def trained() -> bytes:
    """Weights of the digits net; untrained will do."""
    return save(
        {k: v.contiguous() for k, v in build("digits-cnn", (1, 8, 8), 10, seed=3).state_dict().items()}
    )


def ask(app):  # noqa: F811
    until(app, lambda: enabled(app, "Step"))
    opened(app, "data")
    button(app, "Your own model…").click().run()
    app.selectbox(key="own-model-arch").set_value("lab:digits-cnn").run()


@pytest.mark.slow
def test_a_model_is_checked_shown_used_and_left_again(app):  # noqa: F811
    ask(app)
    app.file_uploader(key="own-model-file").upload(
        "mine.safetensors", trained(), "application/octet-stream"
    ).run()
    assert not app.exception
    told = " ".join(str(block.proto.body) for block in app.get("html"))
    assert "Representation <b>128 numbers</b>" in told
    assert any("hardly better than guessing" in warning.value for warning in app.warning)
    button(app, "Use this model").click().run()
    assert len(kept_models()) == 1
    until(app, lambda: enabled(app, "Step"))
    told = " ".join(str(block.proto.body) for block in app.get("html"))
    assert "Model <b>yours</b>" in told
    opened(app, "data")
    choice = next(s for s in app.selectbox if s.label == "Original model")
    assert choice.value in kept_models()
    choice.set_value("").run()
    button(app, "Use this data").click().run()
    until(app, lambda: enabled(app, "Step"))
    assert "Model <b>yours</b>" not in " ".join(str(block.proto.body) for block in app.get("html"))
    assert not app.exception


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("mine.safetensors", b"not weights", "not a whole safetensors file"),
        ("other.safetensors", save({}), "does not fit digits-cnn"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_and_the_lab_stays(app, name, data, words):  # noqa: F811
    ask(app)
    app.file_uploader(key="own-model-file").upload(name, data, "application/octet-stream").run()
    assert any(words in error.value for error in app.error)
    assert button(app, "Use this model") is None
    assert kept_models() == {}
    assert enabled(app, "Step")
    assert not app.exception


def test_the_report_escapes_what_the_file_says():
    about = model_upload.ModelInfo(
        "<b>x",
        "tv:resnet18@<i>",
        "d",
        2,
        (1, 8, 8),
        10,
        4,
        96,
        "<u>",
        *2 * [model_upload.uploads.Accuracy(0.5, (1.0, None), 4, 9)],
    )
    told = report(about, ("<a>", "b"))
    assert not any(tag in told for tag in ("<i>", "<u>", "<a>"))
    assert all(word in told for word in ("96×96", "50.0 % of 4 (of 9", "&lt;a&gt; 100 %, b –"))
