-- The marketplace: amounts in whole cents, so that sums are exact; dates as ISO text.
-- A nullable foreign key says something true about the business and is explained beside it.

CREATE TABLE categories (
  category_id INTEGER PRIMARY KEY,
  parent_id INTEGER REFERENCES categories (category_id), -- NULL: top level
  name TEXT NOT NULL
);

CREATE TABLE vendors (
  vendor_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  country TEXT NOT NULL,
  tier TEXT NOT NULL, -- gold, silver or bronze
  status TEXT NOT NULL, -- active, suspended or closed
  commission_pct INTEGER NOT NULL,
  rating INTEGER, -- 1 to 100, NULL: not rated yet
  joined_on TEXT NOT NULL
);

CREATE TABLE products (
  product_id INTEGER PRIMARY KEY,
  vendor_id INTEGER REFERENCES vendors (vendor_id), -- NULL: sold by the marketplace itself
  category_id INTEGER REFERENCES categories (category_id), -- NULL: not filed yet
  title TEXT NOT NULL,
  status TEXT NOT NULL, -- active, discontinued or draft
  price_cents INTEGER NOT NULL,
  cost_cents INTEGER, -- what the vendor pays for it, NULL: not disclosed
  weight_grams INTEGER, -- NULL: not weighed
  listed_on TEXT NOT NULL
);
CREATE INDEX products_vendor ON products (vendor_id);
CREATE INDEX products_category ON products (category_id, price_cents);

CREATE TABLE customers (
  customer_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL,
  phone TEXT,
  country TEXT NOT NULL,
  segment TEXT NOT NULL, -- consumer, business or student
  loyalty_points INTEGER NOT NULL,
  referred_by INTEGER REFERENCES customers (customer_id), -- NULL: came by themselves
  joined_on TEXT NOT NULL
);
CREATE INDEX customers_referred_by ON customers (referred_by);

CREATE TABLE addresses (
  address_id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
  kind TEXT NOT NULL, -- home, work or billing
  city TEXT NOT NULL,
  country TEXT NOT NULL,
  postcode TEXT
);
CREATE INDEX addresses_customer ON addresses (customer_id);

CREATE TABLE promotions (
  promotion_id INTEGER PRIMARY KEY,
  code TEXT NOT NULL, -- the same code may run in several countries and years
  country TEXT, -- NULL: everywhere
  discount_pct INTEGER NOT NULL,
  min_order_cents INTEGER, -- NULL: no minimum
  starts_on TEXT NOT NULL,
  ends_on TEXT NOT NULL -- last day, inclusive
);

CREATE TABLE orders (
  order_id INTEGER PRIMARY KEY,
  customer_id INTEGER REFERENCES customers (customer_id), -- NULL: ordered as a guest
  address_id INTEGER REFERENCES addresses (address_id), -- NULL: collected at a counter
  promotion_id INTEGER REFERENCES promotions (promotion_id), -- NULL: no promotion used
  status TEXT NOT NULL, -- completed, processing, pending or cancelled
  channel TEXT NOT NULL, -- web, app or phone
  shipping_cents INTEGER NOT NULL,
  ordered_on TEXT NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_id, ordered_on);
CREATE INDEX orders_address ON orders (address_id);
CREATE INDEX orders_promotion ON orders (promotion_id);
CREATE INDEX orders_ordered_on ON orders (ordered_on);

CREATE TABLE order_items (
  order_item_id INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL REFERENCES orders (order_id),
  product_id INTEGER REFERENCES products (product_id), -- NULL: product deleted since
  quantity INTEGER NOT NULL,
  unit_price_cents INTEGER NOT NULL -- as charged, may differ from today's list price
);
-- These two cover what nearly every question about sales needs: it halves the time of many.
CREATE INDEX order_items_order
  ON order_items (order_id, product_id, quantity, unit_price_cents);
CREATE INDEX order_items_product
  ON order_items (product_id, order_id, quantity, unit_price_cents);

CREATE TABLE payments (
  payment_id INTEGER PRIMARY KEY,
  order_id INTEGER REFERENCES orders (order_id), -- NULL: could not be matched to an order
  method TEXT NOT NULL, -- card, paypal, bank_transfer or gift_card
  status TEXT NOT NULL, -- captured, failed, refunded or pending
  amount_cents INTEGER NOT NULL,
  paid_on TEXT NOT NULL
);
CREATE INDEX payments_order ON payments (order_id);

CREATE TABLE warehouses (
  warehouse_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  city TEXT NOT NULL,
  country TEXT NOT NULL
);

CREATE TABLE inventory (
  warehouse_id INTEGER NOT NULL REFERENCES warehouses (warehouse_id),
  product_id INTEGER NOT NULL REFERENCES products (product_id),
  quantity INTEGER NOT NULL,
  reorder_level INTEGER NOT NULL,
  counted_on TEXT NOT NULL,
  PRIMARY KEY (warehouse_id, product_id)
);
CREATE INDEX inventory_product ON inventory (product_id);

CREATE TABLE shipments (
  shipment_id INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL REFERENCES orders (order_id),
  warehouse_id INTEGER REFERENCES warehouses (warehouse_id), -- NULL: sent by the vendor
  carrier TEXT NOT NULL,
  cost_cents INTEGER NOT NULL,
  shipped_on TEXT NOT NULL,
  delivered_on TEXT -- NULL: still on its way, or lost
);
CREATE INDEX shipments_order ON shipments (order_id);
CREATE INDEX shipments_warehouse ON shipments (warehouse_id);

CREATE TABLE returns (
  return_id INTEGER PRIMARY KEY,
  order_item_id INTEGER NOT NULL REFERENCES order_items (order_item_id),
  reason TEXT, -- NULL: none given
  status TEXT NOT NULL, -- approved, rejected or open
  quantity INTEGER NOT NULL,
  refund_cents INTEGER, -- NULL: nothing paid back
  requested_on TEXT NOT NULL
);
CREATE INDEX returns_order_item ON returns (order_item_id);

CREATE TABLE reviews (
  review_id INTEGER PRIMARY KEY,
  product_id INTEGER NOT NULL REFERENCES products (product_id),
  customer_id INTEGER REFERENCES customers (customer_id), -- NULL: anonymous
  rating INTEGER NOT NULL, -- 1 to 5 stars
  helpful_votes INTEGER NOT NULL,
  comment TEXT,
  created_on TEXT NOT NULL
);
CREATE INDEX reviews_product ON reviews (product_id);
CREATE INDEX reviews_customer ON reviews (customer_id);

CREATE TABLE wishlists (
  customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
  product_id INTEGER NOT NULL REFERENCES products (product_id),
  added_on TEXT NOT NULL,
  PRIMARY KEY (customer_id, product_id)
);
CREATE INDEX wishlists_product ON wishlists (product_id);

CREATE TABLE support_tickets (
  ticket_id INTEGER PRIMARY KEY,
  customer_id INTEGER REFERENCES customers (customer_id), -- NULL: a visitor
  order_id INTEGER REFERENCES orders (order_id), -- NULL: about no order
  topic TEXT NOT NULL, -- delivery, refund, product, account or other
  priority TEXT NOT NULL, -- low, normal or high
  satisfaction INTEGER, -- 1 to 5, NULL: not answered
  opened_at TEXT NOT NULL, -- 'YYYY-MM-DD HH:MM:SS'
  closed_at TEXT -- NULL: still open
);
CREATE INDEX support_tickets_customer ON support_tickets (customer_id);
CREATE INDEX support_tickets_order ON support_tickets (order_id);
