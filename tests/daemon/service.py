#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ginneld is restarted by a service manager that keeps its guests meanwhile; the manager is played here."""

import os
import socket

from daemon import Daemon, main
from traffic import PATIENCE, PORTS, Traffic

# The manager's descriptors begin at 3, and LISTEN_PID is the daemon's own.
LAUNCH = 'export LISTEN_PID=$$; exec "$@" {redirections}'


class Manager:
    """What systemd does for a service with FileDescriptorStoreMax=."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(daemon.dir / "notify"))
        self.socket.setblocking(False)
        self.stored = []  # (name, descriptor)
        self.heard = []

    def environment(self):
        env = dict(os.environ, NOTIFY_SOCKET=str(self.daemon.dir / "notify"))
        if self.stored:
            env |= {"LISTEN_FDS": str(len(self.stored)), "LISTEN_FDNAMES": ":".join(name for name, _ in self.stored)}
        return env

    def start(self, traffic=None):
        fds = [fd for _, fd in self.stored]
        redirections = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(fds))
        command = self.daemon.command
        self.daemon.command = ["bash", "-c", LAUNCH.format(redirections=redirections), "bash", *command, "--fd-store"]
        self.daemon.process = self.daemon.begin(env=self.environment(), pass_fds=fds)
        self.daemon.command = command
        self.until(lambda: "READY=1" in self.heard, traffic)

    def stop(self, traffic=None):
        self.heard.clear()
        self.daemon.process.terminate()
        self.until(lambda: self.daemon.process.poll() is not None, traffic)
        self.pump()
        assert "STOPPING=1" in self.heard, self.heard
        return self.daemon.process.returncode

    def until(self, condition, traffic):
        (traffic or Traffic()).until(lambda: self.pump() or condition(), "the service does as it should")

    def pump(self):
        while True:
            try:
                text, fds, _, _ = socket.recv_fds(self.socket, 4096, 16)
            except BlockingIOError:
                return
            self.hear(text.decode().split("\n"), fds)

    def hear(self, lines, fds):
        self.heard += lines
        words = dict(line.split("=", 1) for line in lines)
        if "FDSTORE" in words:
            assert words["FDPOLL"] == "0", lines  # polled, a socket whose other end is closed would be dropped
            self.stored += [(words.get("FDNAME", "stored"), fd) for fd in fds]
        elif "BARRIER" in words:
            os.close(fds[0])
        elif "FDSTOREREMOVE" in words:
            for entry in [s for s in self.stored if s[0] == words["FDNAME"]]:
                self.stored.remove(entry)
                os.close(entry[1])


def begin():
    d = Daemon(PORTS)
    d.__enter__()
    d.end()
    return d, Manager(d)


def guests_notice_nothing_of_a_restart():
    d, manager = begin()
    manager.start()
    traffic = Traffic(d)
    traffic.flows()
    for _ in range(5):
        old_pid = d.process.pid
        assert manager.stop(traffic) == 0, d.log()
        assert [name for name, _ in manager.stored] == ["ginnel"], manager.stored
        assert (d.dir / "a.sock").is_socket()
        for _ in range(20):
            traffic.step()
        manager.heard.clear()
        manager.start(traffic)
        traffic.flows()
        report = d.ask("show", "handover")
        assert report["from_pid"] == old_pid and report["guests"] == 2 and report["packets_lost"] == 0, report
        manager.pump()
        assert manager.stored == [], manager.stored
    assert d.log().count("front-end connected") == 2, d.log()
    d.__exit__()


def what_was_kept_is_used_once():
    d, manager = begin()
    manager.start()
    traffic = Traffic(d)
    assert manager.stop(traffic) == 0
    kept = [(name, os.dup(fd)) for name, fd in manager.stored]
    manager.start(traffic)
    traffic.flows()
    d.process.kill()  # a crash: nothing new is stored
    d.process.wait(PATIENCE)
    manager.stored, manager.heard = kept, []
    manager.start()
    assert "took over 3 ports" in d.log() and d.log().count("took over") == 1, d.log()
    assert len(d.ask("show", "interface")) == 4  # by the startup file
    d.__exit__()


def without_a_manager_the_end_is_the_usual_one():
    with Daemon(PORTS, ["--fd-store"]) as d:
        assert d.end() == 0
        assert "keeps nothing" in d.log(), d.log()
        assert not list(d.dir.glob("*.sock")), list(d.dir.iterdir())


if __name__ == "__main__":
    main([guests_notice_nothing_of_a_restart, what_was_kept_is_used_once, without_a_manager_the_end_is_the_usual_one])
