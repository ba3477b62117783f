"""What happens on the marketplace: orders and all that follows from them."""

from __future__ import annotations

from typing import Any

from sqlbench.suites.marketplace.catalogue import DAYS, LAST, PRICE
from sqlbench.suites.marketplace.dice import Dice, Weighted, mixed
from sqlbench.suites.marketplace.words import CARRIERS, COMMENTS, REASONS

Rows = dict[str, list[tuple[Any, ...]]]

ORDERS, REVIEWS, WISHES, TICKETS = 2200, 2100, 1600, 700
QUANTITY = Weighted([1, 2, 3, 4, 5, 6, 10, 11, 20], [60, 20, 8, 4, 3, 2, 1, 1, 0.5])


def _order_day(dice: Dice) -> int:
    """Draw a day from a growing business with a Christmas season."""
    while True:
        day = dice.below(LAST + 1)
        season = 1.0 if DAYS[day][5:7] in ("11", "12") else 0.6
        if dice.random() < season * (0.45 + 0.55 * day / LAST):
            return day


def orders(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    """Draw who ordered when, to where and how."""
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


def order_items(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    """Fill the orders with lines, at the price of the day."""
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


def payments(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    """Pay for the orders: mostly at once, at times in parts, late or never."""
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


def shipments(dice: Dice, orders: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Send what was ordered to an address."""
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


def returns(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    """Send some of it back."""
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


def reviews(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    """Write reviews of products, bought here or not."""
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


def wishlists(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    """Wish for products, some of which are bought later."""
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


def tickets(dice: Dice, rows: Rows) -> list[tuple[Any, ...]]:
    """Ask for help, mostly about an order."""
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
