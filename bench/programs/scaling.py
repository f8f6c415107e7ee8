"""A loop of any length, run once in a fresh process: time per iteration against the amount of work. A compiler costs time
at first; this shows from which length on it has paid.
"""

SIZES = [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 30_000_000]

MASK = 0xFFFF


def mix(a, b):
    return (a * 31 + b) & MASK


def work(size):
    state = 1
    hits = 0
    for i in range(size):
        state = mix(state, i & 255)
        if state < 256:
            hits += 1
    return state, hits


def expected(size):
    # The state depends on i & 255 and itself only, so it repeats: follow it until it does, then count the rest.
    seen, history = {}, []
    state = 1
    for i in range(size):
        if i % 256 == 0:
            if state in seen:
                break
            seen[state] = i
        state = mix(state, i & 255)
        history.append(state)
    else:
        return state, sum(1 for value in history if value < 256)
    start = seen[state]
    period = len(history) - start
    cycle = history[start:]
    rounds, rest = divmod(size - start, period)
    hits = sum(value < 256 for value in history[:start]) + rounds * sum(value < 256 for value in cycle)
    hits += sum(value < 256 for value in cycle[:rest])
    return (cycle[rest - 1] if rest else cycle[-1]), hits


if __name__ == "__main__":
    from standalone import main

    main(work, expected, SIZES[-1])
