"""A client that is busy keeps its session; one that lost it is told so, and why."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from serving import Served
from websockets.asyncio.server import serve as serve_websocket

from sqlbench.client import GRACE_SECONDS, ServerError, SessionLostError, SQLBenchEnv
from sqlbench.server import ServerConfig, run

SEEN = {"question": "q", "question_id": "q1", "schema_info": "", "max_attempts": 5}
SEEN |= {"task_id": "t", "task_difficulty": "easy"}


async def test_a_busy_client_is_waited_for_and_waits_longer_than_a_step_may_take(server: Served):
    async with SQLBenchEnv(server.url) as client:
        assert client._message_timeout == 600 + GRACE_SECONDS
        assert client._ws.ping_timeout is None and client._ws.ping_interval == 20
    async with SQLBenchEnv(server.url, message_timeout_s=7) as client:
        assert client._message_timeout == 7


def test_the_server_waits_for_a_pong_longer_than_a_session_lasts(monkeypatch):
    made = []

    class Server:
        def __init__(self, config: uvicorn.Config) -> None:
            made.append(config)

        def run(self, sockets: list[Any]) -> None:
            sockets[0].close()

    monkeypatch.setattr(uvicorn, "Server", Server)
    run.serve(ServerConfig(session_timeout=900), port=0)
    assert made[0].ws_ping_timeout > 900 and made[0].ws_ping_interval == 20


@asynccontextmanager
async def session(*frames: Any) -> AsyncIterator[str]:
    """Serve connections that answer with these frames; a pair of code and reason closes one."""

    async def handle(socket: Any) -> None:
        for frame in frames:
            await socket.recv()
            if isinstance(frame, tuple):
                await socket.close(*frame)
            elif frame is not None:
                await socket.send(json.dumps(frame))
        await socket.wait_closed()

    async with serve_websocket(handle, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


BEGUN = {"type": "observation", "data": {"observation": SEEN}}
OVER = {"type": "error", "data": {"message": "This session is over: …", "code": "EXECUTION_ERROR"}}


@pytest.mark.parametrize(
    ("then", "why"),
    [
        ((1011, "keepalive ping timeout"), "1011: keepalive ping timeout"),
        (None, r"no answer .* 0\.3 s"),
    ],
)
async def test_a_lost_session_says_so_at_every_step_until_reset(then, why):
    async with session(BEGUN, then) as url, SQLBenchEnv(url, message_timeout_s=0.3) as client:
        await client.reset()
        for _ in range(3):
            with pytest.raises(SessionLostError, match=rf"was lost.*{why}.*Call reset\(\)"):
                await client.step("auto")
        assert (await client.reset()).observation.question_id == "q1"


async def test_a_connection_that_broke_between_two_steps_is_a_lost_session():
    async with session(BEGUN) as url, SQLBenchEnv(url) as client:
        await client.reset()
        client._ws.transport.abort()
        await asyncio.sleep(0.05)
        with pytest.raises(SessionLostError, match="the connection broke"):
            await client.step("auto")


async def test_a_step_that_its_caller_gave_up_loses_the_session():
    async with session(BEGUN, None) as url, SQLBenchEnv(url) as client:
        await client.reset()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.step("auto"), 0.1)
        with pytest.raises(SessionLostError, match="a call was given up"):
            await client.step("auto")


async def test_a_session_that_is_over_begins_anew_with_reset():
    async with session(BEGUN, OVER) as url, SQLBenchEnv(url) as client:
        await client.reset()
        with pytest.raises(RuntimeError, match="This session is over"):
            await client.step("auto")
        assert (await client.reset()).observation.question_id == "q1"


async def test_a_stream_that_times_out_or_breaks_off_says_so():
    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/stream" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(1)
        writer.close()

    async with await asyncio.start_server(begin, "127.0.0.1", 0) as served:
        url = f"http://127.0.0.1:{served.sockets[0].getsockname()[1]}"
        with pytest.raises(ServerError, match=r"timed out: no event came in 0\.2 s"):
            async for _ in SQLBenchEnv(url, message_timeout_s=0.2).stream():
                pass
    with pytest.raises(ServerError, match="broke off"):
        async for _ in SQLBenchEnv(url).stream():
            pass
