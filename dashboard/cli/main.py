"""The command `laf`: its parser, its exit codes and its error messages.

Exit codes: 0 done; 2 the user's input cannot be used; 1 the program failed; 3 `laf run --check` and `laf audit --check`: the run did not do what
was asked. Codes 2 and 1 print one line; --debug adds the traceback. Ctrl-C exits with 1 and the line "stopped". A closed pipe, as in `laf runs list | head -1`, exits with 1
and prints nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import NoReturn

from core.config import environment
from core.errors import DataError, LabError, RequestError, StoreError
from dashboard.cli import dashboard, lesson, run, runs, study
from dashboard.cli.evidence import audit, compare, judge
from dashboard.cli.terminal import process_age

DONE, FAILED, WRONG = 0, 1, 2
_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT)
OBJECTS = 50_000  # new ones before Python looks for cycles among them; its usual 700 take 0.2 s of the import of torch

# One BLAS and OpenMP thread, unless the caller sets another number: waiting threads slow a busy machine tenfold.
# Each config sets torch's own number of threads.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")


class _Parser(argparse.ArgumentParser):
    """A parser that prints each error on one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, _line(f"{message} (see {self.prog} --help)") + "\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and options; a test checks that the documentation names each."""
    top = _Parser(
        prog="laf",
        description="Machine unlearning with Label-Agnostic Forgetting, step by step.",
        epilog="Exit codes: 0 done; 2 an argument, file or folder cannot be used; 1 the program failed; "
        "3 with --check: the run did not do what was asked.",
    )
    top.add_argument("--debug", action="store_true", help="print the traceback of an error")
    commands = top.add_subparsers(
        dest="command",
        required=True,
        metavar="run | compare | judge | audit | runs | purge | study | lesson | grade | dashboard",
    )

    added = (
        run.add(commands),
        compare.add(commands),
        judge.add(commands),
        audit.add(commands),
        *runs.add(commands),
        *study.add(commands),
        *lesson.add(commands),
        dashboard.add(commands),
    )
    for command in added:
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="print the traceback of an error"
        )
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Without ``argv`` the process is the command's own, and ends with it."""
    began = time.perf_counter()
    if argv is None:
        began -= process_age()
        gc.set_threshold(OBJECTS, 20, 20)
    code = _run(argv, began)
    if argv is None and "triton" not in sys.modules:  # which reports each object that is left
        gc.freeze()  # or Python looks through all of torch's objects several times as it ends, 0.4 s
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # or Python flushes again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if code == DONE and not isinstance(error, BrokenPipeError):
            print(_line(f"standard output cannot be written ({error.strerror})"), file=sys.stderr)
        return code or FAILED
    return code


def code_of(error: BaseException) -> int:
    """Return WRONG where the user's input cannot be used, FAILED where the program failed."""
    given = isinstance(error, (RequestError, DataError)) and not isinstance(error, StoreError)
    return WRONG if given else FAILED


def _run(argv: Sequence[str] | None, began: float) -> int:
    arguments = parser().parse_args(argv)
    arguments.began = began
    command = {
        "run": run.run,
        "compare": compare.compare,
        "judge": judge.judge,
        "audit": audit.audit,
        "runs": runs.runs,
        "purge": runs.purge,
        "study": study.study,
        "lesson": lesson.lesson,
        "grade": lesson.grade,
        "dashboard": dashboard.dashboard,
    }[arguments.command]
    try:
        _require_home()
        environment.require_usable()
        code = command(arguments)
    except KeyboardInterrupt:
        print("laf: stopped", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        return FAILED
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        message = str(error)
        if not isinstance(error, LabError):
            message = _of_output(error) or (
                f"failed: {type(error).__name__}: {(message.splitlines() or [''])[0]} (--debug shows where)"
            )
        print(_line(message), file=sys.stderr)
        return code_of(error)
    return code or DONE


def _of_output(error: Exception) -> str | None:
    """Return a sentence where ``error`` is that of standard output; None for another one.

    The error of a write names no file. The library's own writes raise errors that name one.
    """
    if isinstance(error, OSError) and error.filename is None and error.errno in _NOT_WRITTEN:
        return f"standard output cannot be written ({error.strerror})"
    return None


def _require_home() -> None:
    """Raise RequestError where $LAF_HOME is not a folder and cannot be created."""
    from core.runtime.storage import home

    place = home().absolute()
    try:
        there = next(p for p in (place, *place.parents) if p.is_symlink() or p.exists())
        usable = there.is_dir()
    except OSError:
        usable = False
    if not usable:
        raise RequestError(
            f"LAF_HOME is {str(place)!r}, which is not a folder; set it to a folder, or unset it"
        )


def _line(text: str) -> str:
    """Return ``text`` as one line of at most 2,000 characters, without control characters."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return "laf: " + (plain if len(plain) <= 2000 else f"{plain[:1000]} … {plain[-1000:]}")


if __name__ == "__main__":
    sys.exit(main())
