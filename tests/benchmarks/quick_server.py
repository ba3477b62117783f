"""An OpenAI-compatible server that does no more than it must: a benchmark is not to measure it.

Run: python tests/benchmarks/quick_server.py ANSWERS.json LATENCY
ANSWERS.json is that of `fault_server.py`. The first line on standard output is the base URL.
The last, when standard input is closed: its calls, and its own seconds of processor time.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from functools import cache
from pathlib import Path

import orjson

ANSWERS: dict[str, list[str]] = json.loads(Path(sys.argv[1]).read_text())
LATENCY = float(sys.argv[2])
calls = 0


@cache
def bodies(user: str) -> list[bytes]:
    """Return the answers to a message, ready to be sent."""
    found = next((texts for question, texts in ANSWERS.items() if question in user), ["SELECT 1"])
    return [whole(text) for text in found]


def whole(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 2000, "completion_tokens": len(text) // 4}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = orjson.dumps({"id": "x", "object": "chat.completion", "created": 0, "model": "quick",
                         "choices": [choice], "usage": usage})  # fmt: skip
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.received = transport, b""

    def data_received(self, data):
        global calls
        self.received += data
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(rest) < int(length):
            return
        request, self.received = orjson.loads(rest), b""
        calls += 1
        answer = random.Random(request["seed"]).choice(bodies(request["messages"][-1]["content"]))
        asyncio.get_running_loop().call_later(LATENCY, self.transport.write, answer)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    started = time.process_time()
    await asyncio.to_thread(sys.stdin.read)
    print(calls, time.process_time() - started, flush=True)
    os._exit(0)


asyncio.run(main())
