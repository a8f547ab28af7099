"""Many real OpenSSH servers on loopback addresses, one per address, and a longer way to them where wanted."""

import ctypes
import getpass
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

PORT, BEHIND_DELAY = 22077, 22078
MOST = 300
SET_PDEATHSIG = 1

SSHD = """\
HostKey {folder}/host_ed25519
AuthorizedKeysFile {folder}/client_ed25519.pub
AuthenticationMethods publickey
PermitRootLogin prohibit-password
AllowUsers {user}
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
X11Forwarding no
PermitUserRC no
PidFile none
MaxStartups 1000
MaxSessions 100
LogLevel ERROR
SetEnv HOME={folder}/home
Subsystem sftp internal-sftp
"""

SSH = """\
Host 127.77.*
  Port {port}
  User {user}
  IdentityFile {folder}/client_ed25519
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  UpdateHostKeys no
  BatchMode yes
  ConnectTimeout 60
  LogLevel ERROR
"""


def address(index: int) -> str:
    return f"127.77.{index // 200}.{index % 200 + 1}"


def die_with_parent() -> None:
    """Runs in the child: a farm must not outlive its harness, not even one that was killed."""
    ctypes.CDLL(None).prctl(SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Farm:
    """The servers are children of this process; sessions get an empty home, so that start-up files cost nothing."""

    def __init__(self, folder: Path, delay_program: Path) -> None:
        self.folder = folder
        self.delay_program = delay_program
        self.servers: list[subprocess.Popen] = []
        self.delay: subprocess.Popen | None = None

    def up(self, count: int, delay: int = 0) -> None:
        """Starts `count` servers, reached with `delay` milliseconds more for each round trip."""
        assert 1 <= count <= MOST
        self.down()
        user, folder = getpass.getuser(), self.folder
        (folder / "home").mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where Debian's sshd confines itself
        for name in ("host_ed25519", "client_ed25519"):
            if not (folder / name).exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True)
        (folder / "sshd_config").write_text(SSHD.format(folder=folder, user=user))
        (folder / "ssh_config").write_text(SSH.format(folder=folder, user=user, port=PORT))
        hosts = [address(index) for index in range(count)]
        key = " ".join((folder / "host_ed25519.pub").read_text().split()[:2])
        (folder / "hosts").write_text("".join(f"{host}\n" for host in hosts))
        (folder / "known_hosts").write_text("".join(f"[{host}]:{PORT} {key}\n" for host in hosts))
        server = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")
        port = BEHIND_DELAY if delay else PORT
        for host in hosts:
            command = [server, "-D", "-e", "-f", folder / "sshd_config", "-o", f"ListenAddress={host}:{port}"]
            self.servers.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=open(folder / "sshd.log", "ab"), start_new_session=True, preexec_fn=die_with_parent,
                )
            )
        if delay:
            command = [str(self.delay_program), str(delay), folder / "hosts", str(PORT), str(BEHIND_DELAY)]
            self.delay = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
            assert self.delay.stdout and self.delay.stdout.readline() == b"ready\n", "the delay program did not start"
        for host in hosts:
            self._await(host)

    def _await(self, host: str) -> None:
        command = ["ssh", "-n", "-F", self.folder / "ssh_config", host, "true"]
        for _ in range(50):
            if subprocess.run(command, capture_output=True, timeout=30).returncode == 0:
                return
            time.sleep(0.1)
        raise SystemExit(f"the server on {host} does not answer; see {self.folder}/sshd.log")

    def down(self) -> None:
        """Ends what `up` started, and nothing else."""
        children = self.servers + ([self.delay] if self.delay else [])
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.servers, self.delay = [], None

    def cpu(self) -> float:
        """Seconds the servers and their ended sessions and commands have used: 10 ms is the smallest step of each."""
        ticks = 0
        for server in self.servers:
            fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")
