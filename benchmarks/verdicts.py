"""Check that verdicts hold over 30 runs: python -m benchmarks.verdicts [--data-dir DIR] [--only TEXT] [--first N] [--most N]

Each run is played as the Lab plays it, and every packet of its page is read. Runs: digits with all tasks and several methods, and images of MNIST as
an upload of one's own, 2,000 of them (without --data-dir: digits, enlarged to 28 pixels). A run is at fault if
* something is green before all bands of retrained models are there, or while the run plays;
* its verdict changes more than three times;
* its last verdict contradicts the report on all images, which is computed anew from the models.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from unittest.mock import patch

import numpy as np
import torch

from benchmarks.machine import machine
from core import evaluate, load
from core.data.uploads.preview import inspect
from core.data.uploads.store import keep
from core.evaluation.verdict import Verdict, verdict
from core.experiments.session.experiment import Experiment
from core.projection.umap_process import UmapProcess
from core.runs.records import Phase
from core.runs.setup import Setup
from core.runtime.scheduler import Scheduler
from dashboard.presentation.wire.outbox import Outbox
from dashboard.presentation.wire.packet import unpack

MOST_CHANGES = 3
OWN = 2000  # images of the upload
DRAWN = slice(0, 400, 10)  # of the training images, to forget by their ids
DIGITS = (
    ("class", ("laf", "finetune", "neggrad", "neggrad+", "random-label", "delete", "mda", "nothing"), (0,)),
    ("class", ("laf",), (3,)),
    ("class", ("laf",), (8,)),
    ("class", ("laf",), (0, 1)),
    ("data", ("laf", "finetune", "nothing"), (5, 6, 7, 8, 9)),
    ("noise", ("laf", "laf+r", "finetune", "nothing"), (0, 1, 2, 3, 4)),
    ("indices", ("laf", "finetune", "nothing"), ()),
)
UPLOADED = (
    ("class", ("laf", "finetune", "nothing"), (0,)),
    ("data", ("laf", "nothing"), (5, 6, 7, 8, 9)),
    ("noise", ("laf", "finetune"), (0, 1, 2, 3, 4)),
    ("indices", ("laf", "nothing"), ()),
)


@dataclass
class Seen:
    """What the page of one run showed."""

    packets: int = 0
    early_green: int = 0
    heads: tuple[str, ...] = ()  # verdicts, each where it differs from the one before
    shown: Verdict | None = None
    report: Verdict | None = None

    @property
    def changes(self) -> int:
        """Changes of the verdict after the first one."""
        return max(0, len(self.heads) - 1)

    @property
    def contradicts(self) -> bool:
        """True if page and report disagree on success, or on what happened first."""
        assert self.shown is not None
        assert self.report is not None
        return (
            self.shown.is_success != self.report.is_success
            or self.shown.findings[0].code != self.report.findings[0].code
        )

    @property
    def is_fault(self) -> bool:
        """True if the run is at fault in any way."""
        return bool(self.early_green) or self.changes > MOST_CHANGES or self.contradicts


def upload(data_dir: str | None) -> str:
    """Keep ``OWN`` images as an upload and return its key."""
    images = load("digits").train if data_dir is None else load("mnist", data_dir=data_dir).train
    some = torch.randperm(len(images.y), generator=torch.Generator().manual_seed(0))[:OWN]
    x = (images.x[some].float() * (255 / images.white)).numpy().astype(np.uint8)[:, 0]
    if data_dir is None:
        x = np.pad(x.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))
    file = io.BytesIO()
    np.savez(file, x=x, y=images.y[some].numpy())
    return keep(inspect(file.getvalue(), name="own.npz"))


def setups(own: str) -> Iterator[tuple[str, Setup]]:
    """Yield the name and the Setup of each run."""
    for dataset, name, groups in (("digits", "digits", DIGITS), (own, "upload", UPLOADED)):
        for task, methods, classes in groups:
            for method in methods:
                ids = tuple(load(dataset).train.ids[DRAWN].tolist()) if task == "indices" else ()
                made = Setup(dataset, task, classes, method=method, ids=ids, device="cpu")
                if made.usual_settings != made.settings:
                    made = Setup(
                        dataset,
                        task,
                        classes,
                        method=method,
                        ids=ids,
                        device="cpu",
                        settings=made.usual_settings,
                    )
                what = ", ".join(map(str, classes)) if classes else f"{len(ids)} images"
                yield f"{name}, {task} {what}, {method}", made


def watch(setup: Setup, runner: Scheduler, maps: Scheduler, umap: UmapProcess) -> Seen:
    """Play a run to its end with all retrained models and read every packet of its page."""
    e, outbox, seen = Experiment(setup, runner, umap, map_runner=maps), Outbox(), Seen()
    frames = -1
    e.start()
    try:
        while True:
            problem = e.error or e.retrain_error or (e.run.error if e.run is not None else None)
            if problem is not None:
                raise problem
            if e.run is not None and e.phase is Phase.READY:
                e.play()
            if e.run is not None and (len(e.run.frames) != frames or e.phase is Phase.DONE):
                frames = len(e.run.frames)
                read(unpack(outbox.packet(e, "verdicts"))[0], seen)
            if e.verdict is not None and seen.heads:
                break
            time.sleep(0.005)
        seen.shown, seen.report = e.verdict, report(e)
        return seen
    finally:
        e.close()


def read(header: dict, seen: Seen) -> None:
    """Note what a packet would show."""
    seen.packets += 1
    final = (
        header["references"]["done"] >= header["references"]["total"] > 0
        and header["status"]["phase"] == "done"
    )
    tones = [p["tone"] for r in header["readings"] for p in r["place"].values()]
    tones += [r["sentence"]["tone"] for r in header["readings"]]
    found = header.get("verdict")
    if found is not None:
        tones.append(found["tone"])
        if not seen.heads or seen.heads[-1] != found["head"]:
            seen.heads = (*seen.heads, found["head"])
    all_bands = header["references"]["done"] >= header["references"]["total"] > 0
    if (any(t == "good" for t in tones) and not final) or (
        any(t == "inside" for t in tones) and not all_bands
    ):
        seen.early_green += 1


def report(e: Experiment) -> Verdict:
    """Return the verdict by a report on all images, computed anew from the models."""
    assert e.run is not None
    assert e.split is not None
    assert e.model is not None
    golds = [r.model for r in e.references]
    original, *others, now = (
        evaluate(model, e.split, references=golds) for model in (e.model, *golds, e.run.result)
    )
    learning = e.learning
    pixels = None if learning is None or learning.learnt else learning.neighbours
    return verdict(e.split.task, original, others, now, steps=len(e.run.steps), pixel_accuracy=pixels)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--data-dir", metavar="DIR", help="folder that holds MNIST/raw")
    arguments.add_argument("--only", default="", metavar="TEXT", help="runs whose name has this text")
    arguments.add_argument(
        "--first", type=int, default=1, help="number of the first run to play (default: 1)"
    )
    arguments.add_argument("--most", type=int, default=30, help="runs to play at most (default: 30)")
    a = arguments.parse_args()
    torch.set_num_threads(1)
    faults = 0
    with tempfile.TemporaryDirectory() as home, patch.dict("os.environ", LAF_HOME=home):
        runner, maps, umap = Scheduler(), Scheduler(1), UmapProcess()
        try:
            chosen = [(n, s) for n, s in setups(upload(a.data_dir)) if a.only in n][a.first - 1 :][: a.most]
            print(f"{len(chosen)} runs, {machine()}\n")
            print(
                "| run | packets | early green | changes | verdict | report |\n|---|---|---|---|---|---|",
                flush=True,
            )
            for name, setup in chosen:
                seen = watch(setup, runner, maps, umap)
                faults += seen.is_fault
                assert seen.report is not None
                codes = ", ".join(f.code for f in seen.report.findings)
                print(
                    f"| {name} | {seen.packets} | {seen.early_green} | {seen.changes} | {' → '.join(seen.heads)} | "
                    f"{'contradicts: ' if seen.contradicts else ''}{codes} |",
                    flush=True,
                )
        finally:
            runner.close()
            maps.close()
            umap.close()
    print(f"\nAt fault: {faults} of {len(chosen)} runs")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
