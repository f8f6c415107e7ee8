"""The solar system, integrated: nothing but floats, lists and a loop."""
import math
import sys

DAYS = 365.24
SOLAR_MASS = 4 * math.pi ** 2

# position (AU), velocity (AU / year), mass
SUN = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, SOLAR_MASS]
JUPITER = [4.84143144246472090, -1.16032004402742839, -0.103622044471123109,
           0.00166007664274403694 * DAYS, 0.00769901118419740425 * DAYS, -0.0000690460016972063023 * DAYS,
           0.000954791938424326609 * SOLAR_MASS]
SATURN = [8.34336671824457987, 4.12479856412430479, -0.403523417114321381,
          -0.00276742510726411069 * DAYS, 0.00499852801234917238 * DAYS, 0.0000230417297573763929 * DAYS,
          0.000285885980666130812 * SOLAR_MASS]


def advance(bodies, pairs, dt, steps):
    for _ in range(steps):
        for a, b in pairs:
            dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
            mag = dt / (dx * dx + dy * dy + dz * dz) ** 1.5
            am, bm = a[6] * mag, b[6] * mag
            a[3] -= dx * bm
            a[4] -= dy * bm
            a[5] -= dz * bm
            b[3] += dx * am
            b[4] += dy * am
            b[5] += dz * am
        for body in bodies:
            body[0] += dt * body[3]
            body[1] += dt * body[4]
            body[2] += dt * body[5]


def energy(bodies, pairs):
    kinetic = sum(b[6] * (b[3] ** 2 + b[4] ** 2 + b[5] ** 2) / 2 for b in bodies)
    potential = sum(a[6] * b[6] / math.dist(a[:3], b[:3]) for a, b in pairs)
    return kinetic - potential


def main(steps):
    bodies = [list(body) for body in (SUN, JUPITER, SATURN)]
    pairs = [(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1:]]
    for axis in range(3):
        bodies[0][3 + axis] = -sum(b[3 + axis] * b[6] for b in bodies) / SOLAR_MASS
    print(f"{energy(bodies, pairs):.9f}")
    advance(bodies, pairs, 0.01, steps)
    print(f"{energy(bodies, pairs):.9f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
