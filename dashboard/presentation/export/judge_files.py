"""The models of the Lab's run in one archive: original, unlearned and retrained models, and the forgotten ids."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

from core.models.base import Net


def pack_models(
    arch: str, dataset: str, original: Net, unlearned: Net, retrained: Sequence[Net], ids: Sequence[int]
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
        f"laf judge --arch {arch} --dataset {dataset} --task indices --indices ids.txt"
        f" --original original.safetensors --unlearned unlearned.safetensors{beside}\n"
    ).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def _weights(model: Net) -> bytes:
    from safetensors.torch import save

    return save({name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()})
