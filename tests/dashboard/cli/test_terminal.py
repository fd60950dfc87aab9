"""The clock of a command: it begins with the process."""

from __future__ import annotations

import subprocess
import sys
import time

WORDS = "import time; time.sleep(0.1); from dashboard.cli.terminal import process_age; print(process_age())"


def test_the_seconds_of_a_command_begin_where_its_process_began():
    start = time.perf_counter()
    told = subprocess.run([sys.executable, "-c", WORDS], check=True, capture_output=True, text=True).stdout
    spent = time.perf_counter() - start
    if sys.platform == "linux":
        assert 0.1 <= float(told) <= spent + 0.02  # the kernel counts in hundredths
    else:
        assert float(told) == 0  # not known
