"""Everything that Judge needs of a run, together: the original, the unlearned and the retrained models, and the forgotten ids."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from core.data.registry import load
from core.errors import RequestError
from core.methods import method
from core.methods.base import has_own_original
from core.models.base import Net
from core.models.uploads import load_uploaded_model
from core.runs.original_models import original
from core.runs.reference_models import retraining, usual_count
from core.runs.storage import KeptRun
from core.runtime.device import pick_device
from core.runtime.progress import WorkStepper, run_to_end


def pack_models(
    arch: str, original: Net, unlearned: Net, retrained: Sequence[Net], ids: Sequence[int]
) -> bytes:
    """Return a zip of the models as safetensors, of the forgotten ids, and of the command that judges them."""
    files: dict[str, bytes] = {
        "original.safetensors": _weights(original),
        "unlearned.safetensors": _weights(unlearned),
    }
    names = [f"retrained-{n + 1}.safetensors" for n in range(len(retrained))]
    files |= {name: _weights(model) for name, model in zip(names, retrained, strict=True)}
    files["ids.txt"] = ("\n".join(map(str, sorted(ids))) + "\n").encode()
    beside = f" --retrained {' '.join(names)}" if names else ""
    files["judge.txt"] = (
        f"laf judge --arch {arch} --dataset DATASET --indices ids.txt"
        f" --original original.safetensors --unlearned unlearned.safetensors{beside}\n"
    ).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def as_judge_set(kept: KeptRun) -> bytes:
    """Return ``pack_models`` of a kept run; retrained models are those that the Lab has.

    The original is trained again where it is no longer kept. Raises RequestError for a run that is not finished.
    """
    from safetensors.torch import load as read

    if not kept.folder.model.exists():
        raise RequestError(f"run {kept.id} is not finished, so it has no model yet; continue it to its end")
    setup = kept.setup
    split = setup.split(load(setup.dataset, data_dir=setup.data_dir))
    device = str(pick_device(setup.device))
    unlearner: Any = method(setup.method)
    if setup.model is not None:
        before = load_uploaded_model(setup.model, split.dataset)
    else:
        own = unlearner if has_own_original(unlearner) else None
        before = run_to_end(original(split, own, seed=setup.seed, device=device))
    after = _with(before, read(kept.folder.model.read_bytes()))
    retrained = []
    for number in range(usual_count(split.dataset.family)):
        stepper = WorkStepper(retraining(split, before, seed=setup.seed, number=number))
        if stepper.advance():  # not in the cache: it would have to be trained
            break
        retrained.append(stepper.result.model)
    ids = split.train.ids[split.forget_rows].tolist()
    return pack_models(f"lab:{kept.about['net']}", before, after, retrained, ids)


def _with(model: Net, weights: dict[str, Any]) -> Net:
    """Return a copy of ``model`` with other weights."""
    from core.training.supervised import copy_of

    copy: Net = copy_of(model)
    copy.load_state_dict(weights)
    return copy


def _weights(model: Net) -> bytes:
    from safetensors.torch import save

    return save({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()})
