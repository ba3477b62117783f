"""Plain frames of an agent's session are answered where they are read, and as openenv answers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from serving import Served, call, serve

import sqlbench as sb
from sqlbench.environment.wire import MAX_SQL_CHARS, SQLAgentAction
from sqlbench.server import gate, short_way
from sqlbench.server.gate import Gate
from sqlbench.server.short_way import SEEN_SECONDS, SHORT_WAY, Plain, ShortWay

STEP = {"type": "step", "data": {"sql": "SELECT 1"}}
QUERIES = [
    "SELECT name FROM customers", "SELEC", "", "generate", "SELECT NULL, 1.5, x'00ff', 'é€'",
    "```sql\nSELECT 2\n```", "SELECT name FROM customers WHERE 0", "SELECT 9223372036854775807",
    "SELECT printf('%600s', 'x')", "SELECT * FROM nowhere", "DROP TABLE customers",
    "SELECT 1 AS a, 2 AS a", "SELECT 9e999, -1e-7, 1e22",
]  # fmt: skip


@pytest.fixture(scope="module", params=[(), ("--signals",)], ids=["plain", "signals"])
def agents(request):
    with serve("--agent", *request.param) as served:
        yield served


def test_both_ways_answer_the_same(agents: Served):
    """What makes a frame long here changes nothing else: an empty metadata, a seed of null."""
    question = next(iter(sb.load_suite("marketplace")))
    asked = {"question_id": question.id}
    seen: dict[str, list[Any]] = {"short": [], "long": []}
    with agents.connect() as ws:
        call(ws, "reset", asked)  # by openenv: it makes the session's environment
        for way, more, seed in (("short", {}, {}), ("long", {"metadata": {}}, {"seed": None})):
            for start in range(0, len(QUERIES), 4):
                texts = [call(ws, "reset", asked | seed)]
                texts += [call(ws, "step", {"sql": q} | more) for q in QUERIES[start : start + 4]]
                texts += [call(ws, "step", {"sql": question.gold} | more) for _ in range(2)]
                texts.append(call(ws, "reset", {"question_id": "nobody"} | seed))
                texts.append(call(ws, "reset", {"index": 1} | seed))
                seen[way] += [json.dumps(text) for text in texts]  # the order of the fields counts
    assert seen["short"] == seen["long"]
    assert sum('"error"' in text[:20] for text in seen["short"]) == 8  # the resets that cannot be


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (json.dumps(STEP), Plain("SELECT 1", {})),
        ('{"type": "reset", "data": {}}', Plain(None, {})),
        ('{"type": "reset", "data": {"seed": 3}}', Plain(None, {"seed": 3})),
        ('{"type": "reset", "data": {"seed": 18446744073709551616}}', None),
        ('{"type": "reset", "data": {"self": 3}}', None),
        ('{"type": "reset"}', None),
        ('{"type": "step", "data": {"sql": "SELECT 1", "metadata": {}}}', None),
        ('{"type": "step", "data": {"sql": 7}}', None),
        ('{"type": "step", "data": {"query": "SELECT 1"}}', None),
        ('{"type": "step", "data": ["sql"]}', None),
        ('{"type": "step", "data": {"sql": "SELECT 1"}, "more": 1}', None),
        ('{"type": "state", "data": {}}', None),
        ('{"type": ["step"], "data": {"sql": "x"}}', None),
        ('{"type": "step", "data": {"sql": "\\ud800"}}', None),
        ("[1, 2]", None),
        ("{", None),
        (json.dumps({"type": "step", "data": {"sql": "x" * (MAX_SQL_CHARS + 1)}}), None),
        (None, None),
    ],
)
def test_only_a_plain_frame_of_an_open_session_goes_the_short_way(text, found):
    way = ShortWay()
    assert way.read(text) is None  # no session yet
    way.session = Session()
    way.read(json.dumps(STEP))  # openenv's
    assert way.read(text) == found


def test_openenv_sees_a_frame_of_a_busy_session_every_second(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(short_way.time, "monotonic", lambda: now[0])
    way = ShortWay()
    way.session = Session()
    taken = []
    for _ in range(50):
        taken.append(way.read(json.dumps(STEP)) is not None)
        now[0] += SEEN_SECONDS / 10
    assert 4 <= taken.count(False) <= 6 and not taken[0] and all(taken[1:10])


class Session:
    """Answers with what it was given, or raises it, after some time."""

    def __init__(self, answer: Any = None, seconds: float = 0.0) -> None:
        self.answer, self.seconds, self.ended = answer, seconds, False

    async def step_fields(self, sql: str) -> dict[str, Any]:
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.ended = True
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict(self.answer)

    reset_fields = step_fields


async def through_gate(session: Session, *frames: Any) -> tuple[list[Any], list[Any]]:
    """Return what the app behind a gate was handed of some frames, and what was sent."""
    handed: list[Any] = []
    sent: list[Any] = []
    coming: asyncio.Queue[Any] = asyncio.Queue()
    for frame in frames:
        coming.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})
    coming.put_nowait({"type": "websocket.disconnect"})

    async def app(scope: Any, receive: Any, send: Any) -> None:
        way = SHORT_WAY.get()
        assert way is not None
        handed.append(await receive())
        way.session = session  # type: ignore[assignment]
        while handed[-1]["type"] == "websocket.receive":
            handed.append(await receive())

    async def send(message: Any) -> None:
        sent.append(json.loads(message["text"]))

    scope = {"type": "websocket", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 1)}
    await Gate(app, None, 4, SQLAgentAction)(scope, coming.get, send)
    return handed, sent


async def test_the_gate_answers_plain_frames_itself_and_hands_on_the_others(monkeypatch):
    monkeypatch.setattr(short_way, "SEEN_SECONDS", 60.0)
    odd = {"type": "state"}
    handed, sent = await through_gate(Session({"question": "q"}), odd, STEP, STEP, odd, STEP)
    shown = [json.loads(m["text"]) for m in handed if "text" in m]
    assert shown == [odd, STEP, odd]  # the first step, so that openenv sees one, and what is odd
    assert [s["data"]["observation"]["question"] for s in sent] == ["q", "q"]


@pytest.mark.parametrize(
    "value", [2**70, "half a pair: \ud800", 2**63 - 1, -0.0], ids=["wide", "half", "widest", "zero"]
)
async def test_what_orjson_cannot_write_is_written_all_the_same(value):
    way = ShortWay()
    way.session = Session({"rows": [[value]], "reward": 0.5, "done": True})  # type: ignore[assignment]
    data = json.loads(await way.answer(Plain("SELECT 1", {})))["data"]
    assert data["observation"]["rows"] == [[value]]
    assert (data["reward"], data["done"]) == (0.5, True)


async def test_a_step_that_cannot_be_taken_is_an_error_frame():
    way = ShortWay()
    way.session = Session(ValueError("no \ud800"))  # type: ignore[assignment]
    answer = json.loads(await way.answer(Plain("SELECT 1", {})))
    said = {"message": "no \ud800", "code": "EXECUTION_ERROR"}
    assert answer == {"type": "error", "data": said}


async def test_a_client_lost_in_mid_step_ends_the_step(monkeypatch):
    monkeypatch.setattr(gate, "LOOK_SECONDS", 0.001)
    session, since = Session({}, seconds=30), time.monotonic()
    handed, sent = await through_gate(session, {"type": "state"}, STEP, STEP)
    assert time.monotonic() - since < 10 and session.ended and not sent
    assert len(handed) == 2
