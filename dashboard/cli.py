"""The terminal's face: `laf run` plays a run to its end and prints a table, `laf dashboard` opens the page.

Exit codes: 0 done; 2 the request is wrong; 1 it failed. Either says one line; --debug adds the traceback.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from core.errors import LabError, RequestError

DONE, FAILED, WRONG = 0, 1, 2

# One compute thread each, unless the caller says otherwise: BLAS and OpenMP threads that wait for one another on a busy
# machine were measured ten times slower than none. torch's own count comes from each config.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"laf: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """All commands and options; a test holds each against the documentation."""
    top = _Parser(prog="laf", description="Machine unlearning with Label-Agnostic Forgetting, step by step.")
    top.add_argument("--debug", action="store_true", help="print the traceback of an error")
    commands = top.add_subparsers(dest="command", required=True, metavar="run | dashboard")

    run = commands.add_parser("run", help="train, forget, retrain, and print how they compare")
    run.add_argument("--dataset", default="digits", help="digits or mnist (default: digits)")
    run.add_argument(
        "--task", default="class", help="class: forget whole classes; data: a share of each (default: class)"
    )
    run.add_argument(
        "--classes",
        default=None,
        metavar="LIST",
        help="numbers, ranges and names: 0 or 5-9 or 1,4 (default: 0; data: 5-9)",
    )
    run.add_argument(
        "--fraction",
        type=float,
        default=None,
        metavar="F",
        help="for data: share of each class, between 0 and 1 (default: 0.4)",
    )
    run.add_argument("--method", default="laf", help="laf or retrain (default: laf)")
    run.add_argument(
        "--seed", type=int, default=0, help="decides initial weights, batches and noise (default: 0)"
    )
    run.add_argument(
        "--data-dir", default=None, metavar="DIR", help="folder of downloaded data (default: $LAF_HOME/data)"
    )
    run.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    run.add_argument(
        "--json", default=None, metavar="FILE", help="write the result as json; - for standard output"
    )
    run.add_argument("--quiet", action="store_true", help="no progress and no table")

    page = commands.add_parser("dashboard", help="open the Lab in a browser")
    page.add_argument("--port", type=int, default=8501, help="default: 8501")
    page.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    for command in (run, page):
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="print the traceback of an error"
        )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    arguments = parser().parse_args(argv)
    command = {"run": _run, "dashboard": _dashboard}[arguments.command]
    try:
        command(arguments)
    except LabError as error:
        if arguments.debug:
            traceback.print_exc()
        print(f"laf: {error}", file=sys.stderr)
        return WRONG if isinstance(error, RequestError) else FAILED
    except KeyboardInterrupt:
        print("laf: stopped", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return FAILED
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        lines = str(error).splitlines() or [""]
        print(f"laf: failed: {type(error).__name__}: {lines[0]} (--debug shows where)", file=sys.stderr)
        return FAILED
    return DONE


# laf run


def _run(a: argparse.Namespace) -> None:
    target = None if a.json in (None, "-") else Path(a.json).expanduser()
    if target is not None:
        _require_writable(target)
    from core.config import TASKS
    from core.data.datasets import load
    from core.methods import METHODS, method
    from core.setup import Setup

    if a.task not in TASKS:
        raise RequestError(f"unknown task {a.task!r}; there are: {', '.join(TASKS)}")
    if a.method not in METHODS:
        raise RequestError(f"unknown method {a.method!r}; there are: {', '.join(METHODS)}")
    if a.task == "class" and a.fraction is not None:
        raise RequestError("--fraction goes with --task data; class removal forgets whole classes")
    dataset = load(a.dataset, data_dir=a.data_dir)
    default = "0" if a.task == "class" else "5-9"
    classes = parse_classes(a.classes if a.classes is not None else default, dataset.classes)
    split = Setup(a.dataset, a.task, classes, a.fraction, a.seed).split(dataset)
    result = _play(split, method(a.method), a)
    if a.json == "-":
        print(json.dumps(result))
    elif target is not None:
        _write(target, json.dumps(result, indent=1) + "\n")
    if not a.quiet and a.json != "-":
        print(_table(result, split))


def _play(split: Any, unlearner: Any, a: argparse.Namespace) -> dict[str, Any]:
    """Train, unlearn, retrain, measure: the JSON of the contract."""
    import time

    from core.compute import peak_memory_mb, pick_device
    from core.methods import METHODS
    from core.metrics import evaluate
    from core.run import Run, finish
    from core.training import train

    show = _Progress(quiet=a.quiet)
    device = str(pick_device(a.device))
    model = train(split, seed=a.seed, device=device, progress=show)
    runs = {}
    for name, one in ((unlearner.name, unlearner), ("retrain", METHODS["retrain"]())):
        if name not in runs:
            runs[name] = run = Run(one, model, split, seed=a.seed)
            run.on_progress = show
            finish(run)
    show.close()
    start = time.perf_counter()
    run, gold = runs[unlearner.name], runs["retrain"].result
    models = {"original": model, "retrained": gold, "unlearned": run.result}
    reports = {name: evaluate(m, split, references=[gold]) for name, m in models.items()}
    spent = run.seconds
    return {
        "schema": 1,
        "dataset": split.dataset.name,
        "task": split.task,
        "method": unlearner.name,
        "seed": a.seed,
        "device": device,
        "steps": len(run.steps),
        "metrics": {name: _numbers(r) for name, r in reports.items()},
        "seconds": {
            "train": model.provenance.seconds if model.provenance else 0.0,
            "vae": spent.get("vae", 0.0) + spent.get("vae_f", 0.0),
            "unlearn": sum(v for k, v in spent.items() if k not in ("vae", "vae_f", "evaluate")),
            "retrain": runs["retrain"].seconds["retrain"],
            "evaluate": time.perf_counter() - start,
        },
        "peak_memory_mb": peak_memory_mb(),
    }


def _numbers(report: Any) -> dict[str, Any]:
    names = ("train_r", "train_f", "test", "test_r", "test_f")
    found: dict[str, Any] = {name: getattr(report, name) for name in names}
    found["attack"] = report.attack.as_dict()
    found["js_to_retrained"] = report.js
    found["commonest_answer"] = report.commonest
    found["commonest_share"] = report.commonest_share
    return found


def _table(result: dict[str, Any], split: Any) -> str:
    """A table a person can read."""
    percent = {
        "train_r": "Train_r",
        "train_f": "Train_f",
        "test": "Test",
        "test_r": "Test_r",
        "test_f": "Test_f",
    }
    what = split.request.describe(split.dataset.classes)
    lines = [
        f"{split.dataset.title}: forget {what} ({len(split.forget_rows):,} of {len(split.train):,} images), seed {result['seed']}",
        f"{'':12}" + "".join(f"{v:>9}" for v in percent.values()) + f"{'one answer':>12}{'JS':>7}{'AUC':>20}",
    ]
    for name, numbers in result["metrics"].items():
        cells = "".join(f"{_percent(numbers[k]):>9}" for k in percent)
        attack = numbers["attack"]
        auc = (
            "too few images"
            if attack["auc"] is None
            else f"{attack['auc']:.2f} [{attack['auc_low']:.2f}, {attack['auc_high']:.2f}]"
        )
        share = (
            f"{_percent(numbers['commonest_share'])}: {split.dataset.classes[numbers['commonest_answer']]}"
        )
        lines.append(f"{name:12}{cells}{share:>12}{numbers['js_to_retrained']:7.2f}{auc:>20}")
    s = result["seconds"]
    lines.append(
        f"seconds: train {s['train']:.1f}, VAEs {s['vae']:.1f}, unlearn {s['unlearn']:.1f}, retrain {s['retrain']:.1f}, "
        f"evaluate {s['evaluate']:.1f}; peak memory {result['peak_memory_mb']:,.0f} MB; {result['device']}"
    )
    lines.append(
        "JS: Jensen-Shannon divergence to the retrained model on the forgotten images, 0 to 0.69 nats."
    )
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def parse_classes(text: str, names: Sequence[str]) -> tuple[int, ...]:
    """ "0", "5-9", "1,4,cat" as class numbers; a class name wins over a number. Raises RequestError for what is neither."""
    found: list[int] = []

    def number(digits: str) -> int | None:
        known = digits.isdecimal() and digits.isascii() and len(digits) <= 9 and int(digits) < len(names)
        return int(digits) if known else None

    for part in (p.strip() for p in text.split(",")):
        low, dash, high = part.partition("-")
        if part in names:
            found.append(list(names).index(part))
        elif (
            (first := number(low)) is not None
            and dash
            and (last := number(high)) is not None
            and first <= last
        ):
            found.extend(range(first, last + 1))
        elif (one := number(part)) is not None:
            found.append(one)
        else:
            raise RequestError(
                f"unknown class {part!r}; classes are numbers, ranges like 5-9, or names of: {', '.join(names)}"
            )
    return tuple(found)


TITLES = {
    "train": "train",
    "vae": "VAE of D",
    "vae_f": "VAE of D_f",
    "unlearn": "unlearn",
    "retrain": "retrain",
}


class _Progress:
    """A bar for each stage, on a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._off = quiet or not sys.stderr.isatty()
        self._bar: Any = None
        self._stage = ""

    def __call__(self, progress: Any) -> None:
        if self._off:
            return
        from tqdm import tqdm

        if progress.stage != self._stage:
            self.close()
            self._stage = progress.stage
            self._bar = tqdm(
                total=progress.total, desc=f"{TITLES[progress.stage]:10}", file=sys.stderr, leave=True
            )
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """Finish the bar in progress."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _require_writable(path: Path) -> None:
    """Refuse before the work, not after it."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise RequestError(
            f"the folder {folder} for --json does not exist; make it, or name a file elsewhere"
        )
    if path.is_dir():
        raise RequestError(f"--json {path} is a folder; name a file")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise RequestError(f"--json {path} cannot be written; name a file elsewhere")


def _write(path: Path, text: str) -> None:
    from core.errors import DataError

    try:
        path.write_text(text)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); name a file elsewhere with --json"
        ) from error


# laf dashboard


def _dashboard(a: argparse.Namespace) -> None:
    import socket

    if not 1 <= a.port <= 65535:
        raise RequestError(f"--port must be a number from 1 to 65535, got {a.port}")
    with socket.socket(socket.AF_INET6 if ":" in a.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((a.host, a.port))
        except PermissionError as error:
            raise RequestError(
                f"port {a.port} needs more rights than you have; choose one from 1024 on with --port"
            ) from error
        except OSError as error:
            import errno

            if error.errno == errno.EADDRINUSE:
                raise RequestError(
                    f"port {a.port} is in use; stop what uses it, or choose another with --port"
                ) from error
            raise RequestError(
                f"cannot listen on {a.host}: {error}; choose another address with --host"
            ) from error
    import threading

    from streamlit.web import bootstrap

    from dashboard import cache

    options = {**settings(), "server.address": a.host, "server.port": a.port}
    app = str(Path(__file__).with_name("app.py"))
    bootstrap.load_config_options(flag_options=options)
    threading.Thread(target=cache.warm, name="warm", daemon=True).start()
    bootstrap.run(app, False, [], options)


def settings() -> dict[str, Any]:
    """streamlit.toml as Streamlit's flags: {"server.port": ...}."""
    import tomllib

    def flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        return found

    return flat(tomllib.loads(Path(__file__).with_name("streamlit.toml").read_text()), "")


if __name__ == "__main__":
    sys.exit(main())
