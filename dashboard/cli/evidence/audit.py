"""`laf audit`: unlearn a deletion request, test the result against retrained models, and write the record."""

from __future__ import annotations

import argparse
import json
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any

from core.errors import RequestError
from dashboard.cli import options
from dashboard.cli.options import clients, setup_and_dataset
from dashboard.cli.terminal import ProgressBars, path_of, target_of, write
from dashboard.presentation.text import numbers

UNMET = 3  # exit code of --check
MOST_BYTES = 64_000_000  # largest file of subjects


def add(commands: Any) -> argparse.ArgumentParser:
    """Add `audit`; return its parser."""
    audit: argparse.ArgumentParser = commands.add_parser(
        "audit", help="the record of a deletion request: unlearning, and its tests against retrained models"
    )
    options.add(audit)
    options.add_net(audit)
    clients.add(audit)
    audit.add_argument(
        "--subjects",
        default=None,
        metavar="FILE",
        help="CSV with the columns id and subject: forgets these images, and reports on each subject",
    )
    audit.add_argument("--method", default="laf", metavar="NAME", help="how to forget (default: laf)")
    audit.add_argument(
        "--references",
        type=numbers.whole(2, 50),
        default=None,
        metavar="K",
        help="models retrained from scratch (default: 5 on digits, vectors and series, 3 elsewhere)",
    )
    audit.add_argument("--requester", default="", metavar="TEXT", help="who asked, for the record")
    audit.add_argument("--received", default="", metavar="TEXT", help="the date of the request")
    audit.add_argument("--number", default="", metavar="TEXT", help="the reference number of the request")
    audit.add_argument("--html", default=None, metavar="FILE", help="write the record as a page to print")
    options.add_common(
        audit,
        seed="of images, initial weights and batches",
        json="the record",
        quiet="progress and no table",
    )
    audit.add_argument("--check", action="store_true", help="exit with 3 if a test failed")
    return audit


def audit(a: argparse.Namespace) -> int:
    """Unlearn, retrain, test; print or write the record; return the exit code. Raises LabError."""
    target, page = target_of(a.json), target_of(a.html, option="--html")
    if a.html == "-":
        raise RequestError("--html writes a file; name it, as in --html record.html")
    from core.experiments.audit_request import DeletionRequest
    from core.methods import method

    request = DeletionRequest(a.requester, a.received, a.number)
    method(a.method)
    subjects = _subjects(a)
    setup, dataset = setup_and_dataset(a)
    ids = tuple(i for listed in subjects.values() for i in listed)
    if subjects:
        setup = replace(setup, task="indices", classes=(), ids=ids)
    setup = replace(setup, method=a.method)
    split = setup.split(dataset)
    bars = ProgressBars(quiet=a.quiet)
    record = _measure(setup, split, request, subjects, a.references, bars)
    bars.close()
    if a.json == "-":
        print(json.dumps(record.as_dict()))
    elif not a.quiet:
        print(as_text(record))
    if page is not None:
        from dashboard.presentation.export import audit_page

        write(page, audit_page.document(record, datetime.now()), option="--html")
    if target is not None:  # last, so that the table is printed even if the file cannot be written
        write(target, json.dumps(record.as_dict(), indent=1) + "\n")
    return UNMET if a.check and record.count("failed") else 0


def _subjects(a: argparse.Namespace) -> dict[str, tuple[int, ...]]:
    """Return the ids of each subject of --subjects; none without the option. Raises RequestError."""
    if a.subjects is None:
        return {}
    if (a.task, a.classes, a.fraction, a.indices, a.plant, a.client) != (None,) * 6:
        raise RequestError(
            "--subjects decides what is forgotten; leave out --task, --classes, --fraction, --indices, --plant and --client"
        )
    from core.experiments.audit_request import parse_subjects

    title = a.subjects or "the empty name"
    try:
        with (
            open(path_of(a.subjects), encoding="utf-8-sig", newline="")
            if a.subjects
            else nullcontext() as file
        ):
            text = "" if file is None else file.read(MOST_BYTES + 1)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise RequestError(
            f"{title} cannot be read ({getattr(error, 'strerror', None) or 'it is not a text file'}); "
            "name a CSV file with the columns id and subject"
        ) from error
    if len(text) > MOST_BYTES:
        raise RequestError(f"{title} is larger than {MOST_BYTES // 1_000_000} MB; name a CSV of subjects")
    return parse_subjects(text, title)


def _measure(setup: Any, split: Any, request: Any, subjects: Any, count: int | None, show: Any) -> Any:
    """Train the original, unlearn, retrain, evaluate; return the DeletionRecord."""
    from core.evaluation.evaluator import Evaluator
    from core.experiments.audit import audit as draw_up
    from core.methods import method
    from core.methods.base import has_own_original
    from core.runs.original_models import net_training, original
    from core.runs.reference_models import references
    from core.runs.run import Run, finish
    from core.runtime.device import pick_device
    from core.runtime.progress import run_to_end

    unlearner = method(setup.method, setup.config(split))
    device = str(pick_device(setup.device))
    own = unlearner if has_own_original(unlearner) else None
    config = net_training(setup, split, own)
    model = run_to_end(original(split, own, seed=setup.seed, device=device, config=config), show)
    run = Run(unlearner, model, split, seed=setup.seed)
    run.on_progress = show
    finish(run)
    retrained = references(split, model, count=count, seed=setup.seed, progress=show)
    seconds = {k: v for k, v in run.seconds.items() if k != "evaluate"}
    memory = dict(run.peak_memory_mb)
    evaluator = Evaluator(split, model, retrained, seed=setup.seed)
    report = run_to_end(evaluator.judge(run.result, seconds=seconds, peak_memory_mb=memory), show)
    return draw_up(
        setup,
        split,
        model,
        run.result,
        retrained,
        report,
        config=run.config,
        seconds=seconds,
        peak_memory_mb=max(memory.values(), default=0.0),
        request=request,
        subjects=subjects,
    )


def as_text(record: Any) -> str:
    """Return the record for a terminal."""
    lines = [
        f"{name}: {value}"
        for part in (record.request, record.asked, record.done, record.cost)
        for name, value in part.items()
    ]
    rows = [("test", "found", "expected", "verdict")]
    rows += [(c.name, c.found, c.expected, c.verdict) for c in record.checks]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines += ["", *("  ".join(t.ljust(w) for t, w in zip(row, widths, strict=True)).rstrip() for row in rows)]
    lines += [f"{s.name}: {s.sentence}." for s in record.subjects]
    lines += ["", record.strongest, record.caution]
    return "\n".join(lines)
