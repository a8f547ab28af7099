"""The preflight-read job: eight read-only commands on every host, the output of each kept apart."""

import getpass
import json
import sys
from pathlib import Path

from .farm import PORT
from .rig import HERE, Rig, Tool

ONE, EIGHT = "1 exec", "8 execs"


def tools(rig: Rig) -> list[Tool]:
    """The tools; hosts in flight are what serves each best here (50 for those that start processes)."""
    python, peers = str(rig.venv / "bin" / "python"), HERE / "peers"
    ours = [str(rig.bin / "rollbook-bench"), "{mode}", "--hosts", "{farm}/hosts", "--known-hosts", "{farm}/known_hosts"]
    ours += ["--identity", "{farm}/client_ed25519", "--output", "{out}", "--user", "{user}", "--port", str(PORT)]

    def rollbook(mode: str) -> list[str]:
        return [mode if part == "{mode}" else part for part in ours]

    def floor(mode: str, what: str) -> list[str]:
        return [str(rig.bin / "floor"), mode, "{farm}", "{out}", "64", what]

    def shell(script: str, *words: str) -> list[str]:
        each = f'xargs -a {{farm}}/hosts -P 50 -n 1 {peers}/{script} {{farm}}/ssh_config {{out}} "$0"'
        return ["sh", "-c", each, *words]

    def script(name: str, mode: str) -> list[str]:
        return [python, str(peers / name), "{farm}", "{out}", mode, "{commands}" if mode != "batch" else "{batch}"]

    clush = ["clush", "--hostfile", "{farm}/hosts", "-f", "50", "-q", "-o", "-F {farm}/ssh_config", "--outdir", "{out}"]
    ansible = ["env", "ANSIBLE_PIPELINING=1", "ANSIBLE_FORKS=50", "ANSIBLE_CONFIG={state}/ansible.cfg"]
    ansible += ["ANSIBLE_HOME={state}/ansible", "ANSIBLE_CALLBACK_RESULT_FORMAT=json", str(rig.venv / "bin/ansible-playbook")]
    return [
        Tool("rollbook batch", rollbook("batch"), ONE),
        Tool("floor batch", floor("batch", "{batch}"), ONE),
        Tool("asyncssh batch", script("with_asyncssh.py", "batch"), ONE),
        Tool("parallel-ssh batch", script("with_parallel_ssh.py", "batch"), ONE),
        Tool("pyinfra batch", script("with_pyinfra.py", "batch"), ONE),
        Tool("ssh batch", shell("ssh-batch", "{batch}"), ONE),
        Tool("clush batch", clush + ["{batch_text}"], ONE),
        Tool("rollbook seq", rollbook("seq"), EIGHT),
        Tool("rollbook par", rollbook("par"), EIGHT),
        Tool("floor seq", floor("seq", "{commands}"), EIGHT),
        Tool("floor par", floor("par", "{commands}"), EIGHT),
        Tool("asyncssh seq", script("with_asyncssh.py", "seq"), EIGHT),
        Tool("asyncssh par", script("with_asyncssh.py", "par"), EIGHT),
        Tool("parallel-ssh seq", script("with_parallel_ssh.py", "seq"), EIGHT),
        Tool("pyinfra facts", script("with_pyinfra.py", "seq"), EIGHT),
        Tool("ssh ControlMaster", shell("ssh-multiplexed", "{commands}"), EIGHT, most_runs=1),
        Tool("ansible raw", [*ansible, "-v", "-i", "{farm}/ansible.ini", "{farm}/raw.json"], EIGHT, most_runs=1),
        Tool("rollbook facts", [str(rig.bin / "rollbook"), "facts", "--only", "host.identity", "--inventory", "{farm}/inventory.yaml",
              "--parallel", "48"],
             "1 exec, own facts"),
    ]


def measure(rig: Rig, sizes: list[int], delay: int) -> None:
    batch = Path(rig.state / "batch.sh")
    lines = (HERE / "commands.txt").read_text().splitlines()
    batch.write_text("".join(f"echo '=== {index}'; {line}\n" for index, line in enumerate(lines)))
    for count in sizes:
        rig.farm.up(count, delay)
        describe_for_peers(rig, lines)
        print(f"{count} hosts, {delay} ms", flush=True)
        words = {
            "farm": str(rig.farm.folder), "state": str(rig.state), "user": getpass.getuser(), "batch": str(batch),
            "batch_text": batch.read_text(), "commands": str(HERE / "commands.txt"),
        }

        def attempt(tool: Tool, sample: bool) -> dict:
            row = rig.run(tool, words, 240, sample, job="fanout", hosts=count, delay=delay)
            if tool.name not in ("ansible raw", "rollbook facts") and not row["status"]:
                found = sum(1 for path in rig.out.rglob("*") if path.is_file() and path.stat().st_size > 0)
                # /proc/swaps and the others always print; /proc/modules may be absent, and then prints nothing
                if found < count * (1 if "batch" in tool.name and "rollbook" not in tool.name else 7):
                    row["failure"] = f"only {found} answers"
            return row

        rig.passes([tool for tool in tools(rig) if rig.wants(tool) and count <= tool.most_hosts], attempt)
        rig.farm.down()


def describe_for_peers(rig: Rig, commands: list[str]) -> None:
    """Writes the same hosts in the forms that Ansible, pyinfra and Rollbook read."""
    folder, user = rig.farm.folder, getpass.getuser()
    hosts = (folder / "hosts").read_text().split()
    variables = {
        "ansible_port": PORT, "ansible_user": user, "ansible_ssh_private_key_file": f"{folder}/client_ed25519",
        "ansible_ssh_common_args": f"-F {folder}/ssh_config", "ansible_python_interpreter": sys.executable,
    }
    settings = "".join(f"{name}={value}\n" for name, value in variables.items())
    (folder / "ansible.ini").write_text("[farm]\n" + "\n".join(hosts) + "\n\n[farm:vars]\n" + settings)
    tasks = [{"name": command, "ansible.builtin.raw": command} for command in commands]
    (folder / "raw.json").write_text(json.dumps([{"hosts": "farm", "gather_facts": False, "tasks": tasks}]))
    (rig.state / "ansible.cfg").touch()
    workers = "".join(f"  - {{ name: worker{index}, address: {host} }}\n" for index, host in enumerate(hosts[1:]))
    (folder / "inventory.yaml").write_text(
        f"format: 1\ncluster: {{ id: farm, vip: 127.77.9.9 }}\n"
        f"ssh:\n  user: {user}\n  port: {PORT}\n  identityFile: {folder}/client_ed25519\n"
        f"  knownHosts: {folder}/known_hosts\n  become: none\n  connectTimeout: 60s\n"
        f"masters:\n  - {{ name: master1, address: {hosts[0]} }}\n" + (f"workers:\n{workers}" if workers else "")
    )
