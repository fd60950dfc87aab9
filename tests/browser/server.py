"""The server that the browser's tests open pages on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

# As for a slow machine: a run records fewer frames and retrains two models fewer.
QUICK = {"LAF_FRAMES": "20", "LAF_REFERENCES": "3"}


class Server:
    """`laf dashboard` on a free port."""

    def __init__(self, home: Path, *options: str, **variables: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "server.log"
        environment = {**os.environ, "LAF_HOME": str(home), **variables}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dashboard.cli", "dashboard", "--port", str(self.port), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def wait(self, seconds: float = 120) -> None:
        """Wait until the server answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=10).read()
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                time.sleep(0.1)
        raise AssertionError(f"no answer from the server: {self.log.read_text()}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
