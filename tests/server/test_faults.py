"""What goes wrong: one clear error to the one who caused it, and the others go on."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serving import Served, call, serve, serve_slow
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sqlbench.client import SQLBenchEnv

TOKEN = "correct horse battery staple"
LATENCY = 2.0


@pytest.fixture(scope="module")
def tight():
    """Two sessions, a second of idleness, the shaped reward, and a token."""
    options = ("--max-sessions", "2", "--session-timeout", "1", "--reward", "shaped")
    with serve(*options, SQLBENCH_TOKEN=TOKEN) as served:
        yield served


@pytest.fixture(scope="module")
def slow():
    """One session; every call of the model takes its time and then fails."""
    with serve_slow(LATENCY, failure_rate=1.0, max_sessions=1) as served:
        yield served


def bearer(token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def until(true: Callable[[], bool], seconds: float) -> float:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, f"not so after {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - started


def has_room(served: Served, **options: Any) -> bool:
    try:
        with served.connect(**options) as ws:
            return call(ws, "reset", {})["type"] == "observation"
    except ConnectionClosed:  # the server closed it before our frame left
        return False


def step(data: str) -> str:
    return f'{{"type": "step", "data": {data}}}'


def reset(data: str) -> str:
    return f'{{"type": "reset", "data": {data}}}'


BAD_FRAMES = [
    ("{", "not valid JSON"),
    ("", "not valid JSON"),
    (b"\x00\xff", "binary"),
    ("[" * 100_000, "not valid JSON"),
    ("[1]", "A frame is an object"),
    ("null", "A frame is an object"),
    ("{}", "not None"),
    ('{"type": "dance"}', "not 'dance'"),
    ('{"type": ["reset"]}', "not ['reset']"),
    ('{"type": "step"}', "The data of a step frame"),
    ('{"type": "reset", "data": [1]}', "The data of a reset frame"),
    ('{"type": "state", "data": {}}', "no field 'data'"),
    (step('{"repair_action": 5}'), "repair_action=5 will not do"),
    (step('{"repair_action": "\\ud800"}'), "repair_action="),
    (step('{"repair_acton": "auto"}'), "'repair_acton'"),
    (step('{"action": "generate"}'), "valid are: repair_action, custom_sql, timeout_s."),
    (step('{"repair_action": "fix_nothing"}'), "Unknown action 'fix_nothing'"),
    (step('{"repair_action": "fix_column"}'), "Attempt 1 is always 'generate'"),
    (step('{"custom_sql": "\\ud800"}'), "custom_sql="),
    (step(json.dumps({"custom_sql": "x" * 100_001})), "at most 100000 characters"),
    (step(json.dumps({"custom_sql": "x" * 600_000})), "524288 characters"),
    (step('{"timeout_s": 0}'), "timeout_s=0 will not do"),
    (step('{"timeout_s": NaN}'), "timeout_s=nan will not do"),
    (reset('{"task_id": "hard_ones"}'), "Unknown task 'hard_ones'"),
    (reset('{"question_id": "simple_99"}'), "Unknown question 'simple_99'"),
    (reset('{"question_id": "\\ud800"}'), "question_id="),
    (reset('{"qestion_id": "simple_01"}'), "'qestion_id'"),
    (
        reset('{"id": "simple_01"}'),
        "valid are: seed, episode_id, task_id, question_id, split, index.",
    ),
    (reset('{"seed": -1}'), "seed=-1 will not do"),
    (reset('{"seed": "one"}'), "seed='one' will not do"),
    (reset('{"index": 3}'), "needs the split"),
    (reset('{"split": "marketplace", "index": 60}'), "0 to 59"),
    (reset('{"split": "marketplace", "task_id": "x"}'), "split and index, or"),
]


@pytest.mark.parametrize(("frame", "says"), BAD_FRAMES)
def test_a_bad_frame_gets_one_clear_error_and_the_session_goes_on(server: Served, frame, says):
    with server.connect() as ws:
        call(ws, "reset", {"question_id": "simple_02"})
        ws.send(frame)
        answer = json.loads(ws.recv(timeout=30))
        assert answer["type"] == "error"
        assert says in answer["data"]["message"] and len(answer["data"]["message"]) < 1500
        seen = call(ws, "step", {"custom_sql": "SELECT 1"})["data"]["observation"]
        assert seen["attempt_number"] == 1 and seen["question_id"] == "simple_02"


def test_steps_before_reset_and_after_the_end_say_what_to_call(server: Served):
    with server.connect() as ws:
        assert call(ws, "state")["data"]["active"] is False
        answer = call(ws, "step", {})
        assert "step() before reset(): call reset() first" in answer["data"]["message"]
        call(ws, "reset", {})
        for _ in range(5):
            last = call(ws, "step", {"custom_sql": "SELECT 1"})
        assert last["data"]["done"]
        said = call(ws, "step", {})["data"]["message"]
        assert said.endswith("step() after the episode is over: call reset() to start another.")
        assert "standard error" not in said, "nothing has failed there"
        assert call(ws, "reset", {})["type"] == "observation"


def test_plain_http_says_that_episodes_need_the_websocket(server: Served):
    status, text = server.request("/reset", {"question_id": "simple_03"})
    assert status == 200 and json.loads(text)["observation"]["question_id"] == "simple_03"
    status, text = server.request("/step", {"action": {"repair_action": "auto"}})
    assert status == 409 and "/ws" in json.loads(text)["detail"]
    status, text = server.request("/reset", {"question_id": "simple_99"})
    assert status == 400 and "Unknown question" in json.loads(text)["detail"]


def test_a_frame_past_all_bounds_closes_its_own_session_only(server: Served):
    with server.connect() as other:
        call(other, "reset", {})
        # The server says 1009 and closes; where it closes before all was sent, TCP resets
        # the connection and may drop that frame on its way.
        with server.connect() as ws, pytest.raises(ConnectionClosed, match=r"1009|no close frame"):
            ws.send("x" * 5_000_000)
            ws.recv(timeout=30)
        assert call(other, "step", {"custom_sql": "SELECT 1"})["type"] == "observation"


def test_hostile_sql_is_the_agents_error_and_changes_nothing(server: Served):
    # Twice the steps that the server's limit allows, and about a second where nothing stops it.
    long = "SELECT count(*) FROM order_items a, order_items b, (SELECT 1 UNION ALL SELECT 2)"
    attacks = ["DROP TABLE customers", "ATTACH '/etc/passwd' AS x", "PRAGMA writable_schema = 1"]
    count = {"custom_sql": "SELECT count(*) FROM customers"}
    with server.connect() as ws:
        call(ws, "reset", {})
        before = call(ws, "step", count)["data"]["observation"]["rows"]
        classes = []
        for sql in [*attacks, long]:
            answer = call(ws, "step", {"custom_sql": sql})["data"]["observation"]
            assert answer["error_message"] and answer["row_count"] is None
            classes.append(answer["error_class"])
        assert classes[-1] == "timeout"
        call(ws, "reset", {})
        assert call(ws, "step", count)["data"]["observation"]["rows"] == before


def test_a_page_of_another_origin_or_name_is_refused(server: Served):
    host = server.url.removeprefix("http://")
    assert server.request("/info", Origin=f"http://{host}")[0] == 200
    status, text = server.request("/info", Origin="http://evil.example")
    assert status == 403 and "evil.example" in text
    status, text = server.request("/info", Host="evil.example")
    assert status == 403 and "ask for localhost" in text
    with pytest.raises(InvalidStatus) as refused:
        server.connect(origin="http://evil.example")
    assert refused.value.response.status_code == 403


def test_the_client_past_the_last_place_is_told_that_the_server_is_full(tight: Served):
    with tight.connect(additional_headers=bearer()) as a:
        with tight.connect(additional_headers=bearer()) as b:
            call(a, "reset", {}), call(b, "reset", {})
            with tight.connect(additional_headers=bearer()) as c:
                answer = json.loads(c.recv(timeout=30))
                assert answer["data"]["code"] == "CAPACITY_REACHED"
                assert "2/2 sessions" in answer["data"]["message"]
                with pytest.raises(ConnectionClosed):
                    c.recv(timeout=30)
            assert call(b, "step", {"custom_sql": "SELECT 1"})["type"] == "observation"
        with tight.connect(additional_headers=bearer()) as d:
            assert call(d, "reset", {})["type"] == "observation"


def test_an_idle_session_times_out_says_so_and_frees_its_place(tight: Served):
    headers = bearer()
    with (
        tight.connect(additional_headers=headers) as a,
        tight.connect(additional_headers=headers) as b,
    ):
        call(a, "reset", {})
        call(b, "reset", {})
        # openenv looks for idle sessions every 5 s.
        until(lambda: has_room(tight, additional_headers=headers), 20)
        for kind, data in [("step", {}), ("step", {}), ("reset", {}), ("state", None)]:
            for idle in (a, b):
                answer = call(idle, kind, data)
                assert answer["type"] == "error"
                assert "had no step for 1 s" in answer["data"]["message"]


def test_a_token_is_needed_by_every_route(tight: Served):
    wrong = [{}, bearer("wrong"), bearer(""), {"Authorization": TOKEN},
             {"Authorization": "Basic !"}, {"Authorization": "Bearer " + TOKEN[:-1]}]  # fmt: skip
    routes = [("/", None), ("/info", None), ("/health", None), ("/openapi.json", None),
              ("/docs", None), ("/no_such", None), ("/stream", {}), ("/reset", {}), ("/mcp", {}),
              ("/sqlbench/tasks", {"split": "marketplace"})]  # fmt: skip
    for path, body in routes:
        for headers in wrong:
            status, text = tight.request(path, body, **headers)
            assert status == 401 and "wrong or missing token" in json.loads(text)["detail"]
        assert tight.request(path, body, **bearer())[0] in (200, 404)
    for headers in wrong:
        for path in ("/ws", "/mcp"):
            with pytest.raises(InvalidStatus) as refused:
                Served(tight.process, tight.url).connect(additional_headers=headers)
            assert refused.value.response.status_code == 401, path
    # A browser asks for a name and a password: the token is the password.
    basic = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    assert tight.request("/info", Authorization=f"Basic {basic}")[0] == 200
    assert TOKEN not in "".join(tight.request(p, **bearer())[1] for p in ("/", "/info", "/docs"))


async def test_the_typed_client_sends_the_token_and_gets_the_shaped_reward(tight: Served):
    async with SQLBenchEnv(tight.url, token=TOKEN) as env:
        await env.reset()
        result = await env.step("generate")
        assert result.reward == result.observation.shaped_reward
    with pytest.raises(ConnectionError, match="401"):
        await SQLBenchEnv(tight.url, token="wrong").connect()
    events = [e async for e in SQLBenchEnv(tight.url, token=TOKEN).stream("simple_queries")]
    assert events[-1]["reward"] == events[-1]["shaped_reward"]


def test_openenv_validates_a_server_with_a_token(tight: Served):
    url = tight.url.replace("//", f"//me:{TOKEN.replace(' ', '%20')}@")
    openenv = str(Path(sys.executable).parent / "openenv")
    command = [openenv, "validate", "--url", url, "--timeout", "60"]
    out = subprocess.run(command, capture_output=True, text=True)
    assert out.returncode == 0 and "Verdict: PASS" in out.stdout, out.stdout + out.stderr


def test_a_step_has_a_limit_and_a_failing_model_is_no_wrong_sql(slow: Served):
    with slow.connect() as ws:
        call(ws, "reset", {})
        answer = call(ws, "step", {"timeout_s": 0.2})
        assert "limit of 0.2 s: the attempt is not counted" in answer["data"]["message"]
        answer = call(ws, "step", {})
        assert "model_error (server)" in answer["data"]["message"]
        assert call(ws, "state")["data"]["attempt_number"] == 0
        seen = call(ws, "step", {"custom_sql": "SELECT 1", "timeout_s": 5})["data"]["observation"]
        assert seen["attempt_number"] == 1
    for action, kind in (({"timeout_s": 0.2}, "timeout"), ({}, "model_error")):
        events = slow.stream({"actions": [action]})
        assert [e["type"] for e in events] == ["attempt_start", "stream_error", "observation"]
        assert events[1]["kind"] == kind and events[2]["attempt_number"] == 0


def test_a_client_lost_in_mid_step_frees_its_session_at_once(slow: Served):
    with slow.connect() as ws:
        call(ws, "reset", {})
        ws.send(step("{}"))
        time.sleep(0.2)
        ws.socket.shutdown(socket.SHUT_RDWR)  # as a killed process does: no closing handshake
        assert until(lambda: has_room(slow), 10) < LATENCY - 0.5


def test_a_lost_stream_gives_its_place_back(slow: Served):
    host, port = slow.url.removeprefix("http://").split(":")
    request = b"POST /stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    lost = socket.create_connection((host, int(port)))
    lost.sendall(request + b"Content-Length: 2\r\n\r\n{}")
    assert b"200 OK" in lost.recv(1000)
    status, text = slow.request("/stream", {})
    assert status == 503 and "The server is full: 1 streams" in text
    lost.close()
    body = {"actions": [{"timeout_s": 0.1}]}
    assert until(lambda: slow.request("/stream", body)[0] == 200, 10) < LATENCY - 0.5


def test_sessions_leave_no_file_handles_and_no_threads_behind(server: Served):
    process = Path(f"/proc/{server.process.pid}")

    def play(sessions: int) -> tuple[int, int]:
        for _ in range(sessions):
            with server.connect() as ws:
                call(ws, "reset", {})
                call(ws, "step", {"custom_sql": "SELECT 1"})
        time.sleep(0.5)
        return len(os.listdir(process / "fd")), len(os.listdir(process / "task"))

    handles, threads = play(20)
    more_handles, more_threads = play(200)
    assert more_handles <= handles + 2 and more_threads <= threads + 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "Without a token the server binds to loopback only"),
        (["--host", "0.0.0.0", "--token", " "], "The token must be ASCII text and not empty"),
        (["--suite", "markt"], "Unknown suite 'markt'"),
        (["--model", "gpt"], "Unknown model 'gpt'"),
        (["--policy", "best"], "Unknown policy 'best'"),
        (["--reward", "big"], "Unknown reward 'big'"),
        (["--max-sessions", "0"], "max_sessions is at least 1, not 0"),
        (["--session-timeout", "-1"], "session_timeout is a number of seconds above 0"),
        (["--port", "70000"], "A port is a number from 0 to 65535"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(monkeypatch, capsys, options, says):
    from sqlbench.cli import main

    monkeypatch.setattr(sys, "argv", ["sqlbench", "serve", "--port", "0", *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err


def test_a_port_in_use_is_said_in_a_sentence(monkeypatch, capsys):
    from sqlbench.cli import main

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["sqlbench", "serve", "--port", port])
        with pytest.raises(SystemExit) as stopped:
            main()
    assert stopped.value.code == 2
    assert f"Cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


def test_cells_of_every_engine_are_sent_as_json() -> None:
    from sqlbench.databases.base import NAN
    from sqlbench.server.observing import cell

    cells = [NAN, float("inf"), float("-inf"), -0.0, 1.7e38, b"ab", "[1, NULL]", True, None]
    sent = json.loads(json.dumps([cell(c) for c in cells], allow_nan=False))
    assert sent == ["nan", "inf", "-inf", 0.0, 1.7e38, "x'6162'", "[1, NULL]", True, None]
