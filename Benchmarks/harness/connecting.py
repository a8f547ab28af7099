"""The least there is: one process, one connection, one login, one `true`."""

import getpass

from .farm import PORT
from .rig import Rig, Tool


def measure(rig: Rig) -> None:
    login = ["--hosts", "{farm}/hosts", "--known-hosts", "{farm}/known_hosts", "--identity", "{farm}/client_ed25519"]
    ssh = ["ssh", "-n", "-F", "{farm}/ssh_config"]
    python = [str(rig.venv / "bin" / "python")]
    tools = [
        Tool("rollbook login", [str(rig.bin / "rollbook-bench"), "login", *login, "--output", "{out}", "--user", "{user}", "--port", str(PORT)]),
        Tool("floor login", [str(rig.bin / "floor"), "login", "{farm}", "{out}", "1", "-"]),
        Tool("ssh host true", [*ssh, "127.77.0.1", "true"]),
        Tool("ssh host true, curve25519", [*ssh, "-o", "KexAlgorithms=curve25519-sha256", "127.77.0.1", "true"]),
        Tool("python, nothing at all", [*python, "-c", "pass"]),
        Tool("rollbook version", [str(rig.bin / "rollbook"), "version"]),
    ]
    rig.farm.up(1)
    print("one connection", flush=True)
    words = {"farm": str(rig.farm.folder), "user": getpass.getuser()}
    once = rig.runs
    rig.runs = once if rig.quick else 7 * once  # short, and what matters is its median
    for tool in tools:
        tool.most_runs = rig.runs
    rig.passes(
        [tool for tool in tools if rig.wants(tool)],
        lambda tool, sample: rig.run(tool, words, 60, sample, job="connect", hosts=1, delay=0),
    )
    rig.runs = once
    rig.farm.down()
