class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def doubled(self):
        return self.x * 2 + self.y


def total(points):
    s = 0
    for point in points:
        s += point.doubled()
    return s


points = [Point(i, 1) for i in range(1000)]
for _ in range(2000):
    total(points)
print(total(points))
