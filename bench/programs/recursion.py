"""Recursion of several shapes: a binary tree of calls, mutual recursion, a deep chain, recursion over nested data."""

SIZE = 20
WHOLE = 28


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def is_even(n):
    return True if n == 0 else is_odd(n - 1)


def is_odd(n):
    return False if n == 0 else is_even(n - 1)


def moves(disks, source, target, spare, pegs):
    """The towers of Hanoi, with the disks really moved."""
    if disks == 0:
        return 0
    count = moves(disks - 1, source, spare, target, pegs)
    pegs[target].append(pegs[source].pop())
    return count + 1 + moves(disks - 1, spare, target, source, pegs)


def build(depth):
    return depth if depth == 0 else [build(depth - 1), (depth, build(depth - 1))]


def depth_and_sum(tree):
    if isinstance(tree, int):
        return 0, tree
    deepest = total = 0
    for branch in tree:
        depth, part = depth_and_sum(branch)
        deepest = max(deepest, depth)
        total += part
    return deepest + 1, total


def permutations(items):
    if not items:
        yield []
        return
    for index, item in enumerate(items):
        for rest in permutations(items[:index] + items[index + 1 :]):
            yield [item, *rest]


def work(size):
    disks = size // 2
    pegs = {"a": list(range(disks, 0, -1)), "b": [], "c": []}
    count = moves(disks, "a", "c", "b", pegs)
    return (
        fibonacci(size), is_even(500 + size), count, pegs["c"] == list(range(disks, 0, -1)),
        depth_and_sum(build(disks)), sum(1 for _ in permutations(list(range(size // 3)))),
    )


def expected(size):
    import math

    a, b = 0, 1
    for _ in range(size):
        a, b = b, a + b
    disks = size // 2
    # Two subtrees per level, one of them inside a tuple together with the level's number.
    deepest, total = 0, 0
    for level in range(1, disks + 1):
        deepest, total = deepest + 2, 2 * total + level
    return a, size % 2 == 0, 2**disks - 1, True, (deepest, total), math.factorial(size // 3)


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
