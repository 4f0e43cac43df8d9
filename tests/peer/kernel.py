# SPDX-License-Identifier: Apache-2.0
"""The kernel's network stack as a peer and as a judge, in namespaces that vanish with the test; no root is needed."""

import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
os.environ["GINNEL_BIN"] = os.environ["GINNEL_BUILD"] + "/bin"
sys.path.insert(0, str(HERE.parent / "daemon"))
from daemon import Daemon, main

SKIP = 77
INSIDE = "GINNEL_TEST_NAMESPACE"


def begin(script):
    """Starts the script again where it may do as it likes: with its own network, /run and, if need be, user ids."""
    if os.environ.get(INSIDE):
        subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    unshare = ["unshare", "--net", "--mount", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        print("SKIP: this machine lets us make no namespaces")
        sys.exit(SKIP)
    if not os.path.exists("/dev/net/tun"):
        print("SKIP: the kernel has no /dev/net/tun")
        sys.exit(SKIP)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", [*unshare, sys.executable, script])


def wait_until(condition, what, patience=30):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {patience} s"
        time.sleep(0.01)


def must(daemon, *words):
    status, out, err = daemon.run(*map(str, words))
    assert status == 0, (words, out, err)
    return out.strip()


def tap(daemon, host, number, *options):
    """A tap that is host's eth0."""
    must(daemon, "create", "tap", "id", number, "host-ns", host.name, "host-if-name", "eth0", "host-ip4-addr",
         f"10.9.0.{number + 1}/24", "host-ip6-addr", f"fd09::{number + 1}/64", *options)
    must(daemon, "set", "interface", "state", f"tap{number}", "up")
    must(daemon, "set", "interface", "l2", "bridge", f"tap{number}", 1)


def makes(kind):
    """Does the kernel know interfaces of that type?"""
    add = ["ip", "link", "add", "link", "lo", "name", "probe", "type", kind]
    done = subprocess.run([*add, *(["id", "1"] if kind == "vlan" else [])], capture_output=True, text=True)
    subprocess.run(["ip", "link", "del", "probe"], capture_output=True)
    return "Unknown device type" not in done.stderr


class Host:
    """A network namespace of that name, with a stack of its own."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        # an address may be used at once
        for what in ("all", "default"):
            self.run("sh", "-c", f"echo 0 >/proc/sys/net/ipv6/conf/{what}/accept_dad")
        self.talkers = []

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def run(self, *words, check=True):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, (self.name, words, done.stdout, done.stderr)
        return done.stdout

    def start(self, *words, **how):
        return subprocess.Popen(self.command(*words), stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, **how)

    def listen(self):
        """Answers to talk() of others, over TCP and UDP at all addresses, from now on."""
        process = self.start(sys.executable, HERE / "talk.py", "listen")
        assert process.stdout.readline() == "ready\n"
        self.talkers.append(process)

    def talk(self, *words):
        """What talk.py says; see there."""
        done = subprocess.run(self.command(sys.executable, HERE / "talk.py", *words), capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, (self.name, words, done.stdout, done.stderr)
        return done.stdout.strip()

    def counters(self):
        rows = [line.split() for line in self.run("nstat", "-asz").splitlines() if not line.startswith("#")]
        return {row[0]: int(row[1]) for row in rows}

    def wrong_checksums(self):
        """What came in with a wrong checksum, by protocol; empty is right."""
        return {name: n for name, n in self.counters().items() if "CsumErr" in name and n > 0}

    def end(self):
        for process in self.talkers:
            process.kill()
            process.wait()
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


NO_PRIVILEGE = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]


class Unprivileged(Daemon):
    """A ginneld without capabilities."""

    def begin(self, *options, **how):
        self.command = [*NO_PRIVILEGE, *self.command]
        return super().begin(*options, **how)


class Handed(Daemon):
    """A ginneld that was started with a descriptor."""

    def __init__(self, fd):
        self.fd = fd
        super().__init__()

    def begin(self, *options, **how):
        return super().begin(*options, pass_fds=[self.fd], **how)


class HandedUnprivileged(Handed, Unprivileged):
    pass
