"""The goals of Docs/Performance.md, each computed from the rows of one run."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

SEQUENCES = ("asyncssh seq", "asyncssh par", "parallel-ssh seq", "pyinfra facts", "ssh ControlMaster", "ansible raw")
BATCHES = ("asyncssh batch", "parallel-ssh batch", "pyinfra batch", "ssh batch", "clush batch")


class Missing(Exception):
    """What a goal is measured against was not in this run."""


class Numbers:
    """Medians by job and tool; peak memory from the sampled pass."""

    def __init__(self, rows: list[dict], cores: int) -> None:
        self.rows = rows
        self.cores = cores

    def get(self, key: str, tool: str, hosts: int, job: str = "fanout", delay: int = 0, mebibytes: int | None = None) -> float:
        found = [
            row for row in self.rows
            if (row["job"], row["tool"], row["hosts"], row["delay"], row.get("mebibytes")) == (job, tool, hosts, delay, mebibytes)
        ]
        if not found or any(row.get("failure") for row in found):
            raise Missing(tool)
        if key == "rss":
            return max(row["rss"] or 0 for row in found)
        return statistics.median(row[key] for row in [row for row in found if row["pass"] > 0] or found)

    def least(self, key: str, tools: tuple[str, ...], hosts: int, **job) -> float:
        values = []
        for tool in tools:
            try:
                values.append(self.get(key, tool, hosts, **job))
            except Missing:
                continue
        if not values:
            raise Missing(", ".join(tools))
        return min(values)


@dataclass
class Goal:
    name: str
    what: str
    limit: float
    measure: Callable[[Numbers], float]
    #: Most goals are upper limits; rates are lower ones.
    at_least: bool = False
    unit: str = "x"


def wall(numbers: Numbers, ours: str, peers: tuple[str, ...], hosts: int, delay: int = 0) -> float:
    return numbers.get("wall", ours, hosts, delay=delay) / numbers.least("wall", peers, hosts, delay=delay)


def above_floor(numbers: Numbers, tool: str) -> float:
    return numbers.get("wall", tool, 300) / (numbers.get("sshd_cpu", tool, 300) / numbers.cores)


def fetched(numbers: Numbers, peer: str, mebibytes: int, hosts: int) -> float:
    job = {"job": "transfer", "mebibytes": mebibytes}
    return numbers.get("rate", "rollbook", hosts, **job) / numbers.get("rate", peer, hosts, **job)


def per_host(numbers: Numbers, tool: str) -> float:
    return numbers.get("cpu", tool, 100) * 1000 / 100


def against_floor(key: str, form: str, hosts: int = 100) -> Callable[[Numbers], float]:
    return lambda numbers: numbers.get(key, f"rollbook {form}", hosts) / numbers.get(key, f"floor {form}", hosts)


ALL = BATCHES + SEQUENCES
GOALS = [
    Goal("F1", "1 host, wall / fastest peer in any form", 0.40, lambda n: wall(n, "rollbook batch", ALL, 1)),
    Goal("F2", "10 hosts, wall / fastest peer in any form", 0.60, lambda n: wall(n, "rollbook batch", ALL, 10)),
    Goal("F3", "100 hosts, wall / fastest peer with 8 executions", 0.55, lambda n: wall(n, "rollbook batch", SEQUENCES, 100)),
    Goal("F4a", "100 hosts, wall / fastest peer with 1 execution", 0.95, lambda n: wall(n, "rollbook batch", BATCHES, 100)),
    Goal("F4b", "100 hosts, 8 executions, wall / fastest peer with 8", 0.85, lambda n: wall(n, "rollbook seq", SEQUENCES, 100)),
    Goal("F5a", "100 hosts, wall / pyinfra facts", 0.45, lambda n: wall(n, "rollbook batch", ("pyinfra facts",), 100)),
    Goal("F5b", "100 hosts, wall / ansible raw", 0.10, lambda n: wall(n, "rollbook batch", ("ansible raw",), 100)),
    Goal("F6a", "300 hosts, wall / (sshd CPU / cores), 1 execution", 1.30, lambda n: above_floor(n, "rollbook batch")),
    Goal("F6b", "the same, 8 executions", 1.30, lambda n: above_floor(n, "rollbook seq")),
    Goal("F7a", "100 hosts, client CPU / parallel-ssh, 1 execution", 0.6,
         lambda n: n.get("cpu", "rollbook batch", 100) / n.get("cpu", "parallel-ssh batch", 100)),
    Goal("F7b", "the same, 8 executions", 0.6,
         lambda n: n.get("cpu", "rollbook seq", 100) / n.get("cpu", "parallel-ssh seq", 100)),
    Goal("F7c", "100 hosts, client CPU of a host, 1 execution", 4, lambda n: per_host(n, "rollbook batch"), unit=" ms"),
    Goal("F7d", "the same, 8 executions", 8, lambda n: per_host(n, "rollbook seq"), unit=" ms"),
    Goal("F8a", "100 hosts, peak RSS / parallel-ssh", 0.6,
         lambda n: n.get("rss", "rollbook batch", 100) / n.get("rss", "parallel-ssh batch", 100)),
    Goal("F8b", "100 hosts, peak RSS / 50 ssh processes", 0.10,
         lambda n: n.get("rss", "rollbook batch", 100) / n.get("rss", "ssh batch", 100)),
    Goal("F9", "round trip 20 ms, 10 hosts, 8 executions, wall / fastest peer with 8", 0.60,
         lambda n: wall(n, "rollbook par", SEQUENCES, 10, delay=20)),
    Goal("F10a", "one connection, wall / ssh host true", 0.25,
         lambda n: n.get("wall", "rollbook login", 1, job="connect") / n.get("wall", "ssh host true", 1, job="connect")),
    Goal("F10b", "one connection, wall / floor", 1.5,
         lambda n: n.get("wall", "rollbook login", 1, job="connect") / n.get("wall", "floor login", 1, job="connect")),
    Goal("T1", "1 GiB from one host, MB/s / scp", 0.80, lambda n: fetched(n, "scp", 1024, 1), at_least=True),
    Goal("T2", "1 GiB from one host, MB/s / parallel-ssh", 1.6, lambda n: fetched(n, "parallel-ssh sftp", 1024, 1), at_least=True),
    Goal("T3", "64 MiB from 8 hosts at once, MB/s / scp", 1.0, lambda n: fetched(n, "scp", 64, 8), at_least=True),
    Goal("T4", "round trip 20 ms, 64 MiB, wall / scp", 0.6,
         lambda n: n.get("wall", "rollbook", 1, job="transfer", delay=20, mebibytes=64)
         / n.get("wall", "scp", 1, job="transfer", delay=20, mebibytes=64)),
    Goal("T5a", "peak RSS while fetching 1 GiB", 21,
         lambda n: n.get("rss", "rollbook", 1, job="transfer", mebibytes=1024), unit=" MiB"),
    Goal("T5b", "peak RSS while fetching 256 MiB from 8 at once", 28,
         lambda n: n.get("rss", "rollbook", 8, job="transfer", mebibytes=256), unit=" MiB"),
    Goal("D1", "100 hosts, wall / floor, 1 execution", 1.05, against_floor("wall", "batch")),
    Goal("D2", "100 hosts, client CPU / floor, 1 execution", 1.5, against_floor("cpu", "batch")),
    Goal("D3", "100 hosts, client CPU / floor, 8 executions", 1.5, against_floor("cpu", "seq")),
    Goal("D4", "100 hosts, peak RSS", 32, lambda n: n.get("rss", "rollbook batch", 100), unit=" MiB"),
]


def table(rows: list[dict], cores: int) -> str:
    numbers = Numbers(rows, cores)
    lines = ["\n### Goals\n", "| goal | what | limit | measured | reached |", "|---|---|---|---|---|"]
    for goal in GOALS:
        limit = f"{'>=' if goal.at_least else '<='} {goal.limit:g}{goal.unit}"
        try:
            value = goal.measure(numbers)
        except Missing:
            lines.append(f"| {goal.name} | {goal.what} | {limit} | not in this run | |")
            continue
        reached = value >= goal.limit if goal.at_least else value <= goal.limit
        lines.append(f"| {goal.name} | {goal.what} | {limit} | {value:.2f}{goal.unit} | {'yes' if reached else 'no'} |")
    return "\n".join(lines) + "\n"
