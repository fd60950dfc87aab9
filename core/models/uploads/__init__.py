"""Trained models that users upload: an architecture, the layer of the representation, and a safetensors file.

``check`` reads and measures a model, ``keep`` stores it under ``$LAF_HOME/own-models``, and
``load_uploaded_model`` returns it as a Net. No pickle is ever read.
"""

from __future__ import annotations

from core.models.uploads.checking import (
    LAB,
    LAYER,
    Accuracy,
    ModelInfo,
    UploadedModel,
    assemble_unmeasured,
    check,
    layer_names,
)
from core.models.uploads.store import (
    as_original,
    keep,
    kept_models,
    load_uploaded_model,
    model_claims,
    model_info,
    remove_model,
    require_fit,
    require_original,
    share_model,
)

__all__ = [
    "LAB",
    "LAYER",
    "Accuracy",
    "ModelInfo",
    "UploadedModel",
    "as_original",
    "assemble_unmeasured",
    "check",
    "keep",
    "kept_models",
    "layer_names",
    "load_uploaded_model",
    "model_claims",
    "model_info",
    "remove_model",
    "require_fit",
    "require_original",
    "share_model",
]
