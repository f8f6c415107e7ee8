"""Functions that are made at run time: counters with shared state, composition, decorators, partial application, callbacks."""

import functools

SIZE = 12_000
WHOLE = 250_000


def counter(start):
    value = start

    def step(by=1):
        nonlocal value
        value += by
        return value

    def read():
        return value

    return step, read


def compose(*functions):
    def composed(value):
        for function in functions:
            value = function(value)
        return value

    return composed


def adder(n):
    return lambda value: value + n


def limited(limit):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*arguments, **options):
            return function(*arguments, **options) % limit

        return wrapper

    return decorate


@limited(1009)
def polynomial(x, /, a=2, *, b=3):
    return (x + a) * x + b


def subscribe():
    listeners = []

    def on(listener):
        listeners.append(listener)

    def emit(event):
        for listener in listeners:
            listener(event)

    return on, emit


def work(size):
    step, read = counter(0)
    pipeline = compose(adder(3), lambda value: value * 2, adder(-6), functools.partial(max, 0))
    on, emit = subscribe()
    seen = []
    on(seen.append)
    on(lambda event: step(event % 3))
    total = 0
    for i in range(size):
        emit(i)
        total += pipeline(i)
        total += polynomial(i, b=i & 1)
        if i % 100 == 0:
            # Closures that live for a moment.
            total += sum(f(i) for f in [adder(k) for k in range(5)])
    return total, read(), len(seen)


def expected(size):
    total = sum(2 * i for i in range(size))
    total += sum(((i + 2) * i + (i & 1)) % 1009 for i in range(size))
    total += sum(5 * i + 10 for i in range(0, size, 100))
    return total, sum(i % 3 for i in range(size)), size


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
