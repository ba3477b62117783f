"""The rows of the marketplace, made from one seed.

The data
is skewed as a real shop's is (a few large vendors, a long tail of products), and on purpose holds
what tells a right query from a nearly right one: namesakes, NULLs, rows without partners, and
amounts and dates that sit exactly on, and one beside, round thresholds.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlbench.suites.marketplace.dice import Dice, Weighted, mixed
from sqlbench.suites.marketplace.words import (
    ADJECTIVES,
    CARRIERS,
    CATEGORIES,
    COMMENTS,
    COUNTRIES,
    FIRST_NAMES,
    LAST_NAMES,
    NOUNS,
    PRICES,
    REASONS,
    SUBCATEGORIES,
    VENDOR_FIRST,
    VENDOR_LAST,
    WAREHOUSES,
)

Rows = dict[str, list[tuple[Any, ...]]]

SEED = 20240229
FIRST_DAY = date(2023, 1, 1)
LAST = (date(2024, 12, 31) - FIRST_DAY).days
DAYS = [(FIRST_DAY + timedelta(days=i)).isoformat() for i in range(LAST + 1)]

CUSTOMERS, VENDORS, PRODUCTS, ORDERS = 900, 60, 700, 2200
REVIEWS, WISHES, TICKETS = 2100, 1600, 700


COUNTRY = Weighted(COUNTRIES, [weight for _, weight, _ in COUNTRIES])
PRICE = Weighted([cents for cents, _ in PRICES], [weight for _, weight in PRICES])
QUANTITY = Weighted([1, 2, 3, 4, 5, 6, 10, 11, 20], [60, 20, 8, 4, 3, 2, 1, 1, 0.5])


def build_rows(seed: int = SEED) -> Rows:
    """Return the rows of every table by the table's name, in the order of the schema."""
    dice = Dice(seed)
    rows: Rows = {}
    rows["categories"], leaves = _categories()
    rows["vendors"] = _vendors(dice)
    rows["products"] = _products(dice, rows["vendors"], leaves)
    rows["customers"] = _customers(dice)
    rows["addresses"] = _addresses(dice, rows["customers"])
    rows["promotions"] = _promotions()
    rows["orders"] = _orders(dice, rows)
    rows["order_items"] = _order_items(dice, rows)
    rows["payments"] = _payments(dice, rows)
    rows["warehouses"] = [(i, *place) for i, place in enumerate(WAREHOUSES, 1)]
    rows["inventory"] = _inventory(dice, rows["products"])
    rows["shipments"] = _shipments(dice, rows["orders"])
    rows["returns"] = _returns(dice, rows)
    rows["reviews"] = _reviews(dice, rows)
    rows["wishlists"] = _wishlists(dice, rows)
    rows["support_tickets"] = _tickets(dice, rows)
    return rows


def _categories() -> tuple[list[tuple[Any, ...]], list[tuple[int, str]]]:
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


def _vendors(dice: Dice) -> list[tuple[Any, ...]]:
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


def _products(
    dice: Dice, vendors: list[tuple[Any, ...]], leaves: list[tuple[int, str]]
) -> list[tuple[Any, ...]]:
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


def _customers(dice: Dice) -> list[tuple[Any, ...]]:
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


def _addresses(dice: Dice, customers: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
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


def _promotions() -> list[tuple[Any, ...]]:
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


def _order_day(dice: Dice) -> int:
    """Draw a day from a growing business with a Christmas season."""
    while True:
        day = dice.below(LAST + 1)
        season = 1.0 if DAYS[day][5:7] in ("11", "12") else 0.6
        if dice.random() < season * (0.45 + 0.55 * day / LAST):
            return day


def _orders(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    addresses: dict[int, list[int]] = {}
    for address in rows["addresses"]:
        addresses.setdefault(address[1], []).append(address[0])
    # One customer in eight never orders; the others differ widely in how often they do.
    buyers = Weighted.ranked(
        [c for c in dice.shuffled(rows["customers"]) if dice.chance(0.875)], flat=12
    )
    channel = mixed("web 55, app 38, phone 7")
    fees = Weighted([0, 390, 490, 590, 999, 1000, 1490, 1990], [30, 25, 20, 10, 6, 4, 3, 2])
    # Some orders are entered days later, so order ids do not quite follow the dates.
    drawn = [
        (_order_day(dice), dice.between(1, 6) if dice.chance(0.1) else 0) for _ in range(ORDERS)
    ]
    days = [day for day, _ in sorted(drawn, key=lambda pair: (sum(pair), pair))]
    result: list[tuple[Any, ...]] = []
    customer, day = None, 0
    for order_id, next_day in enumerate(days, 1):
        # Some customers order again on the same day.
        if customer is None or not dice.chance(0.05):
            day = next_day
            customer = None if dice.chance(0.06) else buyers.draw(dice)
        today = DAYS[day]
        while customer and customer[8] > today:
            customer = buyers.draw(dice) if dice.chance(0.97) else None
        owned = addresses.get(customer[0]) if customer else None
        running = [p for p in rows["promotions"] if p[5] <= today <= p[6] and p[3] < 50]
        promotion = dice.pick(running) if running and dice.chance(0.22) else None
        status = "completed"
        if dice.chance(0.09):
            status = "cancelled"
        elif (day > LAST - 30 and dice.chance(0.6)) or dice.chance(0.05):
            status = dice.pick(("processing", "pending"))
        result.append(
            (
                order_id,
                customer and customer[0],
                dice.pick(owned) if owned and dice.chance(0.9) else None,
                promotion and promotion[0],
                status,
                channel.draw(dice),
                fees.draw(dice),
                today,
            )
        )
    return result


def _order_items(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    # One product in twelve is never bought.
    sold = [p for p in dice.shuffled(rows["products"]) if dice.chance(0.92) and p[4] != "draft"]
    product = Weighted.ranked(sold, flat=8)
    lines = Weighted([1, 2, 3, 4, 5, 6], [30, 30, 20, 12, 6, 2])
    result: list[tuple[Any, ...]] = []
    for order in rows["orders"]:
        # A cancelled or pending order may have lost all of its lines.
        if order[4] in ("cancelled", "pending") and dice.chance(0.2):
            continue
        for _ in range(lines.draw(dice)):
            item = product.draw(dice)
            for _ in range(20):
                if item[8] <= order[7]:
                    break
                item = product.draw(dice)
            price = item[5] if dice.chance(0.85) else item[5] * 9 // 10
            deleted = dice.chance(0.015)
            result.append(
                (
                    len(result) + 1,
                    order[0],
                    None if deleted or item[8] > order[7] else item[0],
                    QUANTITY.draw(dice),
                    price,
                )
            )
    return result


def _payments(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    due = {order[0]: order[6] for order in rows["orders"]}
    for _, order_id, _, quantity, price in rows["order_items"]:
        due[order_id] += quantity * price
    method = mixed("card 55, paypal 28, bank_transfer 12, gift_card 5")
    result: list[tuple[Any, ...]] = []

    def pay(order_id: int | None, status: str, cents: int, day: int, how: str) -> None:
        result.append((len(result) + 1, order_id, how, status, cents, DAYS[min(day, LAST)]))

    for order in rows["orders"]:
        day, how, cents = DAYS.index(order[7]), method.draw(dice), due[order[0]]
        if order[4] == "pending" and dice.chance(0.7):
            continue
        if dice.chance(0.06):
            pay(order[0], "failed", cents, day, how)
            how = method.draw(dice)
        if order[4] == "cancelled":
            if dice.chance(0.5):
                pay(order[0], "refunded", cents, day, how)
        elif order[4] == "pending":
            pay(order[0], "pending", cents, day, how)
        elif dice.chance(0.05) and cents > 2000:  # in two parts, of which the second may be late
            pay(order[0], "captured", cents // 2, day, how)
            if dice.chance(0.7):
                pay(order[0], "captured", cents - cents // 2, day + dice.between(1, 30), how)
        elif dice.chance(0.025) and order[4] == "completed":  # delivered, and never paid for
            pay(order[0], "failed", cents, day, how)
        else:
            late = dice.between(1, 9) if how == "bank_transfer" else 0
            pay(order[0], "captured", cents, day + late, how)
        if dice.chance(0.012):
            pay(None, "captured", PRICE.draw(dice), day, "bank_transfer")
    return result


def _inventory(dice: Dice, products: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
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


def _shipments(dice: Dice, orders: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    carrier = Weighted.ranked(CARRIERS, flat=2)
    house = Weighted([1, 2, 3, 4, 5, None], [30, 20, 16, 10, 8, 8])  # the others are new
    result: list[tuple[Any, ...]] = []
    for order in orders:
        if order[4] in ("cancelled", "pending") or order[2] is None:
            continue
        for _ in range(2 if dice.chance(0.07) else 1):
            shipped = DAYS.index(order[7]) + dice.between(0, 4)
            name = carrier.draw(dice)
            if shipped > LAST or (order[4] == "processing" and dice.chance(0.6)):
                continue
            slow = 1 + CARRIERS.index(name)
            delivered = shipped + 1 + int(dice.random() * dice.random() * (5 + 2 * slow))
            there = delivered <= LAST and order[4] == "completed" and dice.chance(0.97)
            result.append(
                (
                    len(result) + 1,
                    order[0],
                    house.draw(dice),
                    name,
                    dice.between(5, 25) * 50,
                    DAYS[shipped],
                    DAYS[delivered] if there else None,
                )
            )
    return result


def _returns(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    orders = {order[0]: order for order in rows["orders"]}
    reason = Weighted.ranked(REASONS, flat=2)
    status = mixed("approved 6, rejected 2, open 2")
    result: list[tuple[Any, ...]] = []
    for item_id, order_id, _, quantity, price in rows["order_items"]:
        order = orders[order_id]
        if order[4] != "completed" or not dice.chance(0.09):
            continue
        day = DAYS.index(order[7]) + dice.between(6, 40)
        if day > LAST:
            continue
        outcome, back = status.draw(dice), dice.between(1, quantity)
        result.append(
            (
                len(result) + 1,
                item_id,
                dice.maybe(reason.draw(dice), 0.8),
                outcome,
                back,
                back * price if outcome == "approved" and dice.chance(0.95) else None,
                DAYS[day],
            )
        )
    return result


def _reviews(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    product = Weighted.ranked(
        [p for p in dice.shuffled(rows["products"]) if p[4] != "draft"][:600], flat=10
    )
    writer = Weighted.ranked(dice.shuffled(rows["customers"])[:700], flat=20)
    stars = Weighted([5, 4, 3, 2, 1], [40, 27, 13, 9, 11])
    comment = Weighted.ranked(COMMENTS, flat=4)
    result: list[tuple[Any, ...]] = []
    for review_id in range(1, REVIEWS + 1):
        item, person = product.draw(dice), writer.draw(dice)
        anonymous = dice.chance(0.08)
        # Nobody reviews before joining, or what is not listed yet.
        since = max(item[8], "" if anonymous else person[8])
        day = DAYS.index(since) + int((LAST - DAYS.index(since) + 1) * dice.random())
        result.append(
            (
                review_id,
                item[0],
                None if anonymous else person[0],
                stars.draw(dice),
                int(26 * dice.random() * dice.random() * dice.random()),
                dice.maybe(comment.draw(dice), 0.6),
                DAYS[day],
            )
        )
    return result


def _wishlists(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    person = Weighted.ranked(dice.shuffled(rows["customers"])[:650], flat=25)
    product = Weighted.ranked(dice.shuffled(rows["products"])[:620], flat=12)
    bought = {(o[0], o[1]) for o in rows["orders"] if o[1]}
    owner = dict(bought)
    wishes: dict[tuple[int, int], str] = {}
    for _, order_id, product_id, _, _ in rows["order_items"]:
        # Some wishes come true: what was bought had been wished for.
        if order_id in owner and product_id and dice.chance(0.06):
            wishes.setdefault((owner[order_id], product_id), rows["orders"][order_id - 1][7])
    while len(wishes) < WISHES:
        who, what = person.draw(dice), product.draw(dice)
        since = DAYS.index(max(who[8], what[8]))
        day = since + int((LAST - since + 1) * dice.random())
        wishes.setdefault((who[0], what[0]), DAYS[day])
    return [(*pair, day) for pair, day in sorted(wishes.items())]


def _tickets(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    topic = mixed("delivery 9, refund 5, product 5, account 3, other 2")
    priority = mixed("low 4, normal 9, high 3")
    orders = [o for o in rows["orders"] if o[1]]
    stars = Weighted([5, 4, 3, 2, 1], [30, 25, 15, 12, 18])
    result: list[tuple[Any, ...]] = []
    for ticket_id in range(1, TICKETS + 1):
        order = dice.pick(orders)
        about = dice.chance(0.75)
        day = DAYS.index(order[7]) + dice.below(15)
        opened = min(day, LAST) * 1440 + dice.pick((0, 360, 480, 540, 600, 720, 1020, 1080))
        opened += dice.below(60) * dice.below(2)
        closed = opened + int(5760 * dice.random() * dice.random() * dice.random())
        solved = closed // 1440 <= LAST and dice.chance(0.9)
        result.append(
            (
                ticket_id,
                order[1] if about or dice.chance(0.5) else None,
                order[0] if about else None,
                topic.draw(dice),
                priority.draw(dice),
                stars.draw(dice) if solved and dice.chance(0.6) else None,
                _minute(opened),
                _minute(closed) if solved else None,
            )
        )
    return result


def _minute(minutes: int) -> str:
    day, rest = divmod(minutes, 1440)
    return f"{DAYS[day]} {rest // 60:02d}:{rest % 60:02d}:00"
