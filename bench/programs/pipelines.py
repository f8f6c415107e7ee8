"""Generators in pipelines: sources, filters, windows, grouping, yield from, send() and generator expressions."""

import itertools

SIZE = 20_000
WHOLE = 400_000


def numbers(limit):
    i = 0
    while i < limit:
        yield i
        i += 1


def keep(predicate, source):
    for item in source:
        if predicate(item):
            yield item


def change(function, source):
    for item in source:
        yield function(item)


def windows(source, length):
    window = []
    for item in source:
        window.append(item)
        if len(window) == length:
            yield tuple(window)
            window.clear()
    if window:
        yield tuple(window)


def flatten(source):
    for item in source:
        if isinstance(item, tuple):
            yield from flatten(item)
        else:
            yield item


def running_mean():
    total = count = 0
    value = yield 0
    while True:
        total += value
        count += 1
        value = yield total // count


def merge(a, b):
    """Two sorted sources as one."""
    nothing = object()
    x, y = next(a, nothing), next(b, nothing)
    while x is not nothing and y is not nothing:
        if x <= y:
            yield x
            x = next(a, nothing)
        else:
            yield y
            y = next(b, nothing)
    if x is not nothing:
        yield x
        yield from a
    if y is not nothing:
        yield y
        yield from b


def work(size):
    stages = change(lambda i: i * 3, keep(lambda i: i % 2 == 0, numbers(size)))
    first = sum(flatten(windows(stages, 4)))
    mean = running_mean()
    next(mean)
    last = 0
    for i in numbers(size):
        last = mean.send(i)
    merged = merge(iter(range(0, size, 2)), (i for i in numbers(size) if i % 2))
    ordered = all(a + 1 == b for a, b in itertools.pairwise(merged))
    return first, last, ordered, sum(i * j for i, j in zip(numbers(size), (k & 7 for k in numbers(size))))


def expected(size):
    first = sum(3 * i for i in range(0, size, 2))
    return first, (size - 1) // 2, True, sum(i * (i & 7) for i in range(size))


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
