"""pyinfra, its Python interface: with_pyinfra.py FARM OUTPUT batch|seq FILE"""

import getpass
import os
import sys

from gevent import monkey

monkey.patch_all()
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.facts import get_facts
from pyinfra.facts.server import Command

farm, output, mode, file = sys.argv[1:5]
hosts = open(f"{farm}/hosts").read().split()
commands = [open(file).read()] if mode == "batch" else open(file).read().splitlines()
settings = {
    "ssh_port": int(os.environ["BENCH_PORT"]), "ssh_user": getpass.getuser(), "ssh_key": f"{farm}/client_ed25519",
    "ssh_known_hosts_file": f"{farm}/known_hosts",
}
state = State(Inventory(([(host, settings) for host in hosts], {})), Config(PARALLEL=0, CONNECT_TIMEOUT=60))
connect_all(state)
for index, command in enumerate(commands):
    for host, text in get_facts(state, Command, (command,)).items():
        with open(f"{output}/{host.name}.{index}", "w") as answer:
            answer.write(text or "")
disconnect_all(state)
