"""What stands between a run and its model: store, limits, retries and meter, put together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlbench.models.base import ChatModel
from sqlbench.models.budget import Meter, load_price
from sqlbench.models.cache import CachedModel, ResponseStore
from sqlbench.models.calling import PoliteModel
from sqlbench.models.options import Calling

if TYPE_CHECKING:
    from sqlbench.run_writer import RunWriter

STORE_NAME = "responses.sqlite"


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
    """

    model: ChatModel
    meter: Meter
    cached: CachedModel | None

    @classmethod
    def prepare(
        cls, model: ChatModel, calling: Calling, concurrency: int, writer: RunWriter
    ) -> Caller:
        """Put a run's calls together, and count what the run has spent before.

        Raises
        ------
        ConfigError
            If there is a budget and no price.
        StoreError
            If the store cannot be used.
        """
        price, paid = writer.run.price, writer.run.config.paid_model
        if calling.prices is not None and not model.simulated:
            price = load_price(paid, calling.prices) if paid else None
        spec = paid or model.spec
        meter = Meter(price, calling.budget, calling.max_calls, writer.note_call, spec)
        if price is not None:
            writer.keep_price(price)
        for call in writer.run.calls():
            meter.resume(1, call["cost"])
        polite: ChatModel = PoliteModel(model, calling, concurrency, meter)
        path = store_path(model, calling, writer.run.folder)
        if path is None:
            return cls(polite, meter, None)
        store = ResponseStore(path, readonly=calling.cache_mode == "replay")
        cached = CachedModel(model, polite, store, calling.cache_mode)
        return cls(cached, meter, cached)

    async def aclose(self) -> None:
        """Close the store; not the model, which may have other users."""
        if self.cached is not None:
            await self.cached.aclose()


def store_path(model: ChatModel, calling: Calling, folder: Path | None) -> Path | None:
    """Return where a run's completions are kept, if they are.

    Calls of a model behind an endpoint cost money: they are kept even where nobody asks for it.
    """
    if calling.cache_mode == "off":
        return None
    if calling.cache is not None:
        return Path(calling.cache)
    if folder is not None and hasattr(model, "address"):
        return folder / STORE_NAME
    return None
