"""The words that the marketplace's names, titles and comments are made of."""

# ruff: noqa: SIM905 (lists of words read better than lists of quoted words)

from __future__ import annotations

# Popular ones first: names are drawn with Zipf-like weights, so that namesakes occur.
FIRST_NAMES = (
    "Anna Liam Maria Noah Sofia Lucas Emma Jonas Julia David Laura Paul Eva Thomas Ines Marco "
    "Clara Felix Lena Hugo Nina Oscar Marta Simon Elena Victor Alice Martin Carla Peter Ida Leon "
    "Rosa Emil Greta Daniel Zoe Adam Mila Ivan"
).split()
LAST_NAMES = (
    "Müller Garcia Smith Rossi Dubois Novak Jansen Silva Larsen Kowalski Weber Martin Lopez Brown "
    "Ferrari Moreau Horvat Visser Costa Nielsen Nowak Schmidt Fischer Perez Taylor Romano Laurent "
    "Kovač Bakker Santos Berg Wójcik Becker Sanchez Evans Greco Petit Babić Smit Pereira Lund "
    "Mazur Koch Torres Walker Conti Roux Marić Vos Oliveira Dahl Krol"
).split()

# Country, weight, cities with the most populous first.
COUNTRIES: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("Germany", 24, ("Berlin", "Hamburg", "Munich", "Cologne", "Leipzig", "Bremen")),
    ("France", 18, ("Paris", "Lyon", "Marseille", "Nantes", "Lille", "Toulouse")),
    ("United Kingdom", 15, ("London", "Leeds", "Bristol", "Glasgow", "Cambridge")),
    ("Spain", 12, ("Madrid", "Barcelona", "Valencia", "Seville", "Bilbao")),
    ("Italy", 10, ("Rome", "Milan", "Turin", "Naples", "Bologna")),
    ("Netherlands", 7, ("Amsterdam", "Utrecht", "Rotterdam", "Delft")),
    ("Poland", 5, ("Warsaw", "Krakow", "Gdansk")),
    ("Denmark", 4, ("Copenhagen", "Aarhus")),
    ("Portugal", 3, ("Lisbon", "Porto")),
    ("Croatia", 2, ("Zagreb", "Split")),
)

# Top level, then its sub-categories; a third level hangs below some of them.
CATEGORIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Electronics", ("Audio", "Computers", "Phones", "Accessories")),
    ("Home", ("Kitchen", "Lighting", "Furniture", "Accessories")),
    ("Sports", ("Cycling", "Running", "Camping", "Accessories")),
    ("Books", ("Fiction", "Science", "Children")),
    ("Fashion", ("Women", "Men", "Children", "Accessories")),
    ("Garden", ("Tools", "Plants", "Furniture")),
    ("Toys", ("Puzzles", "Outdoor")),
    ("Gift Cards", ()),
)
SUBCATEGORIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Electronics", "Audio", ("Headphones", "Speakers")),
    ("Electronics", "Computers", ("Laptops", "Monitors", "Keyboards")),
    ("Home", "Kitchen", ("Cookware", "Coffee")),
    ("Sports", "Camping", ("Tents", "Cookware")),
    ("Garden", "Tools", ("Hand Tools", "Mowers")),
)

ADJECTIVES = (
    "Classic Compact Nordic Urban Deluxe Vintage Smart Solid Light Eco Royal Mini"
).split()
NOUNS: dict[str, tuple[str, ...]] = {
    "Electronics": ("Headphones", "Speaker", "Laptop", "Monitor", "Charger", "Phone Case"),
    "Home": ("Lamp", "Kettle", "Armchair", "Cooking Pot", "Espresso Cup", "Shelf"),
    "Sports": ("Bike Helmet", "Running Vest", "Tent", "Camping Stove", "Water Bottle"),
    "Books": ("Novel", "Atlas", "Picture Book", "Physics Primer"),
    "Fashion": ("Jacket", "Scarf", "Sneakers", "Belt", "Rain Coat"),
    "Garden": ("Spade", "Lawn Mower", "Garden Bench", "Rose Bush"),
    "Toys": ("Puzzle", "Kite", "Toy Train"),
    "": ("Gift Box", "Mystery Bag", "Sample Set"),
}

VENDOR_FIRST = (
    "Alpine Baltic Harbour Lindner Aurora Orchard Pixel Summit Mercato Tulip Cobalt Meadow "
    "Beacon Amber Fjord Atlas Juniper Saffron Quarry Willow"
).split()
VENDOR_LAST = "Trading Goods Supply Works Store".split()

COMMENTS = (
    "Works as described",
    "Great value",
    "Broke after a week",
    "Arrived late",
    "Would buy again",
    "Smaller than expected",
    "Love it",
    "Not worth the price",
    "Perfect gift",
    "Colour differs from the picture",
    "Solid quality",
    "Instructions are missing",
)
REASONS = ("damaged", "wrong item", "too small", "changed mind", "late", "not as described")
CARRIERS = ("DHL", "UPS", "DPD", "GLS", "PostNord")
WAREHOUSES = (
    ("North Hub", "Hamburg", "Germany"),
    ("South Hub", "Munich", "Germany"),
    ("West Hub", "Lille", "France"),
    ("Iberia Hub", "Madrid", "Spain"),
    ("Island Hub", "Leeds", "United Kingdom"),
    ("East Hub", "Warsaw", "Poland"),
    ("Reserve Hub", "Turin", "Italy"),
    ("Reserve Hub", "Porto", "Portugal"),
)

# Common price points, in cents; the neighbours of round amounts are there on purpose.
PRICES = (
    (499, 5), (500, 2), (799, 4), (999, 8), (1000, 4), (1001, 1), (1299, 7), (1499, 8), (1500, 3),
    (1999, 12), (2000, 5), (2499, 9), (2500, 4), (2999, 10), (3499, 5), (3999, 6), (4000, 2),
    (4999, 9), (5000, 5), (5001, 1), (5999, 4), (7499, 4), (7999, 4), (9999, 7), (10000, 4),
    (10001, 1), (12999, 3), (14999, 3), (15000, 2), (19999, 4), (20000, 2), (24999, 2), (29999, 2),
    (49999, 2), (50000, 2), (59900, 1), (89900, 1), (129900, 1),
)  # fmt: skip
