"""Tables out of the rows, and the goals they are held to."""

import json
import statistics

from . import goals, provision
from .rig import Rig


def write(rig: Rig) -> str:
    lines = rig.results / "results.jsonl"
    rows = [row for row in map(json.loads, lines.read_text().splitlines())]
    machine = rows[0] | {"versions": provision.versions(rig)}
    rows = [row for row in rows[1:]]
    text = "\n".join([heading(machine, rows), *tables(rows), goals.table(rows, machine["cores"])])
    (rig.results / "report.md").write_text(text)
    return f"{text}\n{lines}"


def heading(machine: dict, rows: list[dict]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    walls = sum(row["wall"] for row in rows)
    foreign = 100 * sum(row["foreign_cpu"] for row in rows) / (walls * machine["cores"]) if walls else 0
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory_gib']} GiB, kernel {machine['kernel']}; "
        f"others used {foreign:.0f} % of the cores meanwhile.\n{versions}.\n"
    )


def timed(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row["pass"] > 0] or rows


def median(rows: list[dict], key: str) -> float:
    return statistics.median(row[key] for row in timed(rows))


def tables(rows: list[dict]) -> list[str]:
    jobs = list(dict.fromkeys((row["job"], row["hosts"], row["delay"], row.get("mebibytes")) for row in rows))
    return [
        table(job, [row for row in rows if (row["job"], row["hosts"], row["delay"], row.get("mebibytes")) == job])
        for job in jobs
    ]


def table(job: tuple, rows: list[dict]) -> str:
    name, hosts, delay, mebibytes = job
    title = {
        "connect": "One connection, login and execution",
        "fanout": f"Eight commands on {hosts} host{'s' if hosts > 1 else ''}",
        "transfer": f"{mebibytes} MiB from {hosts} host{'s at once' if hosts > 1 else ''}",
    }[name] + (f", round trip {delay} ms" if delay else "")
    columns = ["tool", "on each host", "wall s", "min..max (passes)", "client CPU s", "sshd CPU s", "peak RSS MiB"]
    columns += ["MB/s", "wall / rollbook"] if mebibytes else ["wall / rollbook"]
    grouped: dict[tuple, list[dict]] = {}
    for row in rows:
        grouped.setdefault((row["kind"], row["tool"]), []).append(row)
    ours = {
        kind: min([median(found, "wall") for (other, tool), found in grouped.items()
                   if other == kind and tool.startswith("rollbook") and sound(found)], default=None)
        for kind, _ in grouped
    }
    lines = []
    for (kind, tool), found in grouped.items():
        if not sound(found):
            lines.append((kind, 1e9, [tool, kind, next(row["failure"] for row in found if row.get("failure"))] + [""] * 5))
            continue
        walls = sorted(row["wall"] for row in timed(found))
        peak = max(row["rss"] or 0 for row in found)
        cells = [tool, kind, f"{median(found, 'wall'):.3f}", f"{walls[0]:.3f}..{walls[-1]:.3f} ({len(walls)})"]
        cells += [f"{median(found, 'cpu'):.3f}", f"{median(found, 'sshd_cpu'):.2f}", f"{peak:.1f}"]
        cells += [f"{median(found, 'rate'):.0f}"] if mebibytes else []
        cells += [f"{median(found, 'wall') / ours[kind]:.2f}" if ours[kind] else ""]
        lines.append((kind, median(found, "wall"), cells))
    body = [f"| {' | '.join(cells)} |" for _, _, cells in sorted(lines, key=lambda line: line[:2])]
    return "\n".join([f"\n### {title}\n", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *body])


def sound(rows: list[dict]) -> bool:
    return not any(row.get("failure") for row in rows)
