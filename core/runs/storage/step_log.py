"""steps.jsonl: one line for each step of a run, with a checksum."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from core.errors import StoreError
from core.methods.step import Step


def encode_step(step: Step) -> bytes:
    """Return the line of a step."""
    text = json.dumps(step.as_dict(), separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def read_steps(path: Path) -> list[Step]:
    """Read all whole lines; a torn last one is dropped. Raises StoreError, naming the line, for damage before that."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})") from error
    steps: list[Step] = []
    for number, line in enumerate(lines[:-1], 1):
        step = _decode_step(line, number)
        if step is None:
            if any(_decode_step(later, None) for later in lines[number:-1]):
                raise StoreError(f"line {number} of {path} is damaged; the run cannot be read beyond it")
            break
        steps.append(step)
    return steps


def count_steps(path: Path) -> int:
    """Return the number of whole lines, without decoding them."""
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0


def _decode_step(line: bytes, number: int | None) -> Step | None:
    """Return the step of a line; None when it is not whole, or not step ``number``."""
    try:
        if int(line[:8], 16) != zlib.crc32(line[9:]):
            return None
        step = Step.from_dict(json.loads(line[9:]))
    except (ValueError, TypeError):
        return None
    return step if number is None or step.number == number else None
