import asyncio
import threading
import time

import pytest
from answering import answering, whole

import sqlbench as sb
from sqlbench.models import Calling
from sqlbench.models.calling.caller import Caller
from sqlbench.runs import experiment
from sqlbench.runs.to_its_end import made_in_thread
from sqlbench.runs.writer import RunWriter


class Work:
    """What goes on in its thread until it is told to end."""

    def __init__(self):
        self.began, self.told, self.undone = threading.Event(), threading.Event(), []

    def __call__(self):
        self.began.set()
        assert self.told.wait(30)
        return self

    async def undo(self, made):
        assert made is self
        self.undone.append(made)


def test_what_a_cancelled_task_has_begun_in_a_thread_is_undone_once_it_is_there():
    async def main():
        work = Work()
        task = asyncio.ensure_future(made_in_thread(work, work.undo))
        await asyncio.to_thread(work.began.wait)
        for _ in range(2):  # told twice, as by a user who is in a hurry
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done() and not work.undone
        work.told.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert work.undone == [work]

    asyncio.run(main())


def test_what_is_waited_for_stays_and_its_error_is_raised():
    async def main():
        work = Work()
        work.told.set()
        assert await made_in_thread(work, work.undo) is work and not work.undone
        with pytest.raises(ZeroDivisionError):
            await made_in_thread(lambda: 1 / 0, work.undo)

    asyncio.run(main())


@pytest.mark.parametrize("moment", ["takes its folder", "opens its store", "ends"])
def test_a_run_that_is_cancelled_in_a_thread_lets_its_folder_go(moment, tmp_path, monkeypatch):
    reached, told = threading.Event(), threading.Event()

    def hold(function):
        def held(*args):
            made = function(*args)
            reached.set()
            assert told.wait(30)
            return made

        return held

    async def play():
        await sb.run_experiment(
            episodes=3, out=tmp_path / "r", progress=False, calling=Calling(cache=tmp_path / "c")
        )

    async def main():
        if moment == "takes its folder":
            monkeypatch.setattr(experiment, "RunWriter", hold(RunWriter))
        elif moment == "opens its store":
            monkeypatch.setattr(Caller, "prepare", hold(Caller.prepare))
        else:
            monkeypatch.setattr(RunWriter, "finish", hold(RunWriter.finish))
        task = asyncio.ensure_future(play())
        while not reached.is_set():
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done(), "it is over, and a thread of it holds the folder"
        told.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        monkeypatch.undo()
        await play()  # no other process is writing it

    asyncio.run(main())
    assert len(sb.Run.open(tmp_path / "r").log) == 3


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_run_that_is_cancelled_again_and_again_keeps_what_it_has_paid_for(tmp_path, times):
    asked = []

    def answer(request):
        asked.append(request)
        time.sleep(0.3)
        return 200, whole("SELECT 1")

    async def main(model):
        task = asyncio.ensure_future(
            sb.run_experiment(
                "marketplace", model, "random", episodes=8, lag=7, concurrency=4, max_attempts=1,
                out=tmp_path, progress=False,
            )
        )  # fmt: skip
        while len(asked) < 4:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await task

    with answering(answer) as endpoint:
        asyncio.run(main(endpoint.model()))
    calls = (tmp_path / "calls.jsonl").read_text().splitlines()
    assert len(calls) == len(asked)
