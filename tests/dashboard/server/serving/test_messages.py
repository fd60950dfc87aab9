"""Hostile messages to the server over real sockets: each ends its own line and nothing else."""

from __future__ import annotations

import random
import struct
from contextlib import ExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed

from dashboard.server.frame_socket import (
    MALFORMED,
    MESSAGE_BYTES,
    NO_SUCH_RUN,
    SPARE,
    TAKEN_OVER,
    TOO_BIG,
    TOO_MANY,
    UNSUPPORTED,
    lack_in,
)
from tests.dashboard.server.serving.process import (
    closed_with,
    first_packet,
    needs_proc,
    undisturbed,
)

pytestmark = pytest.mark.slow


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
