"""The server in a process of its own, and its pages as sockets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from dashboard.presentation.wire.packet import unpack

TESTS = Path(__file__).parents[4] / "tests"
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads /proc, which only Linux has"
)


class Server:
    """`tests/serving.py` on a free port."""

    def __init__(self, home: Path, base: str = "", plays: bool = False) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base, self.log = f"/{base}" if base else "", home / f"server{base}.log"
        self.host = f"127.0.0.1:{self.port}"
        path = str(TESTS.parent)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    TESTS / "serving.py",
                    str(self.port),
                    base,
                    "plays" if plays else "stands",
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "LAF_HOME": str(home), "PYTHONPATH": path},
            )
        self.tokens: list[str] = []
        while not self.tokens:  # Streamlit says its address on the same stream
            line = self.process.stdout.readline()
            assert line, self.log.read_text()
            if line.startswith(b"["):
                self.tokens = json.loads(line)
        end = time.monotonic() + 60
        while True:
            try:
                self.get("/_stcore/health")
                return
            except OSError:
                assert time.monotonic() < end, self.log.read_text()
                time.sleep(0.1)

    def get(self, path: str, **headers: str):
        """The answer to a GET, errors too: status, headers as pairs."""
        request = urllib.request.Request(f"http://{self.host}{self.base}{path}", headers=headers)
        return self.open(request)

    def open(self, request):
        try:
            with closing(urllib.request.urlopen(request, timeout=20)) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def line(self, token: str, **options):
        """A WebSocket to the run ``token``, as a page opens it."""
        options.setdefault("origin", f"http://{self.host}")
        return connect(
            f"ws://{self.host}{self.base}/laf-feed/{token}", max_size=None, compression=None, **options
        )

    def stream(self, **options):
        """Streamlit's own WebSocket."""
        return connect(
            f"ws://{self.host}{self.base}/_stcore/stream", max_size=None, compression=None, **options
        )

    def raw(self, token: str) -> socket.socket:
        """The same without a library: what is sent after the handshake is not looked at."""
        made = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        made.sendall(
            (
                f"GET {self.base}/laf-feed/{token} HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )
        answer = b""
        while b"\r\n\r\n" not in answer:  # what is sent with the handshake is lost
            answer += made.recv(1)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return made

    @property
    def peak_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def end(self, how: int) -> int:
        self.process.send_signal(how)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.stdout.close()


@contextmanager
def undisturbed(server, mb=300):
    """Another tab's page, and Streamlit's own, stay connected through what is done meanwhile; the server stays small and quiet."""
    before, told = server.peak_mb, len(server.log.read_bytes())
    with server.line(server.tokens[1]) as other:
        header = first_packet(other)
        yield
        other.ping().wait(30)
        assert header["run"] == server.tokens[1]
    with server.line(server.tokens[1]) as again:
        assert first_packet(again)["run"] == server.tokens[1]
    assert server.process.poll() is None
    assert server.peak_mb - before < mb
    assert len(server.log.read_bytes()) - told < 2000, server.log.read_text()[-4000:]


def first_packet(page):
    page.send('{"lack": null}')
    while isinstance(message := page.recv(timeout=60), str):
        pass
    return unpack(message)[0]


def closed_with(page) -> int:
    """The code with which the server closes."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            page.recv(timeout=60)
        except ConnectionClosed as error:
            return error.rcvd.code if error.rcvd else 1006
    raise AssertionError("it was not closed")
