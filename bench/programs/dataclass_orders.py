"""Code built on dataclasses: construction with defaults, frozen keys, comparison, replace, properties, post-init."""

import dataclasses

SIZE = 2_000
WHOLE = 50_000


@dataclasses.dataclass(frozen=True, order=True)
class Key:
    region: int
    number: int


@dataclasses.dataclass
class Item:
    name: str
    price: int
    quantity: int = 1

    @property
    def cost(self):
        return self.price * self.quantity


@dataclasses.dataclass
class Order:
    key: Key
    items: list = dataclasses.field(default_factory=list)
    discount: int = 0
    state: str = "new"
    total: int = dataclasses.field(init=False, default=0)

    def __post_init__(self):
        self.total = sum(item.cost for item in self.items) - self.discount

    def with_item(self, item):
        return dataclasses.replace(self, items=[*self.items, item])


@dataclasses.dataclass(slots=True)
class Line:
    key: Key
    total: int


def make(number):
    items = [Item("bolt", 3, number % 5), Item("nut", price=2), Item("plate", 40 + number % 7, 2)]
    return Order(Key(number % 10, number), items, discount=number % 3)


def work(size):
    orders = {}
    for number in range(size):
        order = make(number)
        if number % 4 == 0:
            order = order.with_item(Item("gift", 0))
        order.state = "paid" if order.total > 90 else "open"
        orders[order.key] = order
    lines = sorted((Line(order.key, order.total) for order in orders.values()), key=lambda line: (line.total, line.key))
    same = sum(make(number) == orders[Key(number % 10, number)] for number in range(0, size, 5))
    paid = sum(order.state == "paid" for order in orders.values())
    return sum(line.total for line in lines), lines[0].total, paid, same, max(orders).region


def expected(size):
    totals = [3 * (n % 5) + 2 + 2 * (40 + n % 7) - n % 3 for n in range(size)]
    # An order made anew is "new" and the one kept is not, so none is equal.
    return sum(totals), min(totals), sum(total > 90 for total in totals), 0, min(size - 1, 9)


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
