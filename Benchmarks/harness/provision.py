"""Brings what the benchmarks need: packages, peers, and the programs that are built here."""

import os
import shutil
import subprocess
import sys

from .rig import HERE, Rig


def names(file: str) -> list[str]:
    lines = (HERE / file).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def everything(rig: Rig, build: bool) -> None:
    packages()
    environment(rig)
    if build:
        for program, library in (("floor", ["-lssh2"]), ("delay", [])):
            run(["gcc", "-O2", "-Wall", "-o", rig.bin / program, HERE / f"{program}.c", *library])
        for product in ("rollbook-bench", "rollbook"):
            swift = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", product]
            run(swift, cwd=rig.root)
            shutil.copy2(rig.root / ".build" / "release" / product, rig.bin / product)
    listed = subprocess.run([rig.bin / "rollbook-bench", "commands"], capture_output=True, text=True, check=True).stdout
    if listed != (HERE / "commands.txt").read_text():
        sys.exit("Benchmarks/commands.txt and Preflight.swift do not have the same commands")


def packages() -> None:
    query = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *names("packages.txt")],
        capture_output=True, text=True,
    )
    there = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    missing = [name for name in names("packages.txt") if name not in there]
    if not missing:
        return
    if os.getuid() != 0:
        sys.exit("missing packages; run: sudo apt-get install " + " ".join(missing))
    run(["apt-get", "update", "-q"])
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing], env=environment)


def environment(rig: Rig) -> None:
    """The virtual environment of the Python peers, made once and kept in the temporary folder."""
    if not (rig.venv / "complete").exists():
        shutil.rmtree(rig.venv, ignore_errors=True)
        run(["/usr/bin/python3", "-m", "venv", rig.venv])
        run([rig.venv / "bin" / "pip", "install", "-q", "-r", HERE / "requirements.txt"])
        (rig.venv / "complete").touch()


def versions(rig: Rig) -> dict[str, str]:
    """What was compared, for the report."""
    frozen = subprocess.run([rig.venv / "bin" / "pip", "freeze"], capture_output=True, text=True).stdout
    python = dict(line.split("==", 1) for line in frozen.splitlines() if "==" in line)
    found = {name: python[name] for name in names("requirements.txt") if name in python}
    for package in ("openssh-client", "openssh-server", "libssh2-1", "rsync", "clustershell"):
        query = ["dpkg-query", "-W", "-f", "${Version}", package]
        found[package] = subprocess.run(query, capture_output=True, text=True).stdout
    return found


def run(command: list, **options) -> None:
    print("+", *command, flush=True)
    subprocess.run(command, check=True, **options)
