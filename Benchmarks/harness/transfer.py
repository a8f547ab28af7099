"""The transfer job: one file of every host, from memory to memory, all hosts at once."""

import filecmp
import getpass
import os
from pathlib import Path

from .farm import PORT
from .rig import HERE, Rig, Tool

GIB = 2**30


def tools(rig: Rig) -> list[Tool]:
    python, peers = str(rig.venv / "bin" / "python"), HERE / "peers"
    rollbook = [str(rig.bin / "rollbook-bench"), "fetch", "--hosts", "{farm}/hosts", "--known-hosts", "{farm}/known_hosts"]
    rollbook += ["--identity", "{farm}/client_ed25519", "--output", "{out}", "--user", "{user}", "--port", str(PORT), "--path", "{file}"]

    def each(command: str) -> list[str]:
        return ["sh", "-c", f'xargs -a {{farm}}/hosts -P 8 -I% sh -c "{command}"']

    return [
        Tool("rollbook", rollbook),
        Tool("floor", [str(rig.bin / "floor"), "fetch", "{farm}", "{out}", "64", "{file}"]),
        Tool("scp", each("scp -q -F {farm}/ssh_config %:{file} {out}/got_%")),
        Tool("ssh cat", each("ssh -n -F {farm}/ssh_config % cat {file} >{out}/got_%")),
        Tool("ssh cat aes128-gcm", each("ssh -n -c aes128-gcm@openssh.com -F {farm}/ssh_config % cat {file} >{out}/got_%")),
        Tool("sftp", each("sftp -q -F {farm}/ssh_config %:{file} {out}/got_%")),
        Tool("rsync", each("rsync -W -e 'ssh -F {farm}/ssh_config' %:{file} {out}/got_%")),
        Tool("asyncssh sftp", [python, f"{peers}/fetch_with_asyncssh.py", "{farm}", "{out}", "{file}"]),
        Tool("parallel-ssh sftp", [python, f"{peers}/fetch_with_parallel_ssh.py", "{farm}", "{out}", "{file}"]),
    ]


def measure(rig: Rig, delay: int) -> None:
    sizes = [(64, 1), (64, 8)] if rig.quick else [(64, 8), (256, 1), (256, 8), (1024, 1), (1024, 8)]
    for mebibytes, hosts in [(64, 1)] if delay else sizes:
        if mebibytes * hosts * 2**20 + 4 * GIB > available_memory():
            print(f"{mebibytes} MiB from {hosts} hosts is left out: not enough memory", flush=True)
            continue
        fetch(rig, mebibytes, hosts, delay)


def fetch(rig: Rig, mebibytes: int, hosts: int, delay: int) -> None:
    source = rig.memory / "source"
    with open(source, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(2**20))
    rig.farm.up(hosts, delay)
    print(f"{mebibytes} MiB from {hosts} at once, {delay} ms", flush=True)
    words = {"farm": str(rig.farm.folder), "user": getpass.getuser(), "file": str(source)}

    def attempt(tool: Tool, sample: bool) -> dict:
        row = rig.run(
            tool, words, 240, sample, job="transfer", hosts=hosts, delay=delay, mebibytes=mebibytes)
        row["rate"] = round(hosts * mebibytes * 2**20 / row["wall"] / 1e6, 1)
        got = [path for path in rig.out.iterdir() if path.is_file()]
        if len(got) != hosts or any(path.stat().st_size != mebibytes * 2**20 for path in got):
            row["failure"] = "files are missing or short"
        elif sample and not all(filecmp.cmp(source, path, shallow=False) for path in got):
            row["failure"] = "a file is not what was sent"
        return row

    rig.passes([tool for tool in tools(rig) if rig.wants(tool)], attempt, slow=25)
    rig.farm.down()
    for path in rig.out.iterdir():
        path.unlink()


def available_memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
