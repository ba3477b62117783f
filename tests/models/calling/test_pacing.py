"""Retries, the gate on calls in flight, and the limits per minute."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace

import pytest
from scripted import Scripted, request

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.models import Calling, ModelError
from sqlbench.models.base import Restart
from sqlbench.models.calling.calling import PoliteModel
from sqlbench.models.calling.pacing import Gate, Window, pause_before
from sqlbench.models.endpoint.openai import retry_after


def transient(kind="server", **more):
    return ModelError("no", kind, transient=True, **more)


@pytest.fixture
def no_waiting(monkeypatch):
    waits = []

    def pause(retry, asked, rng):
        waits.append((retry, asked))
        return 0.0

    monkeypatch.setattr("sqlbench.models.calling.calling.pause_before", pause)
    return waits


async def test_retries_are_bounded_and_the_last_error_is_raised(no_waiting):
    model = Scripted(transient("timeout"))
    with pytest.raises(ModelError) as caught:
        await PoliteModel(model, Calling(retries=3), 4).complete(request())
    assert caught.value.kind == "timeout"
    assert len(model.calls) == 4 and [w for w, _ in no_waiting] == [1, 2, 3]


async def test_what_is_not_transient_is_not_tried_again(no_waiting):
    model = Scripted(ModelError("no", "refused"))
    with pytest.raises(ModelError):
        await PoliteModel(model, Calling(), 4).complete(request())
    assert len(model.calls) == 1 and no_waiting == []


async def test_an_endpoint_that_asks_for_an_hour_has_failed(no_waiting):
    model = Scripted(transient("rate_limit", retry_after=3600.0), "SELECT 1")
    with pytest.raises(ModelError):
        await PoliteModel(model, Calling(), 4).complete(request())
    assert len(model.calls) == 1


async def test_a_stream_that_breaks_off_says_that_it_begins_anew(no_waiting):
    model = Scripted(transient("connection"), "SELECT 1")
    pieces = [p async for p in PoliteModel(model, Calling(), 4).stream(request())]
    assert pieces[:-1] == ["SEL", "", "SEL", "ECT"] and isinstance(pieces[1], Restart)
    assert pieces[-1].text == "SELECT 1"


def test_the_wait_grows_with_jitter_and_retry_after_is_waited_out():
    rng = random.Random(0)
    for retry, longest in [(1, 0.5), (2, 1.0), (5, 8.0), (30, 60.0)]:
        waits = [pause_before(retry, None, rng) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
    waits = [pause_before(1, 20.0, rng) for _ in range(50)]
    assert 20.0 <= min(waits) < max(waits) <= 22.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers, seconds):
    assert retry_after(headers) == seconds


async def test_the_gate_shrinks_once_for_calls_in_flight_together_and_grows_again():
    gate = Gate(64)
    out = time.monotonic()
    gate.was_limited(out)
    for _ in range(63):
        gate.was_limited(out)
    assert gate.limit == pytest.approx(64 * 0.7)
    gate.was_limited(time.monotonic())
    assert gate.limit == pytest.approx(64 * 0.7**2)
    for _ in range(64):
        gate.went_well()
    assert 32 < gate.limit < 34
    for _ in range(10_000):
        gate.went_well()
    assert gate.limit == 64
    for _ in range(100):
        gate.was_limited(time.monotonic())
    assert gate.limit == 1


async def test_never_more_calls_are_in_flight_than_the_gate_allows():
    gate, most = Gate(5), 0

    async def call(cancelled):
        nonlocal most
        async with gate.pass_through():
            most = max(most, gate.in_flight)
            await asyncio.sleep(0.001)

    tasks = [asyncio.create_task(call(i % 3)) for i in range(60)]
    await asyncio.sleep(0.002)
    for task in tasks[20::7]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 5 and gate.in_flight == 0
    await asyncio.wait_for(call(0), 60)


async def test_the_oldest_episode_goes_first_whoever_asked_first():
    gate, passed = Gate(1), []

    async def call(turn):
        async with gate.pass_through(turn):
            passed.append(turn)
            await asyncio.sleep(0)

    await asyncio.gather(*(call(turn) for turn in (0.5, 0.9, 0.2, 0.7, 0.0)))
    assert passed == [0.5, 0.0, 0.2, 0.7, 0.9]  # the first found the gate open


async def test_a_later_attempt_does_not_pass_the_first_call_of_an_older_episode():
    asked = []

    class Noting(Scripted):
        async def complete(self, request):
            asked.append((request.progress, request.attempt))
            await asyncio.sleep(0)
            return await super().complete(request)

    model = PoliteModel(Noting("SELECT 1"), Calling(), concurrency=1)
    waiting = [replace(request(), progress=p, attempt=a) for p, a in ((0, 1), (0.4, 2), (0.1, 1))]
    await asyncio.gather(*(model.complete(each) for each in waiting))
    assert asked == [(0, 1), (0.1, 1), (0.4, 2)]


async def test_a_window_never_lets_more_through_in_any_stretch():
    window, passed = Window(10, seconds=0.2), []

    async def call():
        passed.append((await window.take(1))[0])

    await asyncio.gather(*(call() for _ in range(35)))
    assert all(b - a >= 0.2 for a, b in zip(passed, passed[10:], strict=False))
    assert passed[-1] - passed[0] < 60


async def test_a_window_is_corrected_by_what_a_call_really_used():
    window = Window(100, seconds=60.0)
    entry = await window.take(90)
    window.correct(entry, 20)
    await asyncio.wait_for(window.take(80), 30)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(window.take(1), 0.05)


async def test_limits_per_minute_hold_for_calls_and_tokens(monkeypatch):
    monkeypatch.setattr(
        "sqlbench.models.calling.calling.Window", lambda most: Window(most, seconds=0.2)
    )
    for limits in ({"max_requests_per_minute": 8}, {"max_tokens_per_minute": 8 * 15}):
        model = Scripted("SELECT 1")  # of 15 tokens
        polite = PoliteModel(model, Calling(**limits), 64)
        await asyncio.gather(*(polite.complete(request(seed=i)) for i in range(30)))
        assert len(model.calls) == 30
        # Not more than eight in any stretch; the call is noted a little after it was let through.
        assert all(b - a > 0.1 for a, b in zip(model.calls, model.calls[8:], strict=False))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"retries": -1}, "retries is at least 0, not -1"),
        ({"budget": -0.5}, "budget is at least 0"),
        ({"answer_seconds": 0}, "answer_seconds is more than 0"),
        ({"max_requests_per_minute": 0}, "max_requests_per_minute is more than 0"),
        ({"cache_mode": "replay"}, "needs the store"),
        ({"cache_mode": "never"}, "never"),
    ],
)
def test_bad_options_are_refused_by_name(values, match):
    with pytest.raises((ConfigError, UnknownNameError), match=match):
        Calling(**values)
