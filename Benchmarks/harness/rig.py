"""Where a benchmark keeps its things, how long it may take, and how one tool is run once."""

import argparse
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .farm import PORT, Farm

HERE = Path(__file__).resolve().parent.parent


@dataclass
class Tool:
    """One way to do a job. `command` may name {farm}, {out} and other words that the job fills in."""

    name: str
    command: list[str]
    #: Tools of one kind do the same work on the hosts, and are compared with each other.
    kind: str = ""
    #: Not measured with more hosts than this.
    most_hosts: int = 300
    most_runs: int = 9


@dataclass
class Rig:
    root: Path
    state: Path
    results: Path
    options: argparse.Namespace
    rows: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begun = time.monotonic()
        self.runs = self.options.runs or (1 if self.options.quick else 3)
        self.quick = self.options.quick
        self.venv = self.state / "venv"
        self.bin = self.state / "bin"
        self.farm = Farm(self.state / "farm", self.bin / "delay")
        memory = Path("/dev/shm")
        self.memory = (memory if os.access(memory, os.W_OK) else self.state) / "rollbook-benchmarks"
        self.out = self.memory / "out"

    def __enter__(self) -> "Rig":
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.results.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.state / "lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"another benchmark is running ({self.state}/lock)")
        self.bin.mkdir(exist_ok=True)
        self.memory.mkdir(exist_ok=True, mode=0o700)
        (self.results / "results.jsonl").write_text(json.dumps(self.machine()) + "\n")
        return self

    def __exit__(self, *_) -> None:
        self.farm.down()
        shutil.rmtree(self.memory, ignore_errors=True)
        self.lock.close()

    @property
    def is_late(self) -> bool:
        return time.monotonic() - self.begun > self.options.minutes * 60

    def wants(self, tool: Tool) -> bool:
        words = (self.options.tools or "").split(",")
        return any(word in tool.name for word in words)

    def machine(self) -> dict:
        model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        return {
            "job": "machine",
            "cores": os.cpu_count(),
            "processor": model[0].split(":")[1].strip() if model else platform.machine(),
            "kernel": platform.release(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            "load": os.getloadavg()[0],
            "versions": {},
        }

    def run(self, tool: Tool, words: dict, timeout: float, sample_memory: bool, **about) -> dict:
        """Runs `tool` once into an empty output folder and returns what it took."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        words = words | {"out": str(self.out)}
        command = [part.format(**words) for part in tool.command]
        log = self.state / "tool.log"
        before, busy_before = self.farm.cpu(), busy_seconds()
        measured = subprocess.run(
            [sys.executable, str(HERE / "harness" / "measured.py"), str(log), str(timeout), str(int(sample_memory))] + command,
            cwd=self.state, env=os.environ | {"BENCH_PORT": str(PORT)}, capture_output=True, text=True, timeout=timeout + 30,
        )
        busy = busy_seconds() - busy_before
        row = json.loads(measured.stdout)
        time.sleep(0.4)  # lets the servers reap their sessions, whose time is counted then
        row |= about | {"tool": tool.name, "kind": tool.kind, "sampled": sample_memory}
        row["sshd_cpu"] = round(self.farm.cpu() - before, 2)
        row["foreign_cpu"] = round(max(0.0, busy - row["cpu"] - row["sshd_cpu"]), 2)
        row["load"] = os.getloadavg()[0]
        if row["status"]:
            row["said"] = log.read_text(errors="replace")[-600:]
        return row

    def record(self, row: dict) -> None:
        self.rows.append(row)
        with open(self.results / "results.jsonl", "a") as file:
            file.write(json.dumps(row) + "\n")
        fields = [f"{row['tool']:<28}", f"pass {row['pass']}", f"wall {row['wall']:8.3f}", f"cpu {row['cpu']:7.3f}"]
        fields += [f"sshd {row['sshd_cpu']:6.2f}", f"foreign {row['foreign_cpu']:5.2f}"]
        fields += [f"rss {row['rss']:.1f}"] if row["rss"] else []
        fields += [row["failure"]] if row.get("failure") else []
        print(" ", *fields, flush=True)
        if row.get("said"):
            print(row["said"], flush=True)

    def passes(self, tools: list[Tool], attempt, slow: float = 20.0) -> None:
        """Round-robin: one pass over all tools, then the next, so that drifts of the machine hit all alike.

        Pass 0 warms up and samples memory. A tool that failed or ran out of time is not run again; one that takes
        longer than `slow` seconds gets one timed pass, and one that takes three times as long is timed by pass 0.
        """
        walls: dict[str, float] = {}
        failed: set[str] = set()
        for number in range(self.runs + 1):
            for tool in tools:
                wall = walls.get(tool.name, 0.0)
                last = 0 if wall > 3 * slow else 1 if wall > slow else tool.most_runs
                if tool.name in failed or number > last or (number > 0 and self.is_late):
                    continue
                row = attempt(tool, number == 0)
                row["pass"] = number
                walls[tool.name] = max(wall, row["wall"])
                if row["status"] or row.get("failure"):
                    row.setdefault("failure", "timed out" if row["timed_out"] else f"FAILED ({row['status']})")
                    failed.add(tool.name)
                self.record(row)


def busy_seconds() -> float:
    """Seconds all cores together were not idle."""
    user, nice, system, _, _, interrupt, soft, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + interrupt + soft) / os.sysconf("SC_CLK_TCK")
