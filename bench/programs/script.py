"""A script of 0.3 s: read records, group them, print a report. Most Python programs are like this, and a JIT has to be
quick or out of the way.
"""

WHOLE = 250_000

CITIES = ["Amiens", "Bergen", "Cork", "Delft", "Evora", "Gent", "Halle", "Izmir", "Jaca", "Kotor"]


def lines(count):
    """The input: station;day;temperature in tenths, with a comment and a broken line now and then."""
    state = 12345
    for number in range(count):
        state = (state * 1103515245 + 12345) % 2147483648
        if number % 1000 == 999:
            yield "# checked\n"
        elif number % 700 == 699:
            yield f"{CITIES[state % 10]};;\n"
        else:
            yield f"{CITIES[state % 10]};{number % 365};{(state >> 8) % 600 - 200}\n"


def parse(text):
    for line in text:
        line = line.strip()
        if line.startswith("#"):
            continue
        city, day, value = line.split(";")
        if day and value:
            yield city, int(day), int(value) / 10


def summarize(records):
    groups = {}
    for city, day, value in records:
        group = groups.setdefault(city, {"count": 0, "sum": 0.0, "low": value, "high": value, "months": {}})
        group["count"] += 1
        group["sum"] += value
        if value < group["low"]:
            group["low"] = value
        if value > group["high"]:
            group["high"] = value
        month = day // 31
        group["months"][month] = group["months"].get(month, 0) + 1
    return groups


def report(groups):
    rows = []
    for city, group in sorted(groups.items()):
        busiest = max(group["months"].items(), key=lambda item: (item[1], -item[0]))[0]
        rows.append(f"{city:10} {group['low']:6.1f} {group['sum'] / group['count']:6.2f} {group['high']:6.1f} {busiest:3}")
    return rows


def work(size):
    groups = summarize(parse(lines(size)))
    return sum(group["count"] for group in groups.values()), len(report(groups))


def expected(size):
    comments = size // 1000
    # A broken line, unless it is a comment: every 7000th line is both.
    broken = size // 700 - size // 7000
    return size - comments - broken, min(10, size)


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
