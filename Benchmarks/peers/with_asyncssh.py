"""asyncssh: with_asyncssh.py FARM OUTPUT batch|seq|par FILE [HOSTS-IN-FLIGHT]"""

import asyncio
import getpass
import os
import sys

import asyncssh

farm, output, mode, file = sys.argv[1:5]
hosts = open(f"{farm}/hosts").read().split()
commands = [open(file).read()] if mode == "batch" else open(file).read().splitlines()
key = asyncssh.read_private_key(f"{farm}/client_ed25519")
known = asyncssh.read_known_hosts(f"{farm}/known_hosts")


async def one(host: str, places: asyncio.Semaphore) -> None:
    settings = dict(username=getpass.getuser(), client_keys=[key], known_hosts=known, agent_path=None, config=None)
    async with places, asyncssh.connect(host, int(os.environ["BENCH_PORT"]), login_timeout=120, connect_timeout=120, **settings) as connection:
        if mode == "par":
            results = await asyncio.gather(*(connection.run(command, check=True) for command in commands))
        else:
            results = [await connection.run(command, check=True) for command in commands]
    for index, result in enumerate(results):
        with open(f"{output}/{host}.{index}", "w") as answer:
            answer.write(result.stdout)


async def main() -> None:
    places = asyncio.Semaphore(int(sys.argv[5]) if len(sys.argv) > 5 else 100)
    await asyncio.gather(*(one(host, places) for host in hosts))


asyncio.run(main())
