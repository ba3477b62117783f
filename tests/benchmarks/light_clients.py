"""Clients of a WebSocket server that do no more than they must: a benchmark is not to measure them.

One thread and one selector drive all of them. Their frames are made once, and of an answer only
its length and its beginning are read. The handshake is a library's: they come in as any client.
"""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.uri import parse_uri

TEXT, PING, PONG = 0x81, 0x89, 0x8A


def frame(kind: str, data: dict[str, Any]) -> bytes:
    """Return a text frame, masked as a client's must be: with zeros, which change nothing."""
    body = json.dumps({"type": kind, "data": data}).encode()
    length = len(body)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes([TEXT]) + size + bytes(4) + body


def connected(url: str) -> socket.socket:
    """Return a socket after the handshake."""
    parts = urlsplit(url)
    made = socket.create_connection((parts.hostname, parts.port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    protocol = ClientProtocol(parse_uri(url))
    protocol.send_request(protocol.connect())
    made.sendall(b"".join(protocol.data_to_send()))
    while not protocol.events_received():
        protocol.receive_data(made.recv(65536))
    if protocol.handshake_exc is not None:
        raise protocol.handshake_exc
    return made


class Client:
    """One session: whole episodes of some attempts, one frame after another."""

    def __init__(self, url: str, frames: list[bytes]) -> None:
        self.socket, self._frames, self._next = connected(url), frames, 0
        self._received, self.size = b"", 0

    def send(self) -> bool:
        """Send the next frame; False if there is none."""
        if self._next == len(self._frames):
            return False
        self.socket.sendall(self._frames[self._next])
        self._next += 1
        return True

    def answered(self) -> bool:
        """Take in what has come; whether it is the whole answer."""
        self._received += self.socket.recv(65536)
        return self._taken()

    def _taken(self) -> bool:
        received = self._received
        if len(received) < 4:
            return False
        length, at = received[1], 2
        if length > 125:
            at = 4 if length == 126 else 10
            length = int.from_bytes(received[2:at], "big")
        if len(received) < at + length:
            return False
        body, self._received = received[at : at + length], received[at + length :]
        if received[0] == PING:
            self.socket.sendall(bytes([PONG, 0x80 | length]) + bytes(4) + body)
            return bool(self._received) and self._taken()
        assert received[0] == TEXT and b'"observation"' in body[:40], received[:300]
        assert not self._received, "two answers to one frame"
        self.size = length
        return True


def play(
    url: str, actions: Iterator[dict[str, Any]], *, clients: int, episodes: int, attempts: int
) -> tuple[float, int]:
    """Return the steps a second of so many clients at once, and the size of an answer in bytes."""
    reset = frame("reset", {})

    def frames() -> list[bytes]:
        steps = (frame("step", action) for action in actions)
        return [f for _ in range(episodes) for f in (reset, *islice(steps, attempts))]

    with selectors.DefaultSelector() as selector:
        made = [Client(url, frames()) for _ in range(clients)]
        for one in made:
            selector.register(one.socket, selectors.EVENT_READ, one)
        started, busy = time.perf_counter(), sum(one.send() for one in made)
        while busy:
            for key, _ in selector.select(timeout=60):
                if key.data.answered():
                    busy -= not key.data.send()
        seconds = time.perf_counter() - started
        for one in made:
            one.socket.close()
    return clients * episodes * attempts / seconds, made[0].size
