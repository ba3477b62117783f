"""An OpenAI-compatible server that misbehaves on purpose; a process of its own, seeded.

Run: python tests/helpers/fault_server.py ANSWERS.json [--latency 0.01]
    [--faults '{"rate_limit": 0.1}']

ANSWERS.json maps a question's text to its candidate answers; which one a request gets is a
function of its `seed`. Which fault strikes is a function of the server's seed, the request and
how often it was sent before, so that it does not depend on the order in which requests arrive.
The first line on standard output is the base URL. `GET /stats` counts what happened.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import socket
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

GARBAGE = ("broken_json", "empty_choices", "html", "wrong_type", "endless")
FAULTS = ("rate_limit", "error", "hang", "reset", "truncated", "broken_off", "garbage", *GARBAGE)
# What a gateway says of a provider that broke off: half an answer, in a response that is well.
BROKEN_OFF = {"code": 502, "message": "the provider broke off"}
HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"


class Hangup(Exception):
    """The connection ends here."""


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.answers: dict[str, list[str]] = json.loads(Path(options.answers).read_text())
        self.shares: dict[str, float] = json.loads(options.faults)
        unknown = set(self.shares) - set(FAULTS)
        assert not unknown, f"unknown faults {unknown}"
        self.seen: Counter[str] = Counter()
        self.stats: Counter[str] = Counter()
        self.in_flight = 0
        self.arrivals: list[float] = []

    async def serve(self) -> None:
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0, backlog=1024)
        port = server.sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}/v1", flush=True)
        # Whoever started it holds its standard input: it ends with its parent.
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *lines = head.split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if line.startswith("GET"):
                    stats = dict(self.stats) | {"arrivals": self.arrivals}
                    await self.send(writer, 200, json.dumps(stats).encode())
                    continue
                await self.complete(reader, writer, json.loads(body))
        except (asyncio.IncompleteReadError, ConnectionError, Hangup):
            pass
        finally:
            writer.close()

    async def complete(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: dict[str, Any],
    ) -> None:
        self.in_flight += 1
        self.stats["requests"] += 1
        self.arrivals.append(time.monotonic())
        self.stats["max_in_flight"] = max(self.stats["max_in_flight"], self.in_flight)
        try:
            await self.answer(reader, writer, request)
        finally:
            self.in_flight -= 1

    def fault(self, request: dict[str, Any]) -> str | None:
        """Draw the fault of this request, the nth of its kind."""
        key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        n = self.seen[key]
        self.seen[key] += 1
        rng = random.Random(f"{self.options.seed}:{key}:{n}")
        drawn = rng.random()
        for name, share in self.shares.items():
            drawn -= share
            if drawn < 0:
                return rng.choice(GARBAGE) if name == "garbage" else name
        return None

    def text(self, request: dict[str, Any]) -> str:
        prompt = "\n".join(m["content"] for m in request["messages"])
        rng = random.Random(request.get("seed"))
        for question, candidates in self.answers.items():
            if question in prompt:
                return rng.choice(candidates)
        return "SELECT 1"

    async def answer(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        request: dict[str, Any],
    ) -> None:
        options = self.options
        if options.status:
            message = f"the server was told to answer {options.status}"
            await self.send(writer, options.status, error_body(message))
            return
        fault = self.fault(request)
        if fault:
            self.stats[fault] += 1
        if options.latency:
            await asyncio.sleep(options.latency)
        text = self.text(request)
        prompt = sum(len(m["content"]) for m in request["messages"]) // 4
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": len(text) // 4 + 5,
            "total_tokens": prompt + len(text) // 4 + 5,
            "prompt_tokens_details": {"cached_tokens": prompt // 2},
            "completion_tokens_details": {"reasoning_tokens": 5},
        }
        if fault == "rate_limit":
            extra = {"Retry-After": str(options.retry_after)}
            await self.send(writer, 429, error_body("slow down"), extra)
        elif fault == "error":
            await self.send(writer, 500, error_body("something broke"))
        elif fault == "hang":
            await reader.read(1)  # nothing more comes: until the other side hangs up
            raise Hangup
        elif fault == "reset":
            reset(writer)
        elif fault == "html":
            await self.send(writer, 200, HTML, kind="text/html")
        elif fault == "wrong_type":
            await self.send(writer, 200, b"all is well", kind="application/octet-stream")
        elif fault == "broken_json":
            await self.send(writer, 200, b'{"id": "x", "choices": [{"message": {"conte')
        elif request.get("stream"):
            await self.stream(writer, text, usage, fault)
        else:
            await self.whole(writer, text, usage, fault)

    async def whole(
        self, writer: asyncio.StreamWriter, text: str, usage: dict[str, Any], fault: str | None
    ) -> None:
        message = {"role": "assistant", "content": text}
        if self.options.reasoning:
            message["reasoning_content"] = self.options.reasoning
        choices: list[dict[str, Any]]
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        if fault == "broken_off":
            message["content"] = text[: len(text) // 2]
            choices[0] |= {"finish_reason": "error", "error": BROKEN_OFF}
        value = envelope("chat.completion", [] if fault == "empty_choices" else choices)
        body = json.dumps(value | {"usage": usage}).encode()
        if fault == "truncated":
            writer.write(head(200, "application/json", len(body)) + body[: len(body) // 2])
            await writer.drain()
            raise Hangup
        if fault == "endless":
            writer.write(head(200, "application/json", None))
            while True:
                writer.write(chunk(b" " * 1000))
                await writer.drain()
                await asyncio.sleep(0.01)
        await self.send(writer, 200, body)
        self.stats["finished"] += fault not in ("empty_choices", "broken_off")

    async def stream(
        self, writer: asyncio.StreamWriter, text: str, usage: dict[str, Any], fault: str | None
    ) -> None:
        writer.write(head(200, "text/event-stream", None))

        async def event(choices: list[dict[str, Any]], **more: Any) -> None:
            value = envelope("chat.completion.chunk", choices) | more
            writer.write(chunk(b"data: " + json.dumps(value).encode() + b"\n\n"))
            await writer.drain()

        def delta(**content: Any) -> list[dict[str, Any]]:
            return [{"index": 0, "delta": content, "finish_reason": None}]

        if self.options.reasoning:
            await event(delta(reasoning_content=self.options.reasoning))
        words = text.replace(" ", " \0").split("\0")
        if fault in ("truncated", "broken_off"):
            words = words[: len(words) // 2]
        if fault == "empty_choices":
            words = []
        for word in words:
            await event(delta(content=word))
        while fault == "endless":
            await event(delta(content="blah "))
            await asyncio.sleep(0.005)
        if fault == "truncated":
            raise Hangup
        if fault == "broken_off":
            end = {"index": 0, "delta": {}, "finish_reason": "error", "error": BROKEN_OFF}
            await event([end])
        elif fault != "empty_choices":
            await event([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        await event([], usage=usage)
        writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        self.stats["finished"] += fault not in ("empty_choices", "broken_off")

    async def send(
        self,
        writer: asyncio.StreamWriter,
        status: int,
        body: bytes,
        extra: dict[str, str] | None = None,
        kind: str = "application/json",
    ) -> None:
        writer.write(head(status, kind, len(body), extra) + body)
        await writer.drain()


def head(status: int, kind: str, length: int | None, extra: dict[str, str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}"]
    lines += [f"Content-Length: {length}" if length is not None else "Transfer-Encoding: chunked"]
    lines += [f"{k}: {v}" for k, v in (extra or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def envelope(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "x", "object": kind, "created": 0, "model": "faulty", "choices": choices}


def error_body(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "x", "code": None}}).encode()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise Hangup


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("answers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--faults", default="{}")
    parser.add_argument("--retry-after", type=float, default=0.05)
    parser.add_argument("--status", type=int, default=0)
    parser.add_argument("--reasoning", default="")
    asyncio.run(Server(parser.parse_args()).serve())


if __name__ == "__main__":
    main()
