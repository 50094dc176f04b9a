"""The cluster commands, really run: ray up, submit, exec, rsync-up, job submit, down, over an sshd on loopback.

The "machine" is a pid namespace with its own home folder and its own Ray, set up by what cluster.yaml says for machines
on premises; only the addresses, the ports and the download of the dependencies differ (this Python's are lent to it).
`ray stop` and `ray down` end every Ray process that they can see, hence the namespace.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import yaml

SSHD_CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
SetEnv HOME={folder}/home RAY_TMPDIR={folder}/r RAY_USAGE_STATS_ENABLED=0 {patience}
ForceCommand cd "$HOME" && exec bash -c "${{SSH_ORIGINAL_COMMAND:-exec bash -l}}"
Subsystem sftp internal-sftp
"""

# `ray start` gives up on a raylet that is 30 s late, which happens on a machine that runs other tests too.
START_UP_S = 120
PATIENCE = (
    f"RAY_raylet_start_wait_time_s={START_UP_S} RAY_agent_register_timeout_ms={START_UP_S * 1000} "
    f"RAY_gcs_server_port_wait_time_s={START_UP_S} RAY_DASHBOARD_STARTUP_TIMEOUT_S={START_UP_S}"
)

# Ray never passes ssh a port; this stands between ssh and the port as its ProxyCommand.
TCP_PIPE = """
import os, socket, sys, threading
link = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def upload():
    while data := os.read(0, 1 << 16):
        link.sendall(data)
    link.shutdown(socket.SHUT_WR)
threading.Thread(target=upload, daemon=True).start()
while data := link.recv(1 << 16):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""


def what_is_missing() -> str | None:
    tools = [tool for tool in ("sshd", "ssh", "ssh-keygen", "rsync", "unshare", "setpriv") if not find(tool)]
    if tools:
        return f"needs {', '.join(tools)} (apt-get install openssh-server rsync util-linux)"
    if os.geteuid() != 0:
        return "needs root: sshd opens no session for another user here, and a pid namespace takes privileges"
    if subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode:
        return "needs `unshare --pid --mount-proc`, which this machine refuses"
    return None


def find(tool: str) -> str | None:
    return shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    """Ports that stay free until they are used: no outgoing connection gets one, nor a worker of another Ray."""
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    above_rays_workers = range(20_000, first_ephemeral)
    candidates = above_rays_workers or range(1024, 6379)
    return [port for port in random.SystemRandom().sample(candidates, 20 * count) if is_free(port)][:count]


def is_free(port: int) -> bool:
    try:
        socket.create_server(("", port)).close()
    except OSError:
        return False
    return True


def start_sshd(folder: Path, port: int) -> subprocess.Popen:
    """An sshd that is process 1 of a pid namespace, and that ends with this process, however that ends."""
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "sshd_config").write_text(SSHD_CONFIG.format(folder=folder, port=port, patience=PATIENCE))
    Path("/run/sshd").mkdir(parents=True, exist_ok=True)  # sshd insists on it
    namespace = "setpriv --pdeathsig KILL unshare --pid --fork --mount-proc --kill-child".split()
    with open(folder / "sshd.log", "wb") as log:
        sshd = subprocess.Popen([*namespace, find("sshd"), "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return sshd
        time.sleep(0.1)
    stop(sshd)
    raise RuntimeError(f"sshd does not answer: {(folder / 'sshd.log').read_text()}")


def inhabitants(sshd: subprocess.Popen) -> dict[int, str]:
    """The command lines of all processes in sshd's namespace, by their pid out here; none where it has no own one."""
    seen = {}
    for link in Path("/proc").glob("[0-9]*/ns/pid"):
        try:
            namespace = os.readlink(f"/proc/{sshd.pid}/ns/pid_for_children")
            if os.readlink(link) == namespace != os.readlink("/proc/self/ns/pid"):
                seen[int(link.parts[2])] = (link.parents[1] / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has just ended
    return seen


def stop(sshd: subprocess.Popen) -> None:
    """Ends the namespace with all that runs in it, and returns when all is gone."""
    for pid in inhabitants(sshd):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        sshd.wait(10)  # `unshare` returns after the namespace's last process
    finally:
        sshd.kill()


def lend_environment(home: Path) -> None:
    """A fresh environment where cluster.yaml wants it, which finds this Python's packages, but not this checkout."""
    target = home / "defectsweep/.venv"
    venv.create(target, symlinks=True)
    (site,) = target.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
    for command, module in {"pip": "pip", "ray": "ray.scripts.scripts"}.items():
        script = target / "bin" / command
        script.write_text(f'#!/bin/sh\nexec {target}/bin/python -m {module} "$@"\n')
        script.chmod(0o755)


def commit(checkout: Path) -> str | None:
    """What the rows should name: the checkout's commit, if it has one and a .git folder of its own."""
    if not (checkout / ".git").is_dir():
        return None
    found = subprocess.run(["git", "rev-parse", "--verify", "-q", "HEAD"], cwd=checkout, capture_output=True, text=True)
    return found.stdout.strip() or None


def loopback_config(on_premises: dict, checkout: Path, folder: Path, ports: list[int]) -> dict:
    """cluster.yaml's on-premises variant for the one machine behind the loopback sshd, head and worker in one."""
    sshd_port, ray_port, dashboard_port, client_port = ports

    def replace(text: str, changes: dict[str, str]) -> str:
        for old, new in changes.items():
            assert text.count(old) == 1, f"cluster.yaml has changed: {old!r} is not in {text!r}"
            text = text.replace(old, new)
        return text

    mounts = on_premises["file_mounts"]
    *setup, install = on_premises["setup_commands"]
    *before, start = on_premises["head_start_ray_commands"]
    install = replace(install, {"'ray[default,tune,train]==2.60.0'": "--no-deps --no-build-isolation"})
    addresses = f"--port={ray_port} --dashboard-port={dashboard_port}"
    addresses += f" --ray-client-server-port={client_port} --dashboard-agent-listen-port=0"
    start = replace(start, {"--port=6379": addresses, "--num-cpus=0": "--num-cpus=2"})
    return on_premises | {
        "cluster_name": folder.name,
        "provider": {"type": "local", "head_ip": "127.0.0.1", "worker_ips": []},
        "auth": {
            "ssh_user": "root",
            "ssh_private_key": str(folder / "key"),
            "ssh_proxy_command": f"{sys.executable} {folder}/tcp.py 127.0.0.1 {sshd_port}",
        },
        "file_mounts": {remote: local for remote, local in mounts.items() if local != ".git" or commit(checkout)},
        "setup_commands": [*setup, install],
        "head_start_ray_commands": [*before, start],
    }


class Cluster:
    """The side of the person who calls `ray`: an own home folder, and the checkout as the current one."""

    def __init__(self, folder: Path, checkout: Path, on_premises: dict):
        self.folder, self.checkout = folder, checkout
        self.home = folder / "home"
        self.yaml = folder / "cluster.yaml"
        self.seconds: dict[str, float] = {}
        ports = free_ports(4)
        self.jobs_address = f"http://127.0.0.1:{ports[2]}"
        for name in ("home", "client", "c"):
            (folder / name).mkdir()
        (self.home / ".bashrc").touch()
        (folder / "tcp.py").write_text(TCP_PIPE)
        self.yaml.write_text(yaml.safe_dump(loopback_config(on_premises, checkout, folder, ports)))
        lend_environment(self.home)
        self.sshd = start_sshd(folder, ports[0])

    def ray(self, verb: str, *arguments: str | Path, status: int = 0, name: str | None = None) -> str:
        """Calls `ray VERB ARGUMENTS` from the checkout, asserts its exit status, returns what it printed."""
        places = {"HOME": str(self.folder / "client"), "TMPDIR": str(self.folder), "RAY_TMPDIR": str(self.folder / "c")}
        # A file and no pipe: ssh stays behind for some seconds to serve the next call, and would hold a pipe open.
        log = self.folder / "output.log"
        start = time.monotonic()
        with open(log, "wb") as output:
            done = subprocess.run(
                [sys.executable, "-m", "ray.scripts.scripts", verb, *map(str, arguments)],
                cwd=self.checkout,
                env=os.environ | places | {"RAY_AUTH_MODE": "token", "COLUMNS": "200"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=400,
            )
        self.seconds[name or verb] = time.monotonic() - start
        printed = log.read_text(errors="replace").replace("\r\n", "\n")
        last = "\n".join(printed.splitlines()[-60:])  # first, for a log of CI may lack the middle of what is long
        assert done.returncode == status, f"ray {verb} gave {done.returncode}, at last:\n{last}\n\nin full:\n{printed}"
        return printed


@pytest.fixture
def cluster(checkout, on_premises, capsys) -> Iterator[Cluster]:
    if reason := what_is_missing():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="ds", dir="/tmp"))  # a short path: Ray's sockets lie below it
    sockets = f"ray_ssh_*/{hashlib.sha256(folder.name.encode()).hexdigest()[:10]}"  # Ray's, by the cluster's name
    with ExitStack() as at_the_end:
        at_the_end.callback(lambda: [shutil.rmtree(path, ignore_errors=True) for path in folder.parent.glob(sockets)])
        at_the_end.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = Cluster(folder, checkout, on_premises)
        at_the_end.callback(stop, cluster.sshd)
        yield cluster
    with capsys.disabled():
        print("\nray, seconds:", ", ".join(f"{verb} {seconds:.1f}" for verb, seconds in cluster.seconds.items()))


@pytest.mark.timeout(900)
def test_a_run_on_a_cluster_from_ray_up_to_ray_down(cluster):
    sweep = "--dataset synthetic --category washer --size-px 32 --trials 1 --epochs 1".split()
    both = "--model mean_image --model sa_skip_ganomaly".split()
    output, job_output = cluster.folder / "out", cluster.folder / "job-out"
    (cluster.home / "datasets").mkdir()
    for name in ("datasets/__init__.py", "model.py"):  # what lies in a home folder must not hide the packages
        (cluster.home / name).write_text("raise RuntimeError('imported from the home folder')")

    cluster.ray("get-auth-token", "--generate")
    cluster.ray("up", "-y", cluster.yaml)

    def submit(*arguments: str | Path, **expected) -> str:
        return cluster.ray("submit", cluster.yaml, "orchestrator/run_all.py", "--", *arguments, **expected)

    def leaderboard(folder: Path) -> dict[str, tuple]:
        """Each model's status and commit, from the rows in that folder of the cluster."""
        query = '"SELECT model, status, git_commit FROM leaderboard"'
        show = f"defectsweep leaderboard --output {folder} --format json --sql {query}"
        printed = cluster.ray("exec", cluster.yaml, show)
        rows = json.loads(printed[printed.index("[\n") : printed.rindex("]") + 1])
        return {row["model"]: (row["status"], row["git_commit"]) for row in rows}

    assert "does not exist" in submit("--category", "nosuch", status=1, name="submit (refused)")
    printed = submit(*sweep, *both, "--output", output)
    assert "2 jobs done" in printed
    assert "test AUROC on synthetic, protocol holdout" in printed  # under the printed leaderboard
    done = ("completed", commit(cluster.checkout))
    assert leaderboard(output) == {"mean_image": done, "sa_skip_ganomaly": done}
    assert "DRIVER" in cluster.ray("job", "list", "--address", cluster.jobs_address, name="job list")  # ran on this Ray
    assert "nothing to do" in submit(*sweep, *both, "--output", output, name="submit (again)")

    lost = cluster.home / "defectsweep/orchestrator/experiment/plan.py"
    lost.unlink()
    cluster.ray("rsync-up", cluster.yaml)
    assert lost.read_text() == (cluster.checkout / "orchestrator/experiment/plan.py").read_text()

    job = ["python", "orchestrator/run_all.py", *sweep, "--model", "mean_image", "--output", job_output]
    cluster.ray("job", "submit", "--address", cluster.jobs_address, "--working-dir", ".", "--", *job, name="job submit")
    assert leaderboard(job_output)["mean_image"][0] == "completed"

    def raylets() -> int:
        return sum("raylet" in command for command in inhabitants(cluster.sshd).values())

    assert raylets()
    cluster.ray("down", "-y", cluster.yaml)
    assert not raylets()
