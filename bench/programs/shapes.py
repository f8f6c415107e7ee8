"""A class hierarchy with polymorphic calls: abstract methods, super(), properties, operators, a visitor; the same call
site sees seven classes.
"""

import abc

SIZE = 3_000
WHOLE = 60_000


class Shape(abc.ABC):
    count = 0

    def __init__(self, x, y):
        self.x = x
        self.y = y
        Shape.count += 1

    @abc.abstractmethod
    def area(self): ...

    def moved(self, dx, dy):
        self.x += dx
        self.y += dy
        return self

    def __lt__(self, other):
        return self.area() < other.area()

    def accept(self, visitor):
        return visitor.visit_shape(self)

    @property
    def weight(self):
        return self.area() + self.x


class Rectangle(Shape):
    def __init__(self, x, y, width, height):
        super().__init__(x, y)
        self.width = width
        self.height = height

    def area(self):
        return self.width * self.height

    def accept(self, visitor):
        return visitor.visit_rectangle(self)


class Square(Rectangle):
    def __init__(self, x, y, side):
        super().__init__(x, y, side, side)


class Frame(Rectangle):
    def __init__(self, x, y, width, height, border):
        super().__init__(x, y, width, height)
        self.border = border

    def area(self):
        inner = (self.width - 2 * self.border) * (self.height - 2 * self.border)
        return super().area() - inner


class Triangle(Shape):
    def __init__(self, x, y, base, height):
        super().__init__(x, y)
        self.base = base
        self.height = height

    def area(self):
        return self.base * self.height // 2


class Octagon(Shape):
    __slots__ = ("size",)

    def __init__(self, x, y, size):
        Shape.__init__(self, x, y)
        self.size = size

    def area(self):
        return self.size * self.size * 7 // 8

    def moved(self, dx, dy):
        return super().moved(dx, dy)


class Nothing(Shape):
    def area(self):
        return 0

    @property
    def weight(self):
        return 0


class Group(Shape):
    def __init__(self, x, y, parts):
        super().__init__(x, y)
        self.parts = parts

    def area(self):
        return sum(part.area() for part in self.parts)

    def accept(self, visitor):
        return visitor.visit_group(self)


class Corners:
    """A visitor that counts corners of what it knows."""

    def visit_shape(self, shape):
        return 0

    def visit_rectangle(self, rectangle):
        return 4

    def visit_group(self, group):
        return sum(part.accept(self) for part in group.parts)


def make(n):
    kind = n % 7
    if kind == 0:
        return Rectangle(n, 0, n % 10 + 1, 4)
    if kind == 1:
        return Square(n, 1, n % 10 + 1)
    if kind == 2:
        return Frame(n, 2, 10, 12, 2)
    if kind == 3:
        return Triangle(n, 3, n % 10 + 1, 6)
    if kind == 4:
        return Octagon(n, 4, 8)
    if kind == 5:
        return Nothing(n, 5)
    return Group(n, 6, [Square(0, 0, 3), Triangle(0, 0, 4, 4)])


def work(size):
    shapes = [make(n) for n in range(size)]
    total = 0
    for _ in range(3):
        for shape in shapes:
            total += shape.area()
            total += shape.moved(1, -1).weight
    corners = Corners()
    smallest = min(shapes[: size // 2 + 1])
    return total, sum(shape.accept(corners) for shape in shapes), smallest.area(), sum(shape.y for shape in shapes)


def expected(size):
    areas = []
    corners = total = 0
    for n in range(size):
        side = n % 10 + 1
        area = (4 * side, side * side, 120 - 48, side * 6 // 2, 8 * 8 * 7 // 8, 0, 9 + 8)[n % 7]
        areas.append(area)
        corners += 4 if n % 7 in (0, 1, 2, 6) else 0
        total += 3 * area + (0 if n % 7 == 5 else 3 * area + 3 * n + 6)
    return total, corners, min(areas[: size // 2 + 1]), sum(n % 7 - 3 for n in range(size))


if __name__ == "__main__":
    from standalone import main

    main(work, expected, WHOLE)
