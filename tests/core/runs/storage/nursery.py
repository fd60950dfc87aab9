"""A process that imports everything once and then forks a child for each line it reads, so that many children can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def start(program: str) -> subprocess.Popen[str]:
    """Start ``program`` with pipes as its standard input and output, line by line."""
    path = os.pathsep.join([str(Path(__file__).parents[4]), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        env={**os.environ, "PYTHONPATH": path},
    )
