"""What calls cost, and when to stop: prices from a TOML file, and a meter."""

from __future__ import annotations

import asyncio
import os
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from sqlbench.exceptions import ConfigError
from sqlbench.models.base import MAX_COMPLETION_TOKENS, ModelRequest, Usage
from sqlbench.models.calling.ledger import Ledger
from sqlbench.models.calling.totals import Totals
from sqlbench.paths import located

_MILLION = 1_000_000
_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of a million tokens.

    Attributes
    ----------
    prompt, cached, completion : float
        Prompt tokens, those of them that the provider had in its cache, and completion tokens
        (those that were reasoning among them).
    """

    prompt: float
    cached: float
    completion: float

    def cost(self, usage: Usage) -> float:
        """Return what a call cost."""
        fresh = usage.prompt_tokens - usage.cached_tokens
        return (
            fresh * self.prompt
            + usage.cached_tokens * self.cached
            + usage.completion_tokens * self.completion
        ) / _MILLION


def load_price(model: str, path: str | Path | None = None) -> Price | None:
    """Return a model's price, or None if the file has none.

    Parameters
    ----------
    model : str
        The model's spec; ``openai:NAME`` is looked up as NAME.
    path : path or None
        A TOML file with a table for each model; None takes the package's.

    Raises
    ------
    ConfigError
        If the file is missing or malformed.
    """
    return load_prices([model], path).get(model)


def load_prices(models: Iterable[str], path: str | Path | None = None) -> dict[str, Price]:
    """Return the prices of those models that the file has, by spec; see `load_price`."""
    file = (
        os.path.abspath(located(path))
        if path is not None
        else "sqlbench/models/calling/prices.toml"
    )
    try:
        if path is None:
            text = (
                resources.files("sqlbench.models.calling")
                .joinpath("prices.toml")
                .read_text("utf-8")
            )
        else:
            text = located(path).read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The prices in {file} cannot be read: {error}.") from None
    names = {model: model.removeprefix("openai:").partition("?")[0] for model in models}
    return {
        model: make_price(table[name], f"The price of {name!r} in {file}")
        for model, name in names.items()
        if name in table
    }


def make_price(values: Any, what: str) -> Price:
    """Check a price's values.

    Raises
    ------
    ConfigError
        If one is missing, unknown or negative.
    """
    known = {"prompt", "cached", "completion"}
    if not isinstance(values, dict) or not known - {"cached"} <= values.keys() <= known:
        raise ConfigError(f"{what} needs prompt and completion, and may have cached: {values!r}.")
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise ConfigError(f"{what}: {name} is a number of at least 0, not {value!r}.")
    prompt = float(values["prompt"])
    return Price(prompt, float(values.get("cached", prompt)), float(values["completion"]))


def estimate_tokens(request: ModelRequest) -> int:
    """Return about how many tokens a prompt has: four characters each."""
    return sum(len(m["content"]) for m in request.messages) // _CHARS_PER_TOKEN + 1


def most_tokens(request: ModelRequest) -> int:
    """Return how many tokens a prompt can have at most: a byte each, and the roles."""
    return sum(len(m["content"].encode("utf-8", "replace")) + 16 for m in request.messages)


def check_prices(paid: Collection[str], prices: Mapping[str, Price]) -> None:
    """Check that a budget can be kept: every model that costs money has a price.

    Raises
    ------
    ConfigError
        If one has none, or no model costs anything.
    """
    missing = [model for model in paid if model not in prices]
    if missing:
        raise ConfigError(
            f"A budget needs a price, and there is none for {missing[0]!r}: write it into a TOML "
            "file and name that as prices (--prices FILE), or limit the calls with max_calls "
            "(--max-calls N)."
        )
    if not paid:
        raise ConfigError("A budget limits what calls cost, and no model here costs anything.")


class Meter:
    """Counts the calls of a run and what they cost, and stops it before a limit is passed.

    A call is let through only if the most that it and all calls in flight can cost fits into the
    budget. A call that failed after it was sent may have been billed all the same, so it counts
    in full, unless its usage is known.

    Parameters
    ----------
    prices : mapping of str to Price
        By model; what has none costs nothing.
    budget : float or None
        The most that may be spent.
    max_calls : int or None
        The most requests that may be sent.
    on_call : callable or None
        Is given the record of every request, to keep.
    paid : collection of str
        The models whose calls cost money: a budget needs their prices.
    ledger : Ledger or None
        Where runs that share the limits count together; None keeps them for this run.

    Raises
    ------
    ConfigError
        If there is a budget and a price is missing.
    """

    def __init__(
        self,
        prices: Mapping[str, Price] | None = None,
        budget: float | None = None,
        max_calls: int | None = None,
        on_call: Callable[[dict[str, Any]], None] | None = None,
        paid: Collection[str] = (),
        ledger: Ledger | None = None,
    ) -> None:
        self.prices = dict(prices or {})
        if budget is not None:
            check_prices(paid, self.prices)
        self.budget, self.max_calls = budget, max_calls
        self.totals = Totals()
        self._waiting: list[asyncio.Future[None]] = []
        self._on_call = on_call
        self._ledger = ledger

    @property
    def calls(self) -> int:
        """How many requests the run has sent."""
        return self.totals.calls

    @property
    def spent(self) -> float:
        """What the run has spent."""
        return self.totals.spent

    def resume(self, calls: int, spent: float) -> None:
        """Count what the run has called and spent before."""
        self.totals.calls += calls
        self.totals.spent += spent

    async def reserve(
        self, request: ModelRequest, model: str, max_tokens: int = MAX_COMPLETION_TOKENS
    ) -> float:
        """Set aside the most that a call can cost; wait for calls in flight if that is too much.

        Raises
        ------
        BudgetReachedError
            If a limit would be passed.
        """
        price, most = self.prices.get(model), 0.0
        if price is not None:
            most = price.cost(Usage(most_tokens(request), max_tokens))
        if self._ledger is not None:
            await self._ledger.reserve(most, self.budget, self.max_calls)
        else:
            while not self.totals.fits(most, self.budget, self.max_calls):
                settled = asyncio.get_running_loop().create_future()
                self._waiting.append(settled)
                await settled
        self.totals.calls += 1
        self.totals.reserved += most
        return most

    def settle(
        self,
        request: ModelRequest,
        model: str,
        reserved: float,
        usage: Usage | None,
        failure: str | None,
    ) -> None:
        """Say what became of a call: its usage, or how it failed."""
        self.totals.reserved -= reserved
        price, cost = self.prices.get(model), reserved
        if usage is not None:
            cost = price.cost(usage) if price is not None else 0.0
        self.totals.spent += cost
        if self._ledger is not None:
            self._ledger.settle(reserved, cost)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()
        if self._on_call is not None:
            usage = usage or Usage()
            self._on_call(
                {
                    "question_id": request.question_id,
                    "repeat": request.repeat,
                    "attempt": request.attempt,
                    "model": model,
                    "failure": failure,
                    "prompt_tokens": usage.prompt_tokens,
                    "cached_tokens": usage.cached_tokens,
                    "completion_tokens": usage.completion_tokens,
                    "reasoning_tokens": usage.reasoning_tokens,
                    "cost": cost,
                }
            )
