"""The terminal's face: `laf run` plays a run to its end and prints a table, `laf dashboard` opens the page.

Exit codes: 0 done; 2 what the user gave cannot be used; 1 the program failed. 2 and 1 say one line; --debug adds the traceback.
Ctrl-C ends with 1 and the line "stopped". A closed pipe, as in `laf runs list | head -1`, ends with 1 and no line.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from core.errors import DataError, LabError, RequestError, StoreError
from dashboard.cli import compare as compare_command
from dashboard.cli import judge as judge_command
from dashboard.cli import lesson, runs, study
from dashboard.cli import options as request_options
from dashboard.cli import run as run_command
from dashboard.presentation.text import numbers
from dashboard.session import classroom_options

DONE, FAILED, WRONG = 0, 1, 2

# One compute thread each, unless the caller says otherwise: BLAS and OpenMP threads that wait for one another on a busy
# machine were measured ten times slower than none. torch's own count comes from each config.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, _line(f"{message} (see {self.prog} --help)") + "\n")


def parser() -> argparse.ArgumentParser:
    """All commands and options; a test holds each against the documentation."""
    top = _Parser(
        prog="laf",
        description="Machine unlearning with Label-Agnostic Forgetting, step by step.",
        epilog="Exit codes: 0 done; 2 what you gave cannot be used (a value, file or folder); 1 the program failed.",
    )
    top.add_argument("--debug", action="store_true", help="print the traceback of an error")
    commands = top.add_subparsers(
        dest="command",
        required=True,
        metavar="run | compare | judge | runs | purge | study | lesson | grade | dashboard",
    )

    run = commands.add_parser("run", help="train, forget, retrain, and print how they compare")
    request_options.add(run)
    run.add_argument(
        "--model", default=None, metavar="FILE", help="your own trained model: its weights as safetensors"
    )
    run.add_argument(
        "--arch",
        default=None,
        metavar="NAME",
        help="for --model: torchvision's name of the net, or the Lab's",
    )
    run.add_argument(
        "--layer",
        default=None,
        metavar="NAME",
        help="for --model: the layer whose output is the representation (default: the last one that will do)",
    )
    run.add_argument(
        "--resize",
        type=numbers.whole(1, numbers.PIXELS),
        default=None,
        metavar="N",
        help="for --model: scale images to NxN pixels for it",
    )
    run.add_argument(
        "--method", default="laf", help="laf, laf+r, retrain, nothing, finetune, … (default: laf)"
    )
    run.add_argument(
        "--share",
        type=numbers.share,
        default=None,
        metavar="F",
        help="for laf+r: share of the remaining images' labels that repair reads, up to 1 (default: all)",
    )
    speed = run.add_mutually_exclusive_group()
    speed.add_argument(
        "--exact", action="store_const", dest="speed", const="exact", default="exact",
        help="the paper's arithmetic (the default)",
    )  # fmt: skip
    speed.add_argument(
        "--fast", action="store_const", dest="speed", const="fast",
        help="for laf and laf+r: approximate, a hundredth of the time: the last layer on kept features of a part of the images",
    )  # fmt: skip
    run.add_argument(
        "--precision", default="float32", metavar="KIND",
        help="for laf and laf+r: float32, bf16, or auto: bf16 where the processor multiplies in it (default: float32)",
    )  # fmt: skip
    run.add_argument(
        "--seed",
        type=numbers.whole(0, numbers.SEED),
        default=0,
        help="decides initial weights, batches and noise (default: 0)",
    )
    run.add_argument(
        "--json", default=None, metavar="FILE", help="write the result as json; - for standard output"
    )
    run.add_argument(
        "--save", action="store_true", help="keep the run: `laf runs` and the Lab's page Runs show it"
    )
    run.add_argument("--quiet", action="store_true", help="no progress and no table")

    compare = commands.add_parser(
        "compare", help="several methods over several seeds, beside retrained models"
    )
    request_options.add(compare)
    compare.add_argument(
        "--methods", default="all", metavar="LIST", help="names with commas between, or all (default: all)"
    )
    compare.add_argument("--seeds", default="0-2", metavar="LIST", help="0-2 or 1,5 (default: 0-2)")
    compare.add_argument(
        "--references",
        type=numbers.whole(0, 50),
        default=None,
        metavar="K",
        help="models retrained from scratch for each seed (default: 5 on digits, 3 elsewhere)",
    )
    compare.add_argument(
        "--workers",
        type=numbers.whole(1, numbers.WORKERS),
        default=None,
        metavar="N",
        help="threads (default: one for each core)",
    )
    compare.add_argument("--full", action="store_true", help="all figures in the table, not the first few")
    compare.add_argument(
        "--json", default=None, metavar="FILE", help="write the result as json; - for standard output"
    )
    compare.add_argument("--quiet", action="store_true", help="no progress and no table")

    judge = judge_command.add(commands)
    kept = runs.add(commands)

    page = commands.add_parser("dashboard", help="open the Lab in a browser")
    page.add_argument("--port", type=numbers.whole(1, 65535), default=8501, help="default: 8501")
    page.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    page.add_argument(
        "--base-path",
        default="",
        metavar="PATH",
        help="for a proxy that hands on one path: lab for https://host/lab/",
    )
    page.add_argument(
        "--frame-origin",
        dest="framed_by",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let pages of https://school.example show the Lab in a frame (default: none but the Lab's own)",
    )
    page.add_argument(
        "--lesson",
        dest="lessons",
        action="append",
        default=[],
        metavar="FILE",
        help="show a lesson of your own, too",
    )
    classroom_options.add(page)
    studies = study.add(commands)
    lessons = lesson.add(commands)
    for command in (run, compare, judge, *kept, *studies, *lessons, page):
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="print the traceback of an error"
        )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    code = _run(argv)
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # or Python tries again at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == DONE and not isinstance(error, BrokenPipeError):
            print(_line(f"standard output cannot be written ({error.strerror})"), file=sys.stderr)
        return code or FAILED
    return code


def code_of(error: BaseException) -> int:
    """Return WRONG for what the user gave and cannot be used, FAILED where the program failed."""
    given = isinstance(error, (RequestError, DataError)) and not isinstance(error, StoreError)
    return WRONG if given else FAILED


def _run(argv: Sequence[str] | None) -> int:
    arguments = parser().parse_args(argv)
    command = {
        "run": run_command.run,
        "compare": compare_command.compare,
        "judge": judge_command.judge,
        "runs": runs.runs,
        "purge": runs.purge,
        "study": study.study,
        "lesson": lesson.lesson,
        "grade": lesson.grade,
        "dashboard": _dashboard,
    }[arguments.command]
    try:
        _require_home()
        command(arguments)
    except KeyboardInterrupt:
        print("laf: stopped", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        return FAILED
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        said = str(error)
        if not isinstance(error, LabError):
            said = f"failed: {type(error).__name__}: {(said.splitlines() or [''])[0]} (--debug shows where)"
        print(_line(said), file=sys.stderr)
        return code_of(error)
    return DONE


def _require_home() -> None:
    """Raise RequestError where $LAF_HOME is no folder and cannot become one."""
    from core.runtime.storage import home

    place = home().absolute()
    try:
        there = next(p for p in (place, *place.parents) if p.is_symlink() or p.exists())
        usable = there.is_dir()
    except OSError:
        usable = False
    if not usable:
        raise RequestError(f"LAF_HOME is {str(place)!r}, which is no folder; set it to a folder, or unset it")


def _line(text: str) -> str:
    """Return ``text`` as one line of a terminal: of readable length, without control characters."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return "laf: " + (plain if len(plain) <= 2000 else f"{plain[:1000]} … {plain[-1000:]}")


# laf dashboard


def _dashboard(a: argparse.Namespace) -> None:
    import socket

    if re.search(r"[^A-Za-z0-9_./-]|\.\.", a.base_path):
        raise RequestError(f"--base-path is a path like lab or tools/lab, not {a.base_path!r}")
    if not a.host.strip():
        raise RequestError("--host is empty; name an address, or 0.0.0.0 for all of this machine's")
    limits = classroom_options.read(a)
    classroom_options.now()  # refuses LAF_CLASSROOM where it is wrong
    with socket.socket(socket.AF_INET6 if ":" in a.host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((a.host, a.port))
        except PermissionError as error:
            raise RequestError(
                f"port {a.port} needs more rights than you have; choose one from 1024 on with --port"
            ) from error
        except (OSError, UnicodeError) as error:
            import errno

            if getattr(error, "errno", None) == errno.EADDRINUSE:
                raise RequestError(
                    f"port {a.port} is in use; stop what uses it, or choose another with --port"
                ) from error
            raise RequestError(
                f"cannot listen on {a.host!r} ({getattr(error, 'strerror', None) or 'it is no address'}); choose another with --host"
            ) from error
    if a.lessons:
        lesson.show_too(a.lessons)
    from dashboard.server import serving, shield

    shield.begin(a.framed_by)
    options = {**settings(), "server.address": a.host, "server.port": a.port}
    if a.base_path.strip("/"):
        options["server.baseUrlPath"] = a.base_path.strip("/")
    classroom_options.begin(limits)
    if limits is not None:
        options["server.maxUploadSize"] = limits.upload_mb
    app = str(Path(__file__).parents[1] / "app.py")
    serving.serve(app, "dashboard.server.asgi:app", options)


def settings() -> dict[str, Any]:
    """streamlit.toml as Streamlit's flags: {"server.port": ...}."""
    import tomllib

    def flat(values: dict[str, Any], prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in values.items():
            found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        return found

    return flat(tomllib.loads((Path(__file__).parents[1] / "streamlit.toml").read_text()), "")


if __name__ == "__main__":
    sys.exit(main())
