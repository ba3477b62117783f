"""The rows of the marketplace, made from one seed.

The data is skewed as a real shop's is (a few large vendors, a long tail of products), and on
purpose holds what tells a right query from a nearly right one: namesakes, NULLs, rows without
partners, and amounts and dates that sit exactly on, and one beside, round thresholds.
"""

from __future__ import annotations

from sqlbench.suites.marketplace import catalogue, trade
from sqlbench.suites.marketplace.dice import Dice
from sqlbench.suites.marketplace.words import WAREHOUSES

SEED = 20240229


def build_rows(seed: int = SEED) -> trade.Rows:
    """Return the rows of every table by the table's name, in the order of the schema."""
    dice = Dice(seed)
    rows: trade.Rows = {}
    rows["categories"], leaves = catalogue.categories()
    rows["vendors"] = catalogue.vendors(dice)
    rows["products"] = catalogue.products(dice, rows["vendors"], leaves)
    rows["customers"] = catalogue.customers(dice)
    rows["addresses"] = catalogue.addresses(dice, rows["customers"])
    rows["promotions"] = catalogue.promotions()
    rows["orders"] = trade.orders(dice, rows)
    rows["order_items"] = trade.order_items(dice, rows)
    rows["payments"] = trade.payments(dice, rows)
    rows["warehouses"] = [(i, *place) for i, place in enumerate(WAREHOUSES, 1)]
    rows["inventory"] = catalogue.inventory(dice, rows["products"])
    rows["shipments"] = trade.shipments(dice, rows["orders"])
    rows["returns"] = trade.returns(dice, rows)
    rows["reviews"] = trade.reviews(dice, rows)
    rows["wishlists"] = trade.wishlists(dice, rows)
    rows["support_tickets"] = trade.tickets(dice, rows)
    return rows
