"""A Linux board for tests: a real ssh server on this computer's loopback, with a home folder of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgekit.flash.ssh import ENVIRONMENT

ALIAS = "board"
_STARTS_S = 20.0


def find_sshd() -> str | None:
    """Return the server's program, which users' paths do not have."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Board:
    """Where the board's user is at home, and the ssh command that reaches it under the name :data:`ALIAS`."""

    home: Path
    ssh: str
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        return {ENVIRONMENT: self.ssh}


@contextmanager
def ssh_board(folder: Path) -> Iterator[Board]:
    """Run an ssh server below ``folder``."""
    sshd = find_sshd()
    assert sshd is not None
    home = folder / "a home"
    home.mkdir()
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, timeout=30)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    # The login is this user's; only home is another one.
    shell = folder / "login.sh"
    shell.write_text(f'cd "{home}" && HOME="{home}" exec sh -c "$SSH_ORIGINAL_COMMAND"\n')
    server = folder / "sshd_config"
    server.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'authorized'}\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"ForceCommand sh {shell}\n"
    )
    client = folder / "ssh_config"
    key = (folder / "host.pub").read_text().rsplit(" ", 1)[0]
    (folder / "known").write_text(f"[127.0.0.1]:{port} {key}\n")
    client.write_text(
        f"Host {ALIAS}\n HostName 127.0.0.1\n Port {port}\n User {getpass.getuser()}\n IdentityFile {folder / 'user'}\n"
        f" IdentitiesOnly yes\n UserKnownHostsFile {folder / 'known'}\n StrictHostKeyChecking yes\n BatchMode yes\n"
    )
    log = folder / "sshd.log"
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where the server keeps nothing, and wants a folder for it
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", str(server)], stdin=subprocess.DEVNULL, stderr=file
        )
    try:
        deadline = time.monotonic() + _STARTS_S
        while "Server listening" not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield Board(home, f"ssh -F {client}", log)
    finally:
        process.terminate()
        process.wait(10)


def stub_wheels(folder: Path, *names: str) -> Path:
    """Write wheels that give an environment what this Python has: a board's packages without a network.

    Each is installed by pip as the real one would be; what it holds is a pointer to this environment's packages.
    """
    import base64
    import hashlib
    import zipfile

    folder.mkdir(exist_ok=True)
    for name in names:
        stem = f"{name.replace('-', '_')}-99.0"
        files = {
            f"{name.replace('-', '_')}_here.pth": "\n".join(p for p in sys.path if p.endswith("-packages"))
            + "\n",
            f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 99.0\n",
            f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        rows = []
        for path, text in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(text)}\n")
        files[f"{stem}.dist-info/RECORD"] = "".join([*rows, f"{stem}.dist-info/RECORD,,\n"])
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            for path, text in files.items():
                wheel.writestr(path, text)
    return folder
