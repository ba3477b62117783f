"""What a run would cost, before it is started: its calls and about how many tokens they take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sqlbench.environment.environment import SQLAgentEnv
from sqlbench.episodes.repair import Prompts
from sqlbench.grading import Golds
from sqlbench.models import load_model
from sqlbench.models.base import MAX_COMPLETION_TOKENS, Usage
from sqlbench.models.calling.budget import Price, estimate_tokens, load_prices
from sqlbench.models.calling.cache import ResponseStore
from sqlbench.models.calling.caller import store_path
from sqlbench.models.calling.keys import request_key
from sqlbench.models.calling.options import Calling
from sqlbench.models.predictions import with_repairs
from sqlbench.paths import located
from sqlbench.runs.admission import check_config
from sqlbench.runs.config import RunConfig
from sqlbench.runs.plan import askable, make_slots
from sqlbench.runs.run import Run
from sqlbench.suites import load_suite

# Tokens of a typical answer: a query of Spider or BIRD in a code block.
TYPICAL_ANSWER = 100
# Tokens that a repair's prompt has beyond that of a first answer, for each failed attempt.
REPAIR_EXTRA = 150


@dataclass(frozen=True, slots=True)
class Estimate:
    """Calls and tokens of a run: at least (all right at once) and at most (every attempt used).

    Attributes
    ----------
    calls : (int, int)
        Fewest and most calls.
    prompt_tokens, completion_tokens : (int, int)
        About, for the fewest and the most calls: four characters a token, a typical answer.
    stored : int
        How many of the first answers the response store holds already.
    cost : (float, float) or None
        None without a price.
    worst_cost : float or None
        If every attempt is used and every answer is as long as it may be.
    simulated : bool
        Whether the model is simulated.
    """

    calls: tuple[int, int]
    prompt_tokens: tuple[int, int]
    completion_tokens: tuple[int, int]
    stored: int
    cost: tuple[float, float] | None
    worst_cost: float | None
    simulated: bool = False

    def table(self) -> str:
        """Return the estimate as text."""
        calls, prompt, answer = self.calls, self.prompt_tokens, self.completion_tokens
        lines = [
            f"calls              {calls[0]:,} to {calls[1]:,} (every first answer right; "
            "every attempt used)",
            f"prompt tokens      about {prompt[0]:,} to {prompt[1]:,} (4 characters a token)",
            f"completion tokens  about {answer[0]:,} to {answer[1]:,} ({TYPICAL_ANSWER} an answer)",
        ]
        if self.stored:
            lines.append(f"already stored     {self.stored:,} first answers, which cost nothing")
        if self.cost is not None:
            lines.append(
                f"cost               about {self.cost[0]:.2f} to {self.cost[1]:.2f}; at most "
                f"{self.worst_cost:.2f} if every answer is as long as it may be"
            )
        elif self.simulated:
            lines.append("cost               nothing: the model is simulated")
        else:
            lines.append("cost               no price is known for this model (see --prices)")
        return "\n".join(lines)


def estimate_run(
    config: RunConfig,
    calling: Calling,
    *,
    out: str | Path | None = None,
) -> Estimate:
    """Estimate what a run would still cost, without a call.

    Parameters
    ----------
    config : RunConfig
        The run.
    calling : Calling
        Where answers may be stored already, and the prices.
    out : path or None
        The run's folder: what is finished there is not counted.

    Raises
    ------
    RunFolderError
        If a run of other settings has begun there.
    """
    suite = load_suite(config.suite, config.database)
    offline = replace(calling, offline=True)
    model = load_model(config.model, suite, offline)
    repairing = load_model(config.repair_model, suite, offline) if config.repair_model else None
    model = with_repairs(model, repairing, config.max_attempts)
    golds = Golds(suite, config.metric)
    env = SQLAgentEnv(
        suite, model, "random", seed=config.seed, temperature=config.temperature,
        prompts=Prompts.load(config.prompts), golds=golds,
    )  # fmt: skip
    folder = located(out) if out is not None else None
    known = folder is not None and (folder / "run.json").exists()
    done = {e.index for e in Run.open(folder).log} if known and folder is not None else set()
    if done and folder is not None:
        check_config(folder, config.model_dump())
    questions, _ = askable(suite, golds, config.task)
    prices = load_prices(config.paid_models, calling.prices)
    path = store_path(model, calling, folder)
    store = ResponseStore(path, readonly=True) if path is not None and path.exists() else None
    attempts = 2 if config.feedback == "always" else config.max_attempts
    n = first = stored = 0
    for slot in make_slots(config, questions):
        if slot.index in done:
            continue
        env.reset_with_question(
            slot.question.task_id,
            slot.question.id,
            repeat=slot.repeat,
            progress=slot.index / config.episodes,
        )
        n += 1
        first += config.samples * estimate_tokens(env.request())
        if store is not None:
            requests = (env.request(sample=i) for i in range(config.samples))
            stored += sum(request_key(model, request) in store for request in requests)
    if store is not None:
        store.close()
    extra = REPAIR_EXTRA * n * sum(range(1, attempts))
    repeats = (attempts - 1) * (first // config.samples)  # a repair is of one answer
    prompt = first, first + repeats + extra
    answers = n * config.samples
    calls = answers, answers + n * (attempts - 1)
    answer = calls[0] * TYPICAL_ANSWER, calls[1] * TYPICAL_ANSWER
    cost = worst = None
    if config.paid_models and prices.keys() >= set(config.paid_models):
        free = Price(0.0, 0.0, 0.0)
        asked = prices.get(config.model, free)
        repairs = prices.get(config.repair_model or config.model, free)
        every = Usage(prompt[1] - prompt[0], answer[1] - answer[0])
        fewest = asked.cost(Usage(prompt[0], answer[0]))
        cost = fewest, fewest + repairs.cost(every)
        first_model = getattr(model, "first", model)
        long_first, long_repair = (
            getattr(m, "max_tokens", MAX_COMPLETION_TOKENS)
            for m in (first_model, repairing or first_model)
        )
        worst = asked.cost(Usage(prompt[0], answers * long_first))
        worst += repairs.cost(Usage(every.prompt_tokens, n * (attempts - 1) * long_repair))
    return Estimate(calls, prompt, answer, stored, cost, worst, model.simulated)
