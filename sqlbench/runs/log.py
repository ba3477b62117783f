"""Episodes that others run, kept as a run: a trainer's, an agent's, those of a server's clients.

The folder is an ordinary run's: `Run.open`, ``sqlbench show`` and ``sqlbench report`` read it. How
many episodes there will be is known to nobody beforehand, so ``run.json`` says how many there are:
it is written anew when the log is closed.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sqlbench.episodes.episode import Episode
from sqlbench.episodes.repair import Prompts
from sqlbench.grading import Golds
from sqlbench.paths import located
from sqlbench.policies import Policy, make_policy
from sqlbench.runs.config import make_config
from sqlbench.runs.files import read_json, write_json
from sqlbench.runs.plan import Answering, askable, make_meta
from sqlbench.runs.run import Run
from sqlbench.runs.writer import RunWriter
from sqlbench.suites import Suite

AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Agent:
    """Who answers where the environment has no model: a name for run.json and its figures."""

    spec: str = AGENT
    simulated: bool = False
    fingerprint: str = ""


class EpisodeLog:
    """Keeps every finished episode, in the order in which they end; from any thread.

    Parameters
    ----------
    folder : path-like
        The run's folder. One that such a log wrote before, of the same suite, model and policy, is
        gone on with.
    suite : Suite
        What is asked.
    model : ChatModel or Agent, optional
        Who answers; by default an agent with a model of its own.
    policy : Policy, optional
        Who chooses the repairs, by default nobody (``resample``).
    golds : Golds, optional
        Gold results to share.

    Raises
    ------
    RunFolderError
        If the folder holds other files or another run, or another process writes to it.
    """

    def __init__(
        self,
        folder: str | Path,
        suite: Suite,
        *,
        model: Answering | None = None,
        policy: Policy | None = None,
        golds: Golds | None = None,
    ) -> None:
        path, answering = located(folder), model or Agent()
        self.policy = policy or make_policy("resample")
        known = path / "run.json"
        so_far = read_json(known).get("config", {}).get("episodes") if known.exists() else 1
        config = make_config(
            suite=suite.spec,
            database=suite.server,
            model=answering.spec,
            policy=self.policy.spec,
            episodes=so_far,
        )
        golds, prompts = golds or Golds(suite), Prompts.load()
        questions, invalid = askable(suite, golds, None)
        meta = make_meta(config, suite, answering, prompts, questions, invalid)
        self._writer: RunWriter | None = RunWriter(meta, prompts, path)
        self.run: Run = self._writer.run
        self._asked = Counter(e.question_id for e in self.run.log)
        self._lock = threading.Lock()

    def append(self, episode: Episode) -> None:
        """Keep a finished episode, under the next number; one without an attempt is no episode.

        The episode's ``index`` and ``repeat`` are set to what they are in this log.
        """
        with self._lock:
            if not episode.steps or self._writer is None:
                return
            episode.index = len(self.run.log)
            episode.repeat = self._asked[episode.question_id]
            self._asked[episode.question_id] += 1
            self._writer.append(episode)

    def close(self) -> None:
        """Write what a finished run has beside its log, and let the folder go."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is None:
                return
            try:
                if self.run.log and self.run.folder is not None:
                    meta: dict[str, Any] = self.run.meta
                    meta["config"]["episodes"] = len(self.run.log)
                    self.run.config = make_config(**meta["config"])
                    write_json(self.run.folder / "run.json", meta)
                    writer.finish(self.policy)
            finally:
                writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
