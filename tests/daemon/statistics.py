#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The counters in shared memory: read by their layout alone, by `ginnel top`, and after the daemon was replaced."""

import json
import mmap
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import time

from daemon import Daemon, main
from traffic import PORTS, Traffic

A, B = "VirtualEthernet0/0/0", "VirtualEthernet0/0/1"
HEADER = struct.Struct("<QIIQIIQQQQ" + "IIII" * 5 + "IIII")
PATIENCE = 60


def opened(daemon):
    """What the header of ginnel_stats.h tells a reader to do; returns the memory."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect(str(daemon.api))
    s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"statistics.open"}\n')
    answer = b""
    while not answer.endswith(b"\n"):
        answer += s.recv(1)
    assert json.loads(answer)["result"]["version"] == 1, answer
    _, fds, _, _ = socket.recv_fds(s, 1, 4)
    assert len(fds) == 1, fds
    return fds[0]


class Statistics:
    def __init__(self, daemon):
        fd = opened(daemon)
        self.memory = mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ)
        os.close(fd)
        h = HEADER.unpack_from(self.memory)
        assert h[0] == 0x31737461744E47 and h[1] == 1, h
        self.pid, self.size = h[2], h[3]
        self.drops, self.stages, self.workers, self.interfaces, self.lanes = (h[10 + 4 * i:13 + 4 * i] for i in range(5))
        self.lanes_each, self.lane_drops_at = h[30], h[31]
        assert self.size == len(self.memory)

    def words(self, at, n):
        return struct.unpack_from(f"<{n}Q", self.memory, at)

    def names(self, table):
        return [self.memory[table[0] + i * table[2]:][:32].split(b"\0")[0].decode() for i in range(table[1])]

    def interface(self, name):
        """Sums over lanes: rx packets, rx bytes, tx packets, tx bytes, and drops by name."""
        for i in range(self.interfaces[1]):
            at = self.interfaces[0] + i * self.interfaces[2]
            used, _ = struct.unpack_from("<II", self.memory, at)
            if used and self.memory[at + 8:at + 72].split(b"\0")[0].decode() == name:
                return self.sums(i)
        return None

    def sums(self, i):
        total, drops = [0] * 4, dict.fromkeys(self.names(self.drops), 0)
        for w in range(self.workers[1]):
            lane = self.lanes[0] + (i * self.lanes_each + w) * self.lanes[2]
            total = [a + b for a, b in zip(total, self.words(lane, 4))]
            for name, n in zip(drops, self.words(lane + self.lane_drops_at, self.drops[1])):
                drops[name] += n
        return total, {name: n for name, n in drops.items() if n}


def a_reader_finds_the_counters_of_show_interface_without_asking():
    with Daemon(PORTS, ["--workers", "2"]) as d:
        stats, traffic = Statistics(d), Traffic(d)
        assert stats.pid == d.process.pid
        traffic.flows()
        for name in (A, B):
            shown = d.ask("show", "interface", name)[0]["counters"]
            total, _ = stats.interface(name)
            # frames that were on their way at the first look have come since
            assert total[0] >= shown["rx packets"] > 0 and total[2] >= shown["tx packets"] > 0, (total, shown)
        assert "bridge-forward" in stats.names(stats.stages)


def interfaces_come_and_go_in_the_memory():
    with Daemon(PORTS) as d:
        stats = Statistics(d)
        assert stats.interface("VirtualEthernet0/0/2") is not None
        d.run("delete", "vhost", "VirtualEthernet0/0/2")
        assert stats.interface("VirtualEthernet0/0/2") is None
        d.run("create", "vhost", "socket", str(d.dir / "again.sock"), "server")
        assert stats.interface("VirtualEthernet0/0/2") == ([0, 0, 0, 0], {})


def nobody_can_write_into_the_memory():
    with Daemon(PORTS) as d:
        fd = opened(d)
        for attempt in (lambda: mmap.mmap(fd, 4096), lambda: os.ftruncate(fd, 0), lambda: os.pwrite(fd, b"x", 0)):
            try:
                attempt()
            except (PermissionError, OSError):
                continue
            raise AssertionError("it was written")


def top_tells_rates():
    with Daemon(PORTS) as d:
        traffic = Traffic(d)
        top = subprocess.Popen([d.bin / "ginnel", "--api-socket", d.api, "--json", "top", "--interval", "0.5"],
                               stdout=subprocess.PIPE, text=True)
        seen = []

        def rated():
            # one line per interval; the traffic goes on while we wait for it
            if select.select([top.stdout], [], [], 0)[0]:
                seen.append(json.loads(top.stdout.readline()))
            return seen and seen[-1]["workers"][0]["busy"]

        traffic.until(rated, "top tells a busy worker")
        top.terminate()
        assert top.wait(20) == 0
        ports = {i["name"]: i for i in seen[-1]["interfaces"]}
        assert ports[A]["rx_packets_per_s"] > 0 and ports[B]["tx_bits_per_s"] > 0, seen[-1]
        assert 0 < seen[-1]["workers"][0]["busy"] <= 1, seen[-1]
        text = d.run("top", "--once", "--interval", "0.1")[1]
        assert re.search(rf"^{A} +up ", text, re.M) and "process" in text, text


def top_goes_on_with_the_daemon_that_replaces_this_one():
    with Daemon(PORTS) as d:
        top = subprocess.Popen([d.bin / "ginnel", "--api-socket", d.api, "--json", "top", "--interval", "0.2"],
                               stdout=subprocess.PIPE, text=True)
        assert json.loads(top.stdout.readline())["pid"] == d.process.pid
        successor = d.begin("--replace")
        end = time.monotonic() + PATIENCE
        while json.loads(top.stdout.readline())["pid"] != successor.pid:
            assert time.monotonic() < end, "top shows the old daemon"
        top.terminate()
        assert top.wait(20) == 0


class Terminal:
    def __init__(self, daemon, *command):
        self.socket = str(daemon.dir / "tmux")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", "top", "-x", "100", "-y", "30", "env", "TERM=screen",
                  *map(str, command))

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True, timeout=20)

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition(self.tmux("capture-pane", "-p", "-t", "top").stdout):
            assert time.monotonic() < end, what + "\n" + self.tmux("capture-pane", "-p", "-t", "top").stdout
            time.sleep(0.05)


def top_has_keys_and_fits_its_window():
    if not shutil.which("tmux"):
        return
    with Daemon(PORTS) as d:
        t = Terminal(d, d.bin / "ginnel", "--api-socket", d.api, "top", "--interval", "0.2")
        t.until(lambda s: A in s and "now name" in s, "the first screen")
        t.tmux("send-keys", "-t", "top", "r")
        t.until(lambda s: "now rx" in s, "sorted by rx")
        t.tmux("resize-window", "-t", "top", "-x", "60", "-y", "8")
        t.until(lambda s: "q quit" in s.splitlines()[-1] and len(s.splitlines()) == 8 and A in s and B not in s,
                "a small window has fewer rows")
        t.tmux("send-keys", "-t", "top", "q")
        t.until(lambda s: not s.strip(), "q ends it")
        t.tmux("kill-server")


if __name__ == "__main__":
    main([a_reader_finds_the_counters_of_show_interface_without_asking, interfaces_come_and_go_in_the_memory,
          nobody_can_write_into_the_memory, top_tells_rates, top_goes_on_with_the_daemon_that_replaces_this_one,
          top_has_keys_and_fits_its_window])
