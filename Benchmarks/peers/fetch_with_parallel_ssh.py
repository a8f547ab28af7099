"""parallel-ssh, SFTP: fetch_with_parallel_ssh.py FARM OUTPUT REMOTE-FILE"""

import getpass
import os
import sys

from gevent import joinall
from pssh.clients import ParallelSSHClient

farm, output, file = sys.argv[1:4]
client = ParallelSSHClient(
    open(f"{farm}/hosts").read().split(), user=getpass.getuser(), port=int(os.environ["BENCH_PORT"]), pkey=f"{farm}/client_ed25519",
    allow_agent=False, identity_auth=False, timeout=600,
)
joinall(client.copy_remote_file(file, f"{output}/got"), raise_error=True)
