"""parallel-ssh, its libssh2 client: with_parallel_ssh.py FARM OUTPUT batch|seq FILE"""

import getpass
import os
import sys

from pssh.clients import ParallelSSHClient

farm, output, mode, file = sys.argv[1:5]
hosts = open(f"{farm}/hosts").read().split()
commands = [open(file).read()] if mode == "batch" else open(file).read().splitlines()
client = ParallelSSHClient(
    hosts, user=getpass.getuser(), port=int(os.environ["BENCH_PORT"]), pkey=f"{farm}/client_ed25519", pool_size=100, allow_agent=False,
    identity_auth=False, num_retries=1, timeout=120,
)
for index, command in enumerate(commands):
    results = client.run_command(command)
    client.join(results)
    for result in results:
        with open(f"{output}/{result.host}.{index}", "w") as answer:
            answer.write("\n".join(result.stdout))
        assert result.exit_code == 0, (result.host, command, result.exit_code)
