"""A simulation over a dict of objects: customers, counters and a queue of events, until all of them have been served."""

import heapq

SIZE = 4000
WHOLE = 100_000
DESKS = 3


class Random:
    """Numbers that are the same under every Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self.state >> 33) % limit


class Customer:
    def __init__(self, number, arrival, patience):
        self.number = number
        self.arrival = arrival
        self.patience = patience
        self.started = None
        self.left = None


class Desk:
    def __init__(self, name):
        self.name = name
        self.busy_until = 0
        self.served = 0
        self.worked = 0


class Hall:
    def __init__(self, size):
        self.random = Random(42)
        self.desks = {name: Desk(name) for name in range(DESKS)}
        self.customers = {}
        self.waiting = {}
        self.events = []
        self.size = size
        self.clock = 0

    def schedule(self, time, kind, number):
        heapq.heappush(self.events, (time, kind, number))

    def arrive(self, number):
        self.customers[number] = Customer(number, self.clock, 20 + self.random.below(60))
        self.waiting[number] = self.customers[number]
        if number + 1 < self.size:
            self.schedule(self.clock + 1 + self.random.below(5), "arrive", number + 1)

    def give_up(self):
        for number, customer in list(self.waiting.items()):
            if self.clock - customer.arrival <= customer.patience:
                break
            customer.left = self.clock
            del self.waiting[number]

    def serve(self):
        for desk in self.desks.values():
            if desk.busy_until <= self.clock and self.waiting:
                number = next(iter(self.waiting))
                customer = self.waiting.pop(number)
                customer.started = self.clock
                takes = 5 + self.random.below(12)
                desk.busy_until = self.clock + takes
                desk.worked += takes
                desk.served += 1
                self.schedule(desk.busy_until, "done", desk.name)

    def run(self):
        self.schedule(0, "arrive", 0)
        while self.events:
            time, kind, number = heapq.heappop(self.events)
            assert time >= self.clock
            self.clock = time
            if kind == "arrive":
                self.arrive(number)
            self.give_up()
            self.serve()


def work(size):
    hall = Hall(size)
    hall.run()
    customers = hall.customers.values()
    served = [customer for customer in customers if customer.started is not None]
    left = [customer for customer in customers if customer.left is not None]
    busy = sum(desk.worked for desk in hall.desks.values())
    # Everybody was served or left, nobody both; desks work on one customer at a time; waiting ends in order.
    consistent = (
        len(served) + len(left) == size
        and sum(desk.served for desk in hall.desks.values()) == len(served)
        and busy <= DESKS * hall.clock
        and all(a.started <= b.started for a, b in zip(served, served[1:]))
        and all(customer.started >= customer.arrival for customer in served)
    )
    return consistent, len(served), hall.clock


# Customers served and the time at the end, for the sizes in use.
RESULTS = {50: (49, 189), 4_000: (3_421, 12_075), 100_000: (85_559, 299_943)}


def expected(size):
    return (True, *RESULTS[size])


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
