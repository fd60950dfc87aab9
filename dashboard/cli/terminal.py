"""Progress bars, output files that are checked before the work begins, and JSON output."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import RequestError, StoreError
from dashboard.presentation.progress_bars import StageBars

TITLES = {
    "recipe": "find training",
    "automatic": "find settings",
    "train": "train",
    "vae": "VAE of D",
    "vae_f": "VAE of D_f",
    "unlearn": "unlearn",
    "retrain": "retrain",
}


def process_age() -> float:
    """Return the seconds since this process began, to 0.01 s, so that a command's seconds begin there; 0 where it is not known."""
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])  # proc(5): field 22, since the boot
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
    return max(0.0, age)


class Stopwatch:
    """The seconds of a command by stage, from ``began`` (of ``time.perf_counter``) on."""

    def __init__(self, began: float) -> None:
        self._began = began
        self.stages: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the seconds of the block to the stage ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - start

    @property
    def total(self) -> float:
        """Seconds since the command began."""
        return time.perf_counter() - self._began


class ProgressBars(StageBars):
    """Progress bars of a command; none where standard error is not a terminal. ``seen`` are the stages of the work so far."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(TITLES, on=not quiet and sys.stderr.isatty())
        self.seen: set[str] = set()

    def __call__(self, progress: Any) -> None:
        """Show ``progress``, and note its stage."""
        self.seen.add(progress.stage)
        super().__call__(progress)

    def show(self, title: str, done: int, total: int, current: str) -> None:
        """Show one bar for work of many kinds; ``current`` names the part in progress."""
        if not self._on:
            return
        if self._bar is None:
            self._bar = self._new_bar(title, total)
        self._bar.set_postfix_str(current, refresh=False)
        self._bar.update(done - self._bar.n)
        self._bar.refresh()


def terminal_width() -> int | None:
    """Return the columns of the terminal that standard output is; None where it is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def columns_of(text: str) -> int:
    """Return the columns that ``text`` takes on a terminal: a wide character takes two, an accent of its own none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def padded(text: str, width: int, *, right: bool = False) -> str:
    """Return ``text`` with spaces to fill ``width`` columns of a terminal, before it if ``right``."""
    space = " " * (width - columns_of(text))
    return space + text if right else text + space


def path_of(text: str) -> Path:
    """Return ``text`` as a path, with ~ expanded where it names a user's home folder."""
    return Path(os.path.expanduser(text))


def require_folder(text: str | None, *, option: str) -> None:
    """Raise RequestError where ``text`` is not a folder; None passes."""
    if text is not None and not (text and os.path.isdir(path_of(text))):
        raise RequestError(f"{option} {text!r} is not a folder that can be read; name a folder")


def target_of(text: str | None, *, option: str = "--json") -> Path | None:
    """Return the file to write, checked; None where ``text`` is None or - (standard output)."""
    if text in (None, "-"):
        return None
    path = path_of(str(text))
    require_writable(path, option=option)
    return path


def require_writable(path: Path, *, option: str = "--json") -> None:
    """Raise RequestError where ``path`` cannot be written; called before the work begins."""
    target = Path(os.path.realpath(path))
    folder = target.parent
    try:
        if target.is_dir():
            raise RequestError(f"{option} {path} is a folder; name a file")
        if not folder.is_dir():
            raise RequestError(
                f"the folder {folder} for {option} does not exist; create it, or name a file elsewhere"
            )
        if target.is_symlink() or not os.access(target if target.exists() else folder, os.W_OK):
            raise RequestError(f"{option} {path} cannot be written; name a file elsewhere")
        if _is_replaced(target):
            with tempfile.TemporaryFile(dir=folder) as probe:  # fails on a full or read-only disk
                probe.write(b"\n")
    except OSError as error:
        raise RequestError(
            f"{option} {path} cannot be written ({error.strerror}); name a file elsewhere"
        ) from error


def write(path: Path, content: str | bytes, *, option: str = "--json") -> None:
    """Write ``content`` to ``path`` atomically: a reader sees the old file or the new one.

    Raises StoreError and leaves the old file unchanged.
    """
    data = content if isinstance(content, bytes) else content.encode(errors="backslashreplace")
    target = Path(os.path.realpath(path))  # follow a link rather than replace it
    part = target.with_name(f".laf-{secrets.token_hex(8)}")
    try:
        if not _is_replaced(target):
            target.write_bytes(data)
            return
        with open(part, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(
            f"{path} cannot be written ({error.strerror}); name a file elsewhere with {option}"
        ) from error


def write_json(target: str | None, values: Any, *, ascii_only: bool = True) -> bool:
    """Write ``values`` as JSON to the file ``target``, or to standard output for -; None writes nothing.

    Return True where standard output is taken, so that the caller prints no table.
    """
    if target == "-":
        print(json.dumps(values, ensure_ascii=ascii_only))
    elif target is not None:
        write(path_of(target), json.dumps(values, indent=1, ensure_ascii=ascii_only) + "\n")
    return target == "-"


def _is_replaced(target: Path) -> bool:
    """Return False for a device, a pipe, and a file in a read-only folder, which are written in place."""
    return (target.is_file() or not target.exists()) and os.access(target.parent, os.W_OK)
