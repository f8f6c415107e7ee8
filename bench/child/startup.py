"""Start-up of several configurations, interleaved: `startup.py CONFIGURATIONS ROUNDS`, both read as JSON.

A configuration is {"name", "command", "env"}; the command is an interpreter with its options. Prints one JSON object:
per configuration the seconds of `-c pass` and the peak memory in bytes. Runs next to the interpreters that are
measured (inside the other tree, if they live in one), so that entering that tree is not part of the figures.
"""

import json
import os
import sys
import time

# The peak of the new program alone: what getrusage() reports also covers this process, from which it was forked.
PEAK = "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def run(configuration, code):
    """Wall-clock seconds and output of `-c code`."""
    command = configuration["command"] + ["-c", code]
    environment = {**os.environ, **configuration["env"]}
    reader, writer = os.pipe()
    start = time.perf_counter()
    child = os.posix_spawnp(command[0], command, environment, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)])
    status = os.waitpid(child, 0)[1]
    seconds = time.perf_counter() - start
    os.close(writer)
    with open(reader) as pipe:
        output = pipe.read()
    if status != 0:
        raise SystemExit(f"{configuration['name']}: {command} ended with status {status}")
    return seconds, output


configurations, rounds = map(json.loads, sys.argv[1:])
result = {c["name"]: {"seconds": [], "peak": []} for c in configurations}
for number in range(rounds):
    turn = number % len(configurations)
    for configuration in configurations[turn:] + configurations[:turn]:
        mine = result[configuration["name"]]
        mine["seconds"].append(run(configuration, "pass")[0])
        if number < 5:
            mine["peak"].append(int(run(configuration, PEAK)[1]) * 1024)
print(json.dumps(result))
