"""5,000 different functions, all of them warm and none of them hot alone: what a large application looks like to a JIT.

The functions are of four kinds with other constants each, compiled from source text so that each has its own code. The
same is computed a second time from the table of constants, with one function, to check the result.
"""

SIZE = 2
WHOLE = 20
COUNT = 5000

KINDS = [
    """
def {name}(n):
    total = {a}
    for i in range(n):
        total += i * {b} & {c}
    return total
""",
    """
def {name}(n):
    items = []
    for i in range(n):
        if i % {b}:
            items.append(i + {a})
    return len(items) + sum(items)
""",
    """
def {name}(n):
    a, b = {a}, {b}
    while n > 0:
        a, b = b, (a + b) % {c}
        n -= 1
    return a
""",
    """
def {name}(n):
    counts = {{}}
    for i in range(n):
        key = (i * {a}) % {b}
        counts[key] = counts.get(key, 0) + 1
    return sum(key * count for key, count in counts.items())
""",
]


def constants(number):
    return number * 7 % 97 + 1, number % 13 + 2, (number * 31) % 1009 + 5


def compile_functions():
    functions = []
    for number in range(COUNT):
        a, b, c = constants(number)
        name = f"function_{number}"
        namespace = {}
        exec(KINDS[number % len(KINDS)].format(name=name, a=a, b=b, c=c), namespace)
        functions.append(namespace[name])
    return functions


FUNCTIONS = compile_functions()


def work(size):
    total = 0
    for turn in range(size):
        for function in FUNCTIONS:
            total += function(20 + turn)
    return total


def expected(size):
    total = 0
    for turn in range(size):
        n = 20 + turn
        for number in range(COUNT):
            a, b, c = constants(number)
            if number % 4 == 0:
                total += a + sum(i * b & c for i in range(n))
            elif number % 4 == 1:
                items = [i + a for i in range(n) if i % b]
                total += len(items) + sum(items)
            elif number % 4 == 2:
                x, y = a, b
                for _ in range(n):
                    x, y = y, (x + y) % c
                total += x
            else:
                total += sum(i * a % b for i in range(n))
    return total


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
