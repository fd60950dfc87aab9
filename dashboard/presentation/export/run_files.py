"""A kept run as files: tables as CSV or Parquet, the unlearned model with a loader, and an HTML page."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from core.data.forget_selection import Selection, format_ids
from core.data.registry import OWN
from core.errors import RequestError, StoreError
from core.runs.storage import KeptRun
from dashboard.presentation.export.companions import companions
from dashboard.presentation.export.run_page import document

Row = dict[str, Any]
ACCURACIES = ("train_r", "train_f", "test", "test_r", "test_f", "clean_f", "planted")
ATTACK = ("asr", "auc", "auc_low", "auc_high", "tpr_at_1pct_fpr")


def step_rows(kept: KeptRun) -> list[Row]:
    """Return a row for each step: losses, norms, cosine, moves, batch sizes, seconds, and whether settings changed after it."""
    changed = {c["after"] for c in kept.about["changes"]}
    rows = []
    for s in kept.steps:
        row: Row = {"step": s.number, "total": s.total, "epoch": s.epoch, "stage": s.stage}
        row |= {f"loss_{k}": v for k, v in s.losses.items()}
        row |= {f"grad_norm_{k}": v for k, v in s.grad_norms.items()}
        row["grad_cosine"] = s.grad_cosine
        row |= {f"move_{k}": v for k, v in s.moves.items()}
        row |= {f"images_{k}": v for k, v in s.images.items()}
        row |= {"seconds": s.seconds, "settings_changed_after": s.number in changed}
        rows.append(row)
    return rows


def frame_rows(kept: KeptRun) -> list[Row]:
    """Return a row for each frame: accuracies in [0, 1], attack, answers, and whether it was chosen by eye."""
    marked = {m["step"] for m in kept.about["marks"]}
    rows = []
    for f in kept.frames:
        r = f.reading
        row: Row = {"frame": f.number, "step": f.step}
        row |= {name: getattr(r, name) for name in ACCURACIES}
        row |= {f"attack_{name}": getattr(r.attack, name) for name in ATTACK}
        row |= {"commonest_answer": r.commonest, "commonest_share": r.commonest_share}
        row |= {f"answered_{k}": share for k, share in enumerate(r.answers)}
        row["chosen_by_eye"] = f.step in marked
        rows.append(row)
    return rows


def to_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV; missing values are empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _columns(rows), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return out.getvalue()


def to_parquet(columns: dict[str, Any]) -> bytes:
    """Return columns as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def as_csv(kept: KeptRun) -> bytes:
    """Return a zip of steps.csv, frames.csv and run.json."""
    tables = {"steps.csv": to_csv(step_rows(kept)), "frames.csv": to_csv(frame_rows(kept))}
    return _zip({**{k: v.encode() for k, v in tables.items()}, "run.json": _about(kept)})


def as_parquet(kept: KeptRun) -> bytes:
    """Return a zip of steps.parquet, frames.parquet, points.parquet and run.json.

    The points table has each image's position, answer and angle in each frame.
    """
    tables = {
        "steps.parquet": to_parquet(_by_column(step_rows(kept))),
        "frames.parquet": to_parquet(_by_column(frame_rows(kept))),
        "points.parquet": to_parquet(_points(kept)),
    }
    return _zip({**tables, "run.json": _about(kept)})


def as_model(kept: KeptRun) -> bytes:
    """Return a zip of the unlearned model's weights (safetensors with a description in its metadata) and a loader.

    Raises RequestError for a run that is not finished.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load, save

    if not kept.folder.model.exists():
        raise RequestError(f"run {kept.id} is not finished, so it has no model yet; continue it to its end")
    try:
        weights = load(kept.folder.model.read_bytes())
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{kept.folder.model} cannot be read ({type(error).__name__})") from error
    what = {
        "made_by": "LAF Lab",
        "run": kept.id,
        "net": kept.about["net"],
        "method": kept.setup.method,
        "forgot": kept.about["forget"],
        "dataset": kept.setup.dataset,
        "marks": kept.about["marks"],
        **kept.about["images"],
    }
    return _zip(
        {
            "model.safetensors": save(weights, metadata={"about": json.dumps(what)}),
            "load_model.py": LOADER.encode(),
        }
    )


def as_judge(kept: KeptRun) -> bytes:
    """Return a zip of all that the page Judge asks for: original, unlearned and retrained models, and the forgotten images' ids.

    Raises RequestError for a run that is not finished, LabError where its original model or its images are no longer there.
    """
    from safetensors.torch import save

    if not kept.folder.model.exists():
        raise RequestError(f"run {kept.id} is not finished, so it has no model yet; continue it to its end")
    found = companions(kept)
    split = found.split
    ids = split.train.ids[split.forget_rows].cpu().numpy()
    files = {
        "unlearned.safetensors": kept.folder.model.read_bytes(),
        "original.safetensors": save(_weights(found.original)),
        "forget-ids.txt": format_ids(
            Selection(ids), title=f"{kept.about['forget']}, {split.dataset.title}"
        ).encode(),
        "how-to-judge.txt": _how_to_judge(kept, len(found.retrained)).encode(),
    }
    files |= {f"retrained-{r.number}.safetensors": save(_weights(r.model)) for r in found.retrained}
    return _zip(files)


def _weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}


def _how_to_judge(kept: KeptRun, count: int) -> str:
    """Return the text that says what to do with the files; ``count`` of them are retrained models."""
    setup, net = kept.setup, kept.about["net"]
    models = "original.safetensors, unlearned.safetensors" + (
        f" and the {count} retrained models" if count else ""
    )
    upload = f"On the page Judge, upload {models}. The architecture is {net}."
    if setup.task == "noise" or setup.plant is not None:
        return f"On the page Runs, open this run in the Lab: Judge uses the Lab's images and its request.\n{upload}\n"
    retrained = (
        " --retrained " + " ".join(f"retrained-{k}.safetensors" for k in range(count)) if count else ""
    )
    return (
        f"All that the page Judge needs for this run.\n\n1. On the page Lab, choose the dataset {setup.dataset}.\n"
        '2. On the page Forget set, open Lists, upload forget-ids.txt, then press "Use in the Lab".\n'
        f"3. {upload}\n\nOr in a terminal, in this folder:\n\n"
        f"laf judge --dataset {setup.dataset} --task indices --indices forget-ids.txt --arch lab:{net} "
        f"--original original.safetensors --unlearned unlearned.safetensors{retrained}\n"
    )


LOADER = '''"""The unlearned model of a LAF Lab run. Needs the package laf-lab (and with it torch and safetensors)."""

import json

import torch
from safetensors import safe_open

from core.models.registry import build

with safe_open("model.safetensors", framework="pt") as file:
    about = json.loads(file.metadata()["about"])
    weights = {name: file.get_tensor(name) for name in file.keys()}

model = build(about["net"], tuple(about["shape"]), len(about["classes"]), seed=0)
model.load_state_dict(weights)
model.eval()


def prepare(x: torch.Tensor) -> torch.Tensor:
    """Pixels (N, C, H, W), whole numbers from 0 to about["white"], or the values of vectors (N, d) or series (N, channels, length), scaled."""
    x = x.float() / about["white"]
    if about["norm"] is not None:
        mean, deviation = (torch.tensor(v).reshape(-1, *[1] * (x.ndim - 2)) for v in about["norm"])
        x = (x - mean) / deviation
    return x


# answers = [about["classes"][k] for k in model(prepare(images)).argmax(1)]
if __name__ == "__main__":
    print(f"{about['net']} after {about['method']}: {about['forgot']} of {about['title']} forgotten")
    if about["marks"]:
        print("note:", "; ".join(f"step {m['step']}: {m['text']}" for m in about["marks"]))
'''


def as_page(kept: KeptRun) -> bytes:
    """Return a one-file page that replays the run; see run_page."""
    return document(kept).encode()


# maker, ending of the file name, media type, button label
FORMATS: dict[str, tuple[Callable[[KeptRun], bytes], str, str, str]] = {
    "html": (as_page, ".html", "text/html", "Page (HTML)"),
    "csv": (as_csv, "-csv.zip", "application/zip", "Tables (CSV)"),
    "parquet": (as_parquet, "-parquet.zip", "application/zip", "Tables (Parquet)"),
    "safetensors": (as_model, "-model.zip", "application/zip", "Model (safetensors)"),
    "judge": (as_judge, "-judge.zip", "application/zip", "All that Judge needs"),
}


def obstacle(kept: KeptRun, form: str, *, is_own: bool = True) -> str | None:
    """Return why the run cannot be exported as ``form``, or None."""
    if form in ("safetensors", "judge") and not kept.folder.model.exists():
        return "The run is not finished, so it has no model yet"
    if form in ("html", "parquet") and not kept.frames:
        return "The run has no frames"
    if (
        form == "judge"
        and not is_own
        and (kept.setup.dataset.startswith(OWN) or kept.setup.model is not None)
    ):
        return "Only its owner can export the models of an uploaded dataset or model"
    return None


def _about(kept: KeptRun) -> bytes:
    """Return run.json without the owner's browser token."""
    return json.dumps({k: v for k, v in kept.about.items() if k != "owner"}, indent=1).encode()


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _by_column(rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in _columns(rows)}


def _points(kept: KeptRun) -> dict[str, Any]:
    ids, forget = (np.asarray(kept.points[k]) for k in ("ids", "forget"))
    n, frames = len(ids), kept.frames
    columns: dict[str, Any] = {
        "frame": np.repeat([f.number for f in frames], n).astype(np.int32),
        "id": np.tile(ids, len(frames)),
        "forget": np.tile(forget, len(frames)),
        "prediction": np.concatenate([f.predictions for f in frames]),
        "confidence": np.concatenate([f.confidences for f in frames]),
        "angle": np.concatenate([f.angles for f in frames]),
    }
    if kept.map_positions is not None:
        both = np.concatenate([np.asarray(f.positions) for f in frames])
        columns |= {"x": both[:, 0], "y": both[:, 1]}
    return columns


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in files.items():
            info = zipfile.ZipInfo(
                name, (1980, 1, 1, 0, 0, 0)
            )  # a fixed date, so that the same run gives the same bytes
            info.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(info, data)
    return buffer.getvalue()
