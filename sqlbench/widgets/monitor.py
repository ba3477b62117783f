"""The live monitor: an experiment with Start, Pause and Stop, drawn while it runs.

Another process draws it (`sqlbench.plots.painter`), so that watching costs the run next to nothing.
Stop keeps what is done in the run's folder, and Start goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from pathlib import Path
from typing import Any

import ipywidgets as w

from sqlbench import html
from sqlbench.exceptions import SQLBenchError
from sqlbench.models import ChatModel
from sqlbench.plots.painter import Painter, png
from sqlbench.policies.registry import POLICY_NAMES
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run
from sqlbench.suites import Suite, load_suite
from sqlbench.widgets.background import Background
from sqlbench.widgets.folders import Folders, key_of
from sqlbench.widgets.pace import Pace

ALL_TASKS = "all tasks"
SHORTEST = 0.5  # seconds between two drawings, at least
REST = 2.0  # times as long as a drawing takes: no drawing, lest it be busy all the time
# The monitors of this kernel by their folder, while anybody holds them.
_WATCHED: weakref.WeakValueDictionary[object, Monitor] = weakref.WeakValueDictionary()
STATUS = 0.25  # seconds between two status lines, at least


class Monitor(w.VBox):  # type: ignore[misc]
    """The live monitor; made by `monitor`, whose parameters it takes.

    Attributes
    ----------
    run : Run or None
        The run so far.
    state : str
        ``ready``, ``running``, ``paused``, ``stopped``, ``finished`` or ``failed``.
    error : Exception or None
        What made the run fail.
    """

    def __init__(
        self,
        suite: Suite | str,
        model: ChatModel | str,
        policy: str,
        *,
        episodes: int,
        out: str | Path | None,
        concurrency: int,
        lag: int,
        task: str | None,
        **options: Any,
    ) -> None:
        self._suite = load_suite(suite) if isinstance(suite, str) else suite
        self._model, self._options = model, options
        self._folders, self._pace = Folders(out), Pace()
        self._background = Background()
        self._go = asyncio.Event()
        self.run: Run | None = None
        self.state = "ready"
        self.error: Exception | None = None
        self._told = 0.0
        self._handle: Any = None
        self._painter = Painter()
        self._make_controls(policy, episodes, concurrency, lag, task)
        row = {"flex_flow": "row wrap"}
        super().__init__(
            [
                w.HBox([self.start_button, self.pause_button, self.stop_button], layout=row),
                w.HBox([self.suite, self.task, self.policy, self.alpha], layout=row),
                w.HBox([self.episodes, self.concurrency, self.lag], layout=row),
                self.message,
                self.progress,
                self.status,
            ]
        )
        self._look_into_folder()
        self._set_state("ready")

    def start(self) -> None:
        """Start, or go on from where the run was paused or stopped."""
        if self.state == "paused":
            self.pause()
        elif self.state != "running":
            self._go.set()
            self._set_state("running")
            self._background.spawn(self._run)

    def pause(self) -> None:
        """Hold the run up after the episodes that are in flight; once more: go on."""
        if self.state == "running":
            self._background.call(self._go.clear)
            self._set_state("paused")
        elif self.state == "paused":
            self._set_state("running")
            self._background.call(self._go.set)

    def stop(self) -> None:
        """Stop, and keep what is done."""
        if self.state in ("running", "paused"):
            self._background.cancel()

    def attached(self) -> None:
        """Say that a cell that was run again shows the run that is under way."""
        text = "Attached to the run that is under way here; stop it to start another in its folder."
        self.message.value = html.frame(html.note(text))

    async def finished(self) -> Run:
        """Start if nothing runs, and wait until the run is finished or stopped.

        Raises
        ------
        Exception
            What made the run fail; what was finished is in `run`.
        RuntimeError
            If it was stopped before there was a run to return.
        """
        if self.state != "paused":
            self.start()
        try:
            await self._background.settled()
        except asyncio.CancelledError:  # the kernel's interrupt: what is finished is kept
            self.stop()
            await self._background.settled()
            raise
        if self.error is not None:
            raise self.error
        if self.run is None:
            raise RuntimeError("The run was stopped before it began.")
        return self.run

    def _look_into_folder(self) -> None:
        """Say how far the run is that the named folder holds, as after the kernel's restart."""
        folder = self._folders.named
        if folder is None or not (folder / "run.json").is_file():
            return
        try:
            run = Run.open(folder)
            done, total = len(run.log), run.config.episodes
        except SQLBenchError as error:
            self._say(str(error))
            return
        self.run = run
        left = "Start goes on with them" if done < total else "it is finished"
        text = f"The folder holds {done:,} of {total:,} episodes of {run.label}: {left}."
        self.message.value = html.frame(html.note(text))

    def _make_controls(
        self, policy: str, episodes: int, concurrency: int, lag: int, task: str | None
    ) -> None:
        name, _, query = policy.partition("?")
        given, rest = _split_alpha(query)
        names = [name, *(p for p in POLICY_NAMES if p != name)]
        self._rest = {name: rest}
        self.suite = w.Text(self._suite.spec, description="Suite")
        if task is not None:
            self._suite.task(task)
        tasks = [ALL_TASKS, *self._suite.tasks]
        self.task = w.Dropdown(options=tasks, value=task or ALL_TASKS, description="Task")
        self.policy = w.Dropdown(options=names, description="Policy")
        self.alpha = w.BoundedFloatText(1.5 if given is None else given, min=0, max=1e6, step=0.1)
        self.alpha.description = "α (linucb)"
        self.episodes = w.BoundedIntText(episodes, min=1, max=10**7, description="Episodes")
        self.concurrency = w.BoundedIntText(concurrency, min=1, max=10**4)
        self.concurrency.description = "Concurrent"
        self.concurrency.tooltip = "Episodes in flight; at most lag + 1. It changes no result."
        self.lag = w.BoundedIntText(lag, min=0, max=10**4, description="Lag")
        self.start_button = w.Button(description="Start", icon="play", button_style="primary")
        self.pause_button = w.Button(description="Pause", icon="pause")
        self.stop_button = w.Button(description="Stop", icon="stop")
        self.progress = w.IntProgress(0, 0, episodes, layout={"width": "auto"})
        self.message, self.status, self.problem = w.HTML(), w.HTML(), ""
        self.start_button.on_click(lambda _: self.start())
        self.pause_button.on_click(lambda _: self.pause())
        self.stop_button.on_click(lambda _: self.stop())
        self.policy.observe(lambda _: self._offer_alpha(), "value")
        self.suite.continuous_update = False
        self.suite.observe(lambda _: self._choose_suite(), "value")

    async def _run(self) -> None:
        self._say("")
        self.error = None
        self._pace.start()
        self._told = 0.0
        over = asyncio.Event()
        drawing = asyncio.create_task(self._draw_along(over))
        try:
            self.run = await run_experiment(
                self._suite,
                self._model,
                self._policy_spec(),
                episodes=self.episodes.value,
                task=None if self.task.value == ALL_TASKS else self.task.value,
                lag=self.lag.value,
                concurrency=self.concurrency.value,
                out=self._folder(),
                progress=False,
                on_episode=self._after_episode,
                **self._options,
            )
        except asyncio.CancelledError:
            self._set_state("stopped")
        except Exception as error:
            # Whatever it is belongs beside the controls, too: after a click nobody waits for it.
            self.error = error
            self._say(str(error) if isinstance(error, SQLBenchError) else repr(error))
            self._set_state("failed")
        else:
            self._set_state("finished")
        self._tell()
        over.set()
        await drawing
        await self._draw()
        if self.state not in ("running", "paused"):  # or started anew: then that draws on
            await self._painter.close()

    async def _after_episode(self, run: Run) -> None:
        self.run = run
        self._pace.see(run)
        now = time.monotonic()
        if now - self._told >= STATUS:
            self._tell()
            await asyncio.sleep(0)  # a run that never waits would keep clicks waiting
        if not self._go.is_set():
            self._tell()
            await self._go.wait()
            self._pace.leave_out(time.monotonic() - now)

    async def _draw_along(self, over: asyncio.Event) -> None:
        """Draw what is new, again and again, and rest longer than a drawing took."""
        drawn: tuple[Run, int] | None = None
        while not over.is_set():
            begun = time.monotonic()
            if self.run is not None and drawn != (self.run, len(self.run.log)):
                drawn = self.run, len(self.run.log)
                await self._draw()
            with contextlib.suppress(TimeoutError):
                rest = max(SHORTEST, REST * (time.monotonic() - begun))
                await asyncio.wait_for(over.wait(), rest)

    async def _draw(self) -> None:
        if self._handle is None or self.run is None or self.run.folder is None:
            return
        try:
            self._handle.update(_image(await self._painter.paint(self.run.folder)))
        except SQLBenchError as error:
            self._say(str(error))

    def _tell(self) -> None:
        """Say how far the run is, how fast, what it costs, and how long it will take."""
        self._told = time.monotonic()
        run = self.run
        if run is not None:
            self.progress.max = run.config.episodes
            self.progress.value = len(run.log) + len(run.failed)
        kept = self._folders.told(None if run is None else run.folder)
        self.status.value = self._pace.status(run, self.state, kept)

    def _folder(self) -> Path:
        """Return where this configuration is kept."""
        shaping = (self._suite.spec, self.task.value, self._policy_spec())
        return self._folders.of(*shaping, self.episodes.value, self.lag.value)

    def _policy_spec(self) -> str:
        name = str(self.policy.value)
        parts = [self._rest.get(name, "")]
        if name == "linucb":
            parts.insert(0, "" if self.alpha.value == 1.5 else f"alpha={self.alpha.value:g}")
        query = "&".join(filter(None, parts))
        return f"{name}?{query}" if query else name

    def _choose_suite(self) -> None:
        if self.suite.value == self._suite.spec:
            return
        if not isinstance(self._model, str):
            self._say("The model was made for the given suite: make a new monitor for another.")
            self.suite.value = self._suite.spec
            return
        try:
            self._suite = load_suite(self.suite.value)
        except SQLBenchError as error:
            self._say(str(error))
            self.suite.value = self._suite.spec
            return
        self._say("")
        self.task.options = [ALL_TASKS, *self._suite.tasks]

    def _offer_alpha(self) -> None:
        self.alpha.disabled = self.policy.value != "linucb" or self.state in ("running", "paused")

    def _set_state(self, state: str) -> None:
        self.state = state
        busy = state in ("running", "paused")
        shaping = (self.suite, self.task, self.policy, self.episodes, self.concurrency, self.lag)
        for control in shaping:
            control.disabled = busy
        self._offer_alpha()
        self.start_button.disabled = state == "running"
        kept = state == "ready" and self.run is not None and not self.run.finished
        go_on = kept or state in ("paused", "stopped")
        self.start_button.description = "Go on" if go_on else "Start"
        self.pause_button.disabled = state != "running"
        self.stop_button.disabled = not busy
        whole = "warning" if self.run is not None and self.run.failed else "success"
        self.progress.bar_style = {"finished": whole, "failed": "danger"}.get(state, "")
        self._tell()

    def _say(self, problem: str) -> None:
        self.problem = problem
        self.message.value = html.problem(problem) if problem else ""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self._repr_mimebundle_(), raw=True)  # type: ignore[no-untyped-call]
        # Below the controls, and a picture of its own: so it is in every export.
        self._handle = display(  # type: ignore[no-untyped-call]
            _image(png(self.run)), display_id=True
        )


def monitor(
    suite: Suite | str = "marketplace",
    model: ChatModel | str = "simulated",
    policy: str = "linucb",
    *,
    episodes: int = 300,
    out: str | Path | None = None,
    concurrency: int = 1,
    lag: int = 0,
    task: str | None = None,
    **options: Any,
) -> Monitor:
    """Watch an experiment while it runs, with Start, Pause and Stop.

    Where a run is under way in the same folder in this kernel (without ``out``: one that was asked
    for in the same words), this is its monitor: a cell that is run again attaches to it.

    Parameters
    ----------
    suite, model, policy, episodes, concurrency, lag, task
        See `run_experiment`; the controls change them before a start.
    out : path or None
        The run's folder. None takes a temporary one for each configuration, which Start goes on
        with, and which is gone when the kernel ends.
    **options
        More parameters of `run_experiment`.

    Examples
    --------
    >>> watched = sb.widgets.monitor(episodes=1000)  # doctest: +SKIP
    >>> watched  # doctest: +SKIP
    """
    shaping: dict[str, Any] = {
        "policy": policy,
        "episodes": episodes,
        "concurrency": concurrency,
        "lag": lag,
    }
    key = key_of(out, suite=suite, model=model, task=task, **shaping, **options)
    running = _WATCHED.get(key)
    if running is not None and running.state in ("running", "paused"):
        running.attached()
        return running
    made = Monitor(suite, model, out=out, task=task, **shaping, **options)
    _WATCHED[key] = made
    return made


def _image(picture: bytes) -> Any:
    from IPython.display import Image

    return Image(picture, alt="What the run has brought so far")  # type: ignore[no-untyped-call]


def _split_alpha(query: str) -> tuple[float | None, str]:
    """Return α, which has a control, and the other parameters of a policy's spec."""
    alpha, rest = None, []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        try:
            alpha = float(value) if name == "alpha" else alpha
        except ValueError:
            name = ""
        if name != "alpha":
            rest.append(part)
    return alpha, "&".join(rest)
