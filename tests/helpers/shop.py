"""A small shop as a database: keys, texts of several kinds, NULLs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

SETUP = """
CREATE TABLE customers (customer_id integer PRIMARY KEY, full_name varchar(40), city varchar(40));
CREATE TABLE products (product_id integer PRIMARY KEY, title varchar(40), unit_price numeric,
  category varchar(20));
CREATE TABLE orders (order_id integer PRIMARY KEY,
  customer_id integer REFERENCES customers (customer_id), status varchar(20),
  placed_on varchar(10));
CREATE TABLE order_lines (order_id integer REFERENCES orders (order_id),
  product_id integer REFERENCES products (product_id), quantity integer);
INSERT INTO customers VALUES (1, 'Ann Lee', 'Paris'), (2, 'Bob Ray', 'Berlin'), (3, 'Cy Fox', NULL);
INSERT INTO products VALUES (1, 'Red Chair', 10.5, 'Furniture'), (2, 'Lamp', 20, 'Light'),
  (3, 'Oak Table', 99, 'Furniture');
INSERT INTO orders VALUES (10, 1, 'shipped', '2024-01-02'), (11, 1, 'open', '2024-02-03'),
  (12, 2, 'shipped', '2024-03-04');
INSERT INTO order_lines VALUES (10, 1, 4), (10, 2, 1), (11, 3, 1), (12, 1, 2);
"""


def make_shop(path: Path, setup: str = SETUP) -> Path:
    """Write the shop into a SQLite file."""
    connection = sqlite3.connect(path)
    connection.executescript(f"BEGIN; {setup} COMMIT;")
    connection.close()
    return path
