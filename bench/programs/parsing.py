"""Text taken apart by hand: a tokenizer over characters, a recursive-descent parser, and string methods on lines."""

SIZE = 700
WHOLE = 12_000

OPERATORS = {"+": 1, "-": 1, "*": 2}


def expression(number):
    """The text of an expression, and its value."""
    a, b, c = number % 17 + 1, number * 3 % 23 + 2, number % 5
    text = f"({a} + {b}*x{number % 7}) * ({c} - y) + 10*({b} - (x{number % 7} + {a}))"
    x, y = number % 7 + 2, 3
    return text, (a + b * x) * (c - y) + 10 * (b - (x + a))


def tokens(text):
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if character.isspace():
            position += 1
        elif character.isdigit():
            start = position
            while position < end and text[position].isdigit():
                position += 1
            yield "number", int(text[start:position])
        elif character.isalpha():
            start = position
            while position < end and text[position].isalnum():
                position += 1
            yield "name", text[start:position]
        else:
            position += 1
            yield "operator", character
    yield "end", None


class Parser:
    def __init__(self, text, names):
        self.tokens = tokens(text)
        self.names = names
        self.advance()

    def advance(self):
        self.kind, self.value = next(self.tokens)

    def binary(self, least):
        left = self.primary()
        while self.kind == "operator" and OPERATORS.get(self.value, 0) >= least:
            operator = self.value
            self.advance()
            right = self.binary(OPERATORS[operator] + 1)
            if operator == "+":
                left = left + right
            elif operator == "-":
                left = left - right
            else:
                left = left * right
        return left

    def primary(self):
        kind, value = self.kind, self.value
        self.advance()
        if kind == "number":
            return value
        if kind == "name":
            return self.names[value]
        inside = self.binary(1)
        if value != "(" or self.value != ")":
            raise SyntaxError(value)
        self.advance()
        return inside


def settings(text):
    """An INI file with comments, continuation and quoting."""
    sections, current = {}, None
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        if not line:
            continue
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1].strip().lower(), {})
            continue
        key, _, value = line.partition("=")
        current[key.strip().replace("-", "_")] = value.strip().strip('"')
    return sections


def configuration(sections):
    parts = []
    for number in range(sections):
        parts.append(f"[ Section-{number} ]  # number {number}")
        parts.extend(f'  key-{k} = "{number * k}"' for k in range(8))
        parts.append("")
    return "\n".join(parts)


def work(size):
    total = 0
    for number in range(size):
        text, _ = expression(number)
        names = {f"x{number % 7}": number % 7 + 2, "y": 3}
        total += Parser(text, names).binary(1)
    sections = settings(configuration(size))
    return total, len(sections), sum(int(value) for section in sections.values() for value in section.values())


def expected(size):
    return sum(expression(number)[1] for number in range(size)), size, 28 * sum(range(size))


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
