"""Runs one command and prints one JSON line about it: measured.py LOG TIMEOUT SAMPLE-MEMORY COMMAND…

Processor time: this process is a child subreaper and reaps everything below it, so RUSAGE_CHILDREN is the whole tree of
the tool, children that put themselves in the background (OpenSSH's ControlMaster) included. Memory: the sum of the
tree's high-water marks, looked at every 5 ms at first and every 20 ms later; pages that processes share count once for each.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import threading
import time

SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36


def tree(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            for thread in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{thread}/children") as file:
                    found += map(int, file.read().split())
        except OSError:
            pass
    return found


def resident_peak(pids: list[int]) -> int:
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        except OSError:
            pass
    return total * 1024


def reap(seconds: float) -> bool:
    """Reaps what ended, at most so long. True when no child is left."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return True
    return False


def main() -> None:
    log, timeout, sample, command = sys.argv[1], float(sys.argv[2]), sys.argv[3] == "1", sys.argv[4:]
    libc = ctypes.CDLL(None)
    libc.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    begun = time.monotonic()
    executed, closes_on_exec = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        libc.prctl(SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            os.write(2, f"{command[0]}: {error}\n".encode())
        os._exit(127)
    os.close(closes_on_exec)
    os.read(executed, 1)  # ends when the program has taken the place of this one, whose memory is not to be counted

    peak, ended, timed_out = [0], threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.25 if not sample else 0.02 if time.monotonic() - begun > 0.5 else 0.005):
            if sample:
                peak[0] = max(peak[0], resident_peak(tree(child)))
            if time.monotonic() - begun > timeout:
                timed_out.set()
                os.killpg(child, signal.SIGTERM if time.monotonic() - begun < timeout + 2 else signal.SIGKILL)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    if sample:
        peak[0] = resident_peak([child])
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # its numbers can still be read
    wall = time.monotonic() - begun
    ended.set()
    watcher.join()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not reap(1):
        for pid in tree(os.getpid())[1:]:
            os.kill(pid, signal.SIGTERM)
        reap(2)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({
        "wall": round(wall, 4), "cpu": round(used.ru_utime + used.ru_stime, 4), "user": round(used.ru_utime, 4),
        "rss": round(peak[0] / 2**20, 1) if sample else None, "status": status, "timed_out": timed_out.is_set(),
    }))


main()
