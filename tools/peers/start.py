"""start.py THREADS COMMAND: runs a command on so many processors, its streams in files of this folder, and prints what it cost.

A process of its own, because what begins a process counts in the peak that Linux tells of it: this one is small, but peaks below
its own (9 MB) are not seen.
"""

import os
import sys
import time

threads, command = int(sys.argv[1]), sys.argv[2:]
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
keep = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
files = [(os.POSIX_SPAWN_OPEN, 1, "stdout", keep, 0o644), (os.POSIX_SPAWN_OPEN, 2, "stderr", keep, 0o644)]
begin = time.monotonic()
process = os.posix_spawnp(command[0], command, environment, file_actions=files)
_, status, used = os.wait4(process, 0)
seconds = time.monotonic() - begin
print(f'{{"code": {os.waitstatus_to_exitcode(status)}, "seconds": {seconds}, "peak": {used.ru_maxrss * 1024}}}')
