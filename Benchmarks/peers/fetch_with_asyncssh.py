"""asyncssh, SFTP: fetch_with_asyncssh.py FARM OUTPUT REMOTE-FILE"""

import asyncio
import getpass
import os
import sys

import asyncssh

farm, output, file = sys.argv[1:4]
hosts = open(f"{farm}/hosts").read().split()
key = asyncssh.read_private_key(f"{farm}/client_ed25519")
known = asyncssh.read_known_hosts(f"{farm}/known_hosts")


async def one(host: str) -> None:
    settings = dict(username=getpass.getuser(), client_keys=[key], known_hosts=known, agent_path=None, config=None)
    async with asyncssh.connect(host, int(os.environ["BENCH_PORT"]), **settings) as connection, connection.start_sftp_client() as sftp:
        await sftp.get(file, f"{output}/got_{host}")


async def main() -> None:
    await asyncio.gather(*(one(host) for host in hosts))


asyncio.run(main())
