"""The server itself, in a process, over real sockets: hostile messages, other origins, headers of every answer, and its end."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from dashboard.components.assets import modules
from dashboard.presentation.wire.packet import unpack
from dashboard.server.frame_socket import (
    MALFORMED,
    MESSAGE_BYTES,
    NO_SUCH_RUN,
    SPARE,
    TAKEN_OVER,
    TOO_BIG,
    TOO_MANY,
    UNSUPPORTED,
)
from tests import toys
from tests.serving import BROWSER

TESTS = Path(__file__).parents[3] / "tests"
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads /proc, which only Linux has"
)
pytestmark = pytest.mark.slow


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


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Server(tmp_path_factory.mktemp("serving"))
    yield made
    made.end(signal.SIGTERM)


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


def hostile() -> list[tuple[str | bytes, int]]:
    """Messages that no page of the Lab sends, and the code that answers each."""
    made: list[tuple[str | bytes, int]] = [
        (text, MALFORMED)
        for text in (
            "",
            "{",
            "[]",
            "null",
            "7",
            '"lack"',
            "{}",
            "NaN",
            "[" * 60_000,
            '{"lack":' * 7_000,
            "1" * 5_000,
            "\x00",
            "\ud7ff" * 9,
            '{"lack": 1}',
            '{"lack": []}',
            '{"lack": "all"}',
            '{"lack": true}',
            '{"lack": {"from": "0"}}',
            '{"lack": {"from": 1e999}}',
            '{"lack": {"from": NaN}}',
            '{"lack": {"from": []}}',
            '{"lack": {"from": {}}}',
            '{"lack": {"from": true}}',
            '{"lack": {"life": "x"}}',
            '{"lack": {"rev": 0.5}}',
            '{"lack": {"follow": -Infinity}}',
            '{"lack": {"fork": [[]]}}',
            '{"lack": {"from": 1' + "0" * 4_000 + "}}",
            '{"lack": {"fork_follow": -1' + "0" * 300 + "}}",
            "[1] trailing",
        )
    ]
    made += [(b, UNSUPPORTED) for b in (b"", b"\x00", b'{"lack": null}', bytes(MESSAGE_BYTES))]
    made += [
        (s, TOO_BIG)
        for s in ("x" * (MESSAGE_BYTES + 1), bytes(2**20), '{"lack": null}' + " " * MESSAGE_BYTES)
    ]
    chance = random.Random(0)
    good = '{"lack": {"life": 0, "from": 3, "rev": 1, "follow": 0, "fork": null, "fork_follow": null}}'
    while len(made) < 70:
        cut = chance.randrange(1, len(good) - 1)
        made.append((good[:cut] + chance.choice(["", "[", "\x07", "{", '"']) + good[cut + 3 :], MALFORMED))
    return [(text, code) for text, code in made if not (isinstance(text, str) and _is_fine(text))]


def _is_fine(text: str) -> bool:
    from dashboard.server.frame_socket import lack_in

    try:
        lack_in(text)
    except ValueError:
        return False
    return True


@needs_proc
def test_hostile_messages_end_their_own_line_and_nothing_else(server):
    messages = hostile()
    assert len(messages) >= 60
    with undisturbed(server):
        for message, code in messages:
            with server.line(server.tokens[0]) as page:
                page.send(message)
                assert closed_with(page) == code, message[:60]


@needs_proc
def test_a_message_of_180_mb_is_refused_before_it_is_read(server):
    with undisturbed(server), server.raw(server.tokens[0]) as page:
        page.settimeout(60)
        page.sendall(b"\x81\xff" + struct.pack(">Q", 180 * 2**20) + b"mask")
        sent, chunk = 0, bytes(2**20)
        with suppress(ConnectionResetError, BrokenPipeError):
            while sent < 180:
                page.sendall(chunk)
                sent += 1
        assert sent < 60


@needs_proc
def test_streamlit_s_own_connection_takes_no_180_mb_either(server):
    with undisturbed(server), server.stream(subprotocols=["streamlit"]) as page:
        with suppress(ConnectionClosed):
            page.send(bytes(180 * 2**20))
        assert closed_with(page) in (
            TOO_BIG,
            1006,
        )  # the code is lost where the connection is cut while it sends


def frame(first: int, data: bytes = b"", *, mask: bytes | None = bytes(4)) -> bytes:
    size = len(data)
    length = (
        bytes([size | (128 if mask else 0)])
        if size < 126
        else bytes([126 | (128 if mask else 0)]) + struct.pack(">H", size)
    )
    return bytes([first]) + length + (mask or b"") + data


RAW = {
    "text that is not UTF-8": frame(0x81, b"\xff\xfe"),
    "no mask": frame(0x81, b"{}", mask=None),
    "a reserved bit": frame(0xF1, b"{}"),
    "an unknown kind": frame(0x83, b"{}"),
    "a fragment of nothing": frame(0x80, b"{}"),
    "a ping of 200 bytes": frame(0x89, bytes(200)),
    "a length beyond all": b"\x81\xff" + b"\xff" * 8 + bytes(4),
    "fragments without end": frame(0x01) + frame(0x00) * 3000,
    "fragments that sum up": frame(0x01, bytes(60_000)) + frame(0x00, bytes(60_000)),
    "a close of one byte": frame(0x88, b"x"),
    "noise": random.Random(1).randbytes(5000),
}


@needs_proc
@pytest.mark.parametrize("data", RAW.values(), ids=RAW.keys())
def test_frames_that_break_the_protocol_end_their_line(server, data):
    with undisturbed(server), server.raw(server.tokens[0]) as page:
        page.sendall(data)
        page.settimeout(30)
        with suppress(ConnectionResetError):
            while page.recv(2**16):
                pass


@needs_proc
def test_a_page_that_says_more_than_it_was_asked_is_closed(server):
    with undisturbed(server), server.line(server.tokens[0]) as page:
        with suppress(ConnectionClosed):
            for _ in range(100 * SPARE):
                page.send('{"lack": null}')
        assert closed_with(page) == TOO_MANY


@needs_proc
def test_pings_without_end_pile_up_no_answers(server):
    with undisturbed(server, mb=80), server.raw(server.tokens[0]) as page:
        page.settimeout(5)
        pings = frame(0x89, bytes(125)) * 5000
        with suppress(OSError):  # a server that takes no more is as good
            for _ in range(120):  # 75 MB, and more as objects
                page.sendall(pings)


@needs_proc
def test_hundreds_of_lines_to_one_run_leave_one(server):
    with undisturbed(server), ExitStack() as opened:
        page = opened.enter_context(server.line(server.tokens[0]))
        for _ in range(250):
            before, page = page, opened.enter_context(server.line(server.tokens[0]))
            assert closed_with(before) == TAKEN_OVER
        assert first_packet(page)["run"] == server.tokens[0]


@pytest.mark.parametrize("token", ["0" * 24, "x", "%C3%A9", "0" * 4000])
def test_a_token_that_is_no_run_gets_one_code(server, token):
    with server.line(token) as page:
        assert closed_with(page) == NO_SUCH_RUN


FOREIGN = [
    "http://evil.example",
    "http://localhost:1",
    "http://127.0.0.1:1",
    "null",
    "file://",
    "http://[",
    "x" * 2000,
]


@pytest.mark.parametrize("origin", FOREIGN, ids=[o[:20] for o in FOREIGN])
def test_a_page_of_another_origin_gets_no_connection(server, origin):
    for connected in (server.line, lambda token, **o: server.stream(subprotocols=["streamlit"], **o)):
        with pytest.raises(InvalidStatus) as refused:
            connected(server.tokens[0], origin=origin).__enter__()
        assert refused.value.response.status_code == 403


def test_the_lab_s_own_page_gets_one(server):
    with server.line(server.tokens[0]) as page:
        assert first_packet(page)["run"] == server.tokens[0]
    with server.stream(subprotocols=["streamlit"], origin=f"http://{server.host}"):
        pass


ANSWERS = {
    "page": ("GET", "/", 200),
    "page beneath": ("GET", "/lessons", 200),
    "static file": ("GET", "/favicon.png", 200),
    "component module": ("GET", f"/{modules()[0]}", 200),
    "no component": ("GET", "/_stcore/bidi-components/laf-lab.map_view/none.js", 404),
    "beside a component": ("GET", "/_stcore/bidi-components/laf-lab.map_view/..%2F..%2F..%2Fcli.py", 400),
    "health": ("GET", "/_stcore/health", 200),
    "host's settings": ("GET", "/_stcore/host-config", 200),
    "metrics": ("GET", "/_stcore/metrics", 200),
    "no medium": ("GET", "/media/none.png", 404),
    "upload without token": ("PUT", "/_stcore/upload_file/none/none", 403),
    "upload asked about": ("OPTIONS", "/_stcore/upload_file/none/none", 204),
    "agents": ("POST", "/_stcore/agent/interact", 403),
    "a method that is none": ("DELETE", "/_stcore/health", 405),
}


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_carries_the_headers(server, method, path, status):
    headers = {"Accept": "text/html"} if path in ("/", "/lessons") else {}
    request = urllib.request.Request(f"http://{server.host}{path}", method=method, headers=headers)
    if method in ("PUT", "POST"):
        request.data = b"{}"
    found, headers, _ = server.open(request)
    assert found == status
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == "'self'"
    assert rules["object-src"] == rules["base-uri"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Server" not in headers
    assert "*" not in (headers["Access-Control-Allow-Origin"] or "")


def test_an_upload_needs_the_page_s_own_token_and_a_session(server):
    request = urllib.request.Request(
        f"http://{server.host}/_stcore/upload_file/none/none", data=b"x", method="PUT"
    )
    assert server.open(request)[0] == 403
    cookie = next(
        c for c in server.get("/_stcore/health")[1].get_all("set-cookie") if c.startswith("_streamlit_xsrf")
    )
    token = cookie.split(";")[0].split("=", 1)[1]
    request.headers |= {"Cookie": f"_streamlit_xsrf={token}", "X-xsrftoken": token}
    status, _, body = server.open(request)
    assert (status, b"session" in body) == (400, True)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_pauses_what_plays_and_ends_with_0(tmp_path, monkeypatch, how):
    from core.runs.records import Phase
    from core.runs.storage import list_runs

    server = Server(tmp_path, plays=True)
    left = children_of_map(server)
    with (
        server.line(server.tokens[0]) as page,
        server.stream(subprotocols=["streamlit"]),
        server.raw(server.tokens[1]),
    ):
        first_packet(page)
        started = time.monotonic()
        server.process.send_signal(how)
        assert closed_with(page) == 1012  # the server restarts: the page opens its line again
        code = server.process.wait(30)
    assert code == 0
    assert time.monotonic() - started < 30
    server.process.stdout.close()
    assert toys.gone_within(30, left)
    assert "Traceback" not in server.log.read_text()
    monkeypatch.setenv("LAF_HOME", str(tmp_path))
    runs, broken = list_runs(BROWSER)
    assert not broken
    assert [run.phase for run in runs] == [Phase.PAUSED]


def children(pid: int) -> list[int]:
    """Processes that ``pid`` started and that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text().rsplit(")", 1)[1].split()[:2]
            if int(parent) == pid and state not in "ZX":
                found.append(int(path.parent.name))
    return found


def children_of_map(server) -> list[int]:
    """Wait until the server has started its map process; return its children."""
    if not Path("/proc/self/stat").exists():
        return []
    end = time.monotonic() + 120
    while not (found := children(server.process.pid)):
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def require_the_proxys_host_is_the_origin(server):
    url = f"ws://lab.school/lab/laf-feed/{server.tokens[0]}"  # and so the Host header, as docs/deployment.md has it handed on

    def through():
        return socket.create_connection(("127.0.0.1", server.port))

    with connect(url, sock=through(), origin="https://lab.school", max_size=None) as page:
        assert first_packet(page)["run"] == server.tokens[0]
    with pytest.raises(InvalidStatus):
        connect(url, sock=through(), origin="https://evil.school").__enter__()
    _, headers, _ = server.get("/_stcore/health", **{"X-Forwarded-Proto": "https"})
    cookies = {c.split("=")[0]: c for c in headers.get_all("set-cookie")}
    assert set(cookies["laf-browser"].split("; ")) >= {"Path=/lab", "HttpOnly", "SameSite=Strict", "Secure"}
    assert all(c.endswith("; Secure") for c in cookies.values())


def test_behind_a_proxy_with_a_path_its_own_host_is_the_origin_and_killed_it_leaves_no_process(tmp_path):
    server = Server(tmp_path, base="lab")
    try:
        require_the_proxys_host_is_the_origin(server)
        left = children_of_map(server)
    finally:
        server.end(signal.SIGKILL)
    assert toys.gone_within(30, left)


def test_a_stop_before_it_serves_is_a_stop_too(tmp_path):
    env = {**os.environ, "LAF_HOME": str(tmp_path)}
    code = (
        "import os, signal; from dashboard.server import serving; from streamlit.web import bootstrap; "
        "bootstrap.load_config_options = lambda **_: os.kill(os.getpid(), signal.SIGTERM); serving.serve('', '', {})"
    )
    assert subprocess.run([sys.executable, "-c", code], env=env, cwd=TESTS.parent, timeout=60).returncode == 0
