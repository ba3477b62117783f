"""What the marketplace has before anybody orders: catalogue, customers and promotions."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlbench.suites.marketplace.dice import Dice, Weighted, mixed
from sqlbench.suites.marketplace.words import (
    ADJECTIVES,
    CATEGORIES,
    COUNTRIES,
    FIRST_NAMES,
    LAST_NAMES,
    NOUNS,
    PRICES,
    SUBCATEGORIES,
    VENDOR_FIRST,
    VENDOR_LAST,
)

FIRST_DAY = date(2023, 1, 1)
LAST = (date(2024, 12, 31) - FIRST_DAY).days
DAYS = [(FIRST_DAY + timedelta(days=i)).isoformat() for i in range(LAST + 1)]

CUSTOMERS, VENDORS, PRODUCTS = 900, 60, 700

COUNTRY = Weighted(COUNTRIES, [weight for _, weight, _ in COUNTRIES])
PRICE = Weighted([cents for cents, _ in PRICES], [weight for _, weight in PRICES])


def categories() -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
    """Return the category tree, and id and top category of those that hold products."""
    rows: list[tuple[Any, ...]] = []
    ids: dict[tuple[str, ...], int] = {}

    def add(parent: tuple[str, ...], name: str) -> None:
        ids[(*parent, name)] = len(rows) + 1
        rows.append((len(rows) + 1, ids.get(parent), name))

    for top, _ in CATEGORIES:
        add((), top)
    for top, children in CATEGORIES:
        for child in children:
            add((top,), child)
    for top, child, leaves in SUBCATEGORIES:
        for leaf in leaves:
            add((top, child), leaf)
    # Products hang on categories of any depth; some categories stay empty.
    empty: set[tuple[str, ...]] = {("Garden", "Plants"), ("Sports", "Accessories")}
    empty |= {("Home", "Accessories"), ("Home",), ("Books",), ("Gift Cards",)}
    usable = [(i, path[0]) for path, i in ids.items() if path not in empty]
    return rows, usable


def vendors(dice: Dice) -> list[tuple[Any, ...]]:
    """Draw vendors, many of whom share a name."""
    first = Weighted.ranked(VENDOR_FIRST, flat=1)
    tier, status = mixed("gold 1, silver 3, bronze 5"), mixed("active 8, suspended 1, closed 1")
    return [
        (
            vendor_id,
            f"{first.draw(dice)} {dice.pick(VENDOR_LAST)}",
            COUNTRY.draw(dice)[0],
            tier.draw(dice),
            status.draw(dice),
            dice.between(5, 15),
            dice.maybe(dice.between(12, 20) * 5, 0.75),
            DAYS[dice.below(150)],
        )
        for vendor_id in range(1, VENDORS + 1)
    ]


def products(
    dice: Dice, vendors: list[tuple[Any, ...]], leaves: list[tuple[int, str]]
) -> list[tuple[Any, ...]]:
    """Spread products over a few large vendors and many small ones."""
    vendor = Weighted.ranked(dice.shuffled(vendors[:-4]), flat=1.5)  # four sell nothing yet
    leaf = Weighted.ranked(dice.shuffled(leaves), flat=6)
    status = mixed("active 80, discontinued 14, draft 6")
    weights = (120, 250, 250, 400, 500, 800, 1000, 1500, 2000, 4000, 9999, 10000, 12500, 20000)
    adjective = Weighted.ranked(ADJECTIVES, flat=1)
    rows: list[tuple[Any, ...]] = []
    for product_id in range(1, PRODUCTS + 1):
        seller = None if dice.chance(0.06) else vendor.draw(dice)
        place = None if dice.chance(0.05) else leaf.draw(dice)
        nouns = Weighted.ranked(NOUNS[place[1] if place else ""], flat=0.7)
        price = PRICE.draw(dice)
        earliest = DAYS.index(seller[7]) if seller else 0
        rows.append(
            (
                product_id,
                seller and seller[0],
                place and place[0],
                f"{adjective.draw(dice)} {nouns.draw(dice)}",
                status.draw(dice),
                price,
                dice.maybe(price * dice.between(8, 18) // 20, 0.85),
                dice.maybe(dice.pick(weights), 0.8),
                DAYS[earliest + int((LAST - 30 - earliest) * dice.random() * dice.random())],
            )
        )
    return rows


def customers(dice: Dice) -> list[tuple[Any, ...]]:
    """Draw customers in the order in which they joined."""
    first, last = Weighted.ranked(FIRST_NAMES, flat=0.6), Weighted.ranked(LAST_NAMES, flat=0.6)
    segment = mixed("consumer 7, business 2, student 1")
    domain = mixed("example.com 5, example.org 3, example.net 2")
    joined = sorted(int(LAST * dice.random() * dice.random()) for _ in range(CUSTOMERS))
    rows: list[tuple[Any, ...]] = []
    for customer_id, day in enumerate(joined, 1):
        name = f"{first.draw(dice)} {last.draw(dice)}"
        local = name.split()[0].lower()
        rows.append(
            (
                customer_id,
                name,
                f"{local}{customer_id}@{domain.draw(dice)}",
                dice.maybe(f"+49 30 {dice.between(100000, 999999)}", 0.7),
                COUNTRY.draw(dice)[0],
                segment.draw(dice),
                _points(dice),
                # A few people bring in many: the referrer's id is skewed to the oldest.
                1 + int((customer_id - 1) * dice.random() * dice.random())
                if customer_id > 1 and dice.chance(0.3)
                else None,
                DAYS[day],
            )
        )
    return rows


def _points(dice: Dice) -> int:
    if dice.chance(0.3):
        return 0
    return max(0, 50 * int(60 * dice.random() * dice.random()) + dice.pick((-1, 0, 0, 0, 1)))


def addresses(dice: Dice, customers: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Give customers none to four addresses."""
    cities = {name: Weighted.ranked(places) for name, _, places in COUNTRIES}
    rows: list[tuple[Any, ...]] = []
    for customer in customers:
        for kind in ("home", "billing", "work", "home"):
            if not dice.chance({"home": 0.65, "billing": 0.45, "work": 0.15}[kind]):
                continue
            country = customer[4] if dice.chance(0.92) else COUNTRY.draw(dice)[0]
            city = cities[country].draw(dice)
            postcode = dice.maybe(f"{dice.between(10, 99)}{dice.below(10)}00", 0.85)
            rows.append((len(rows) + 1, customer[0], kind, city, country, postcode))
    return rows


def promotions() -> list[tuple[Any, ...]]:
    """Return the promotions, which are planned and not drawn."""
    plan: tuple[tuple[str, str | None, int, int | None, str, str], ...] = (
        ("WELCOME10", None, 10, None, "2023-01-01", "2024-12-31"),
        ("SPRING15", None, 15, 5000, "2023-03-20", "2023-04-20"),
        ("SPRING15", None, 15, 5000, "2024-03-20", "2024-04-20"),
        ("SUMMER20", "Spain", 20, 4000, "2023-07-01", "2023-07-31"),
        ("SUMMER20", "Italy", 20, 4000, "2023-07-01", "2023-07-31"),
        ("SUMMER25", None, 25, 10000, "2024-07-01", "2024-07-31"),
        ("BLACKWEEK", "Germany", 30, 5000, "2023-11-20", "2023-11-26"),
        ("BLACKWEEK", "France", 30, 5000, "2023-11-20", "2023-11-26"),
        ("BLACKWEEK", "Germany", 30, 5000, "2024-11-22", "2024-11-29"),
        ("BLACKWEEK", "France", 30, 5000, "2024-11-22", "2024-11-29"),
        ("VIP25", None, 25, 20000, "2023-06-01", "2024-12-31"),
        ("BLACKWEEK", "Poland", 25, None, "2024-11-29", "2024-12-02"),
        ("FLASH40", "Spain", 40, 10000, "2024-11-28", "2024-11-29"),
        ("XMAS5", None, 5, None, "2023-12-01", "2023-12-24"),
        ("XMAS5", None, 5, None, "2024-11-29", "2024-12-24"),
        ("ADVENT12", None, 12, 2500, "2024-11-30", "2024-12-24"),
        ("AUTUMN12", None, 12, 2500, "2024-10-01", "2024-11-28"),
        ("STUDENT8", None, 8, None, "2023-09-01", "2024-08-31"),
        ("LAUNCH50", "Denmark", 50, None, "2023-05-01", "2023-05-03"),
        ("LAUNCH50", "Portugal", 50, None, "2023-05-01", "2023-05-03"),
        ("TEST99", None, 99, 100, "2023-01-01", "2023-01-01"),
    )
    return [(i, *row) for i, row in enumerate(plan, 1)]


def inventory(dice: Dice, products: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Count the stock of each warehouse."""
    spread = (0.75, 0.5, 0.4, 0.25, 0.12, 0.05)
    result: list[tuple[Any, ...]] = []
    for warehouse_id, share in enumerate(spread, 1):
        for product in products:
            if product[4] != "draft" and dice.chance(share):
                level = dice.pick((5, 10, 10, 20, 50))
                stock = int(12 * level * dice.random() * dice.random())
                if dice.chance(0.08):
                    stock = dice.pick((0, level - 1, level, level + 1))
                counted = DAYS[LAST - dice.below(60)]
                result.append((warehouse_id, product[0], stock, level, counted))
    return result
