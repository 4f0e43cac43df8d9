# SPDX-License-Identifier: Apache-2.0
"""What ginneld takes before the first packet: time to start, memory, CPU while idle."""

import socket
import statistics
import tempfile
import time

import devices
from generator import idle_guests
from process import wait_for
from sleep import idle_percent

PORTS = 16


def start_ms():
    """From exec to the first accepted connection of a front-end."""
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        began = time.monotonic()
        daemon = devices.bridge(scratch, ports=1, options=())
        try:
            peer = socket.socket(socket.AF_UNIX)
            while peer.connect_ex(str(daemon.sockets[0])) != 0:
                daemon.alive()
                time.sleep(0.0002)
            # GET_FEATURES: the answer proves that the connection was accepted
            peer.sendall(bytes([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))
            peer.recv(20)
            return (time.monotonic() - began) * 1000
        finally:
            daemon.__exit__()


def memory_mb():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch, devices.bridge(scratch, options=()) as daemon:
        with idle_guests(scratch, daemon):
            wait_for("2 connections", lambda: all(v["connected"] for v in daemon.ask("show", "vhost-user")))
            return daemon.own_memory_mb()


def measure(options, progress):
    progress("start and memory")
    starts = [start_ms() for _ in range(options.repeat)]
    return {"start_ms": statistics.median(starts), "own_memory_two_guests_mb": memory_mb(),
            "idle_cpu_16_ports_percent": idle_percent(PORTS, progress)}


def print_table(result):
    print()
    print(f"start to first accepted connection  {result['start_ms']:8.1f} ms   (aim: under 50)")
    print(f"own memory with two guests          {result['own_memory_two_guests_mb']:8.1f} MB   (aim: under 64)")
    print(f"idle CPU with 16 connected guests   {result['idle_cpu_16_ports_percent']:8.3f} %    (aim: under 1)")
