"""Exceptions as ordinary control flow: look-ups that miss, conversion that fails, leaving nested loops, clean-up."""

SIZE = 12_000
WHOLE = 120_000


class Found(Exception):
    def __init__(self, where):
        super().__init__(where)
        self.where = where


class Retry(Exception):
    pass


def cached(cache, key):
    try:
        return cache[key]
    except KeyError:
        value = cache[key] = key * key
        return value


def number(text):
    try:
        return int(text)
    except ValueError:
        try:
            return int(text, 16)
        except ValueError as error:
            return -len(error.args)


def search(grid, wanted):
    try:
        for y, row in enumerate(grid):
            for x, value in enumerate(row):
                if value == wanted:
                    raise Found((x, y))
    except Found as found:
        return found.where
    return None


class Resource:
    def __init__(self, log):
        self.log = log

    def __enter__(self):
        self.log["open"] += 1
        return self

    def __exit__(self, kind, error, traceback):
        self.log["closed"] += 1
        return kind is Retry


def attempt(log, i):
    for turn in range(3):
        with Resource(log):
            if (i + turn) % 3:
                raise Retry
            return turn
    return -1


def cleaned(steps, i):
    try:
        if i % 2:
            return "odd"
        raise LookupError(i)
    except LookupError:
        return "even"
    finally:
        steps.append(i)


def deep(n):
    if n == 0:
        raise StopIteration
    deep(n - 1)


def work(size):
    cache, log, steps = {}, {"open": 0, "closed": 0}, []
    grid = [[y * 6 + x for x in range(6)] for y in range(6)]
    texts = ["12", "ff", "no", "7"]
    total = unwound = 0
    for i in range(size):
        total += cached(cache, i % 5000)
        total += number(texts[i & 3])
        total += attempt(log, i)
        total += len(cleaned(steps, i))
        if i % 8 == 0:
            x, y = search(grid, i % 36)
            total += y * 6 + x
            try:
                deep(10)
            except StopIteration:
                unwound += 1
    return total, len(cache), log["open"] - log["closed"], log["open"], len(steps), unwound


def expected(size):
    total = opened = 0
    for i in range(size):
        key = i % 5000
        turn = -i % 3
        total += key * key + (12, 255, -1, 7)[i & 3] + turn + (3 if i % 2 else 4)
        opened += turn + 1
        if i % 8 == 0:
            total += i % 36
    return total, min(size, 5000), 0, opened, size, (size + 7) // 8


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
