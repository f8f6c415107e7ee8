"""Starts one process and notes what it took: `spawn.py ORDER`, ORDER being JSON {"command", "env", "result"}.

Runs next to the interpreter that is measured (inside the other tree, if it lives in one), so that entering that tree is
not part of the figures. The peak can not be below this process's own, which the kernel counts to the child: it is kept
small (-I -S, no further imports) and far below that of any program.
"""

import json
import os
import sys
import time

order = json.loads(sys.argv[1])
command = order["command"]
environment = {**os.environ, **order["env"]}
# The children read the same clock (CLOCK_MONOTONIC), so their time stamps count from here.
started = time.monotonic()
child = os.posix_spawnp(command[0], command, environment)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - started
result = {
    "pid": child, "started": started, "status": os.waitstatus_to_exitcode(status), "wall": wall,
    "cpu": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss * 1024,
}
with open(order["result"], "w") as file:
    json.dump(result, file)
