"""What stands between a run and its model: store, limits, retries and meter, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlbench.databases.shelf import on_shelf
from sqlbench.models.base import ChatModel
from sqlbench.models.calling.budget import Meter, Price, load_prices
from sqlbench.models.calling.cache import CachedModel, ResponseStore
from sqlbench.models.calling.calling import PoliteModel
from sqlbench.models.calling.ledger import Ledger
from sqlbench.models.calling.options import Calling
from sqlbench.models.calling.shelf import StoreShelf
from sqlbench.models.calling.totals import Totals
from sqlbench.paths import located

STORE_NAME = "responses.sqlite"


class Books(Protocol):
    """Where a run, or whatever else calls a model, keeps what its calls cost.

    `calls` are the records that `note_call` was given, also by earlier processes.
    """

    @property
    def folder(self) -> Path | None:
        """Where its files lie."""
        ...

    @property
    def paid_models(self) -> Sequence[str]:
        """The specs of the models whose calls cost money."""
        ...

    @property
    def prices(self) -> Mapping[str, Price]:
        """What a million of their tokens cost, by spec, where that is known."""
        ...

    def keep_prices(self, prices: Mapping[str, Price]) -> None:
        """Keep them, for every later table."""
        ...

    def note_call(self, record: dict[str, Any]) -> None:
        """Keep the record of a request."""
        ...

    def calls(self) -> Iterable[dict[str, Any]]:
        """Return all records so far."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """A model as a run calls it.

    Attributes
    ----------
    model : ChatModel
        Answers from the store, or calls out.
    meter : Meter
        What was called and spent.
    cached : CachedModel or None
        The part with the store, if there is one.
    ledger : Ledger or None
        Where runs that share a budget count together.
    """

    model: ChatModel
    meter: Meter
    cached: CachedModel | None
    ledger: Ledger | None = None

    @classmethod
    def prepare(
        cls,
        model: ChatModel,
        calling: Calling,
        concurrency: int,
        books: Books,
        shelf: StoreShelf | None = None,
    ) -> Caller:
        """Put a run's calls together, and count what the run has spent before.

        The shelf is that of `beside_answers`, and closed with the store.

        Raises
        ------
        ConfigError
            If there is a budget and no price.
        StoreError
            If the store cannot be used.
        """
        paid, folder = books.paid_models, books.folder
        prices = books.prices
        if calling.prices is not None:
            prices = load_prices(paid, calling.prices)
        if prices:
            books.keep_prices(prices)
        before, answered = Totals(), False
        for call in books.calls():
            answered = answered or call.get("failure") is None
            before.calls += 1
            before.spent += call["cost"]
        ledger = None
        if calling.ledger is not None and folder is not None:
            ledger = Ledger(calling.ledger, folder.name)
            ledger.resume(before)
        try:
            meter = Meter(prices, calling.budget, calling.max_calls, books.note_call, paid, ledger)
            meter.resume(before.calls, before.spent)
            polite = PoliteModel(model, calling, concurrency, meter, answered=answered)
            path = store_path(model, calling, folder)
            if path is None:
                return cls(polite, meter, None, ledger)
            readonly = calling.cache_mode == "replay"
            store = ResponseStore(path, readonly=readonly, shelf=shelf)
        except BaseException:
            if ledger is not None:
                ledger.close()
            raise
        cached = CachedModel(model, polite, store, calling.cache_mode)
        return cls(cached, meter, cached, ledger)

    async def aclose(self) -> None:
        """Close the store and the ledger; not the model, which may have other users."""
        try:
            if self.cached is not None:
                await self.cached.aclose()
        finally:
            if self.ledger is not None:
                await asyncio.to_thread(self.ledger.close)


@contextmanager
def beside_answers(
    model: ChatModel, calling: Calling, folder: Path | None
) -> Iterator[StoreShelf | None]:
    """Use what lies beside a run's stored answers for all that is done in here.

    Yields
    ------
    StoreShelf or None
        For `Caller.prepare`; None where no answer is stored.
    """
    path = store_path(model, calling, folder)
    if path is None:
        yield None
        return
    shelf = StoreShelf(path, readonly=calling.cache_mode == "replay")
    try:
        with on_shelf(shelf):
            yield shelf
    finally:
        shelf.close()


def store_path(model: ChatModel, calling: Calling, folder: Path | None) -> Path | None:
    """Return where a run's completions are kept, if they are.

    Calls of a model behind an endpoint cost money: they are kept even where nobody asks for it.
    """
    if calling.cache_mode == "off":
        return None
    if calling.cache is not None:
        return located(calling.cache)
    if folder is not None and hasattr(model, "address"):
        return folder / STORE_NAME
    return None
