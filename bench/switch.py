# SPDX-License-Identifier: Apache-2.0
"""ginneld's bridge beside testpmd's net_vhost wire: two virtio-user front-ends on one core, the switch on the other."""

import socket
import statistics
import tempfile
import time

from process import Ginneld, Program, Testpmd, wait_for

SIZES = (64, 1518)
GENERATOR_CPU, SWITCH_CPU = 0, 1
WARM_UP_S, MEASURE_S = 1.0, 2.0
MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")


def generator(scratch, sockets, size):
    """Two front-ends that send each other what they get, started with a burst of their own."""
    vdevs = [f"net_virtio_user{i},path={path},mac={MACS[i]},queue_size=1024" for i, path in enumerate(sockets)]
    return Testpmd(scratch, "generator", GENERATOR_CPU, vdevs, [
        "--forward-mode=io", "--txd=1024", "--rxd=1024", f"--txpkts={size}",
        *(f"--eth-peer={i},{MACS[1 - i]}" for i in range(2))])


def rate_mpps(gen):
    """Packets per second that come back to the front-ends, in millions."""
    gen.prefer_workers()
    gen.say("start tx_first 16")
    time.sleep(WARM_UP_S)
    n0, t0 = gen.received()
    time.sleep(MEASURE_S)
    n1, t1 = gen.received()
    gen.say("stop")
    return (n1 - n0) / (t1 - t0) / 1e6


def run_ginneld(size):
    """Mpps, and the clocks a packet cost ginneld's worker: less than 1/Mpps means that it waited for the generator."""
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        with Ginneld(scratch, 2, SWITCH_CPU, ["--poll"]) as daemon:
            daemon.ready().prefer_workers()
            with generator(scratch, daemon.sockets, size).ready() as gen:
                rate = rate_mpps(gen)
            return rate, sum(stage["clocks"] for stage in daemon.ask("show", "runtime")[0]["stages"])


def run_testpmd(size):
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        sockets = [f"{scratch}/p{i}.sock" for i in range(2)]
        vdevs = [f"net_vhost{i},iface={path}" for i, path in enumerate(sockets)]
        with Testpmd(scratch, "switch", SWITCH_CPU, vdevs, ["--forward-mode=io"]).ready() as switch:
            switch.prefer_workers()
            switch.say("start")
            with generator(scratch, sockets, size).ready() as gen:
                return rate_mpps(gen), None


DEVICES = {"ginneld bridge": run_ginneld, "testpmd net_vhost": run_testpmd}


def compare(repeats, progress):
    """Interleaved repeats, medians: the machine may be shared and noisy."""
    rows = []
    for size in SIZES:
        samples = {name: [] for name in DEVICES}
        clocks = []
        for repeat in range(repeats):
            for name, run in DEVICES.items():
                progress(f"{size} bytes, run {repeat + 1} of {repeats}: {name}")
                rate, cost = run(size)
                samples[name].append(rate)
                clocks += [cost] if cost else []
        ours, theirs = (statistics.median(samples[name]) for name in DEVICES)
        rows.append({"bytes": size, "ginneld_mpps": ours, "testpmd_mpps": theirs, "ratio": ours / theirs,
                     "ginneld_clocks_per_packet": statistics.median(clocks), "samples": samples})
    return rows


def start_ms():
    """From exec to the first accepted connection of a front-end."""
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        began = time.monotonic()
        with Ginneld(scratch, 1) as daemon:
            peer = socket.socket(socket.AF_UNIX)
            while peer.connect_ex(str(daemon.sockets[0])) != 0:
                daemon.alive()
                time.sleep(0.0002)
            # GET_FEATURES: the answer proves that the connection was accepted
            peer.sendall(bytes([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]))
            peer.recv(20)
            return (time.monotonic() - began) * 1000


def footprint(progress):
    """Memory with two guests, and the CPU that 16 connected, silent ports cost."""
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch, Ginneld(scratch, 16) as daemon:
        daemon.ready()
        vdevs = [f"net_virtio_user{i},path={path}" for i, path in enumerate(daemon.sockets)]
        with Testpmd(scratch, "guests", GENERATOR_CPU, vdevs[:2]).ready():
            rss = daemon.own_memory_mb()
        progress("16 silent ports for 5 s")
        with Testpmd(scratch, "guests", GENERATOR_CPU, vdevs).ready():
            wait_for("16 connections", lambda: all(v["connected"] for v in daemon.ask("show", "vhost-user")))
            time.sleep(1)
            cpu, began = daemon.cpu_seconds(), time.monotonic()
            time.sleep(5)
            idle = (daemon.cpu_seconds() - cpu) / (time.monotonic() - began) * 100
    return rss, idle


def measure(repeats, progress):
    rows = compare(repeats, progress)
    progress("start, memory, idle")
    starts = [start_ms() for _ in range(5)]
    rss, idle = footprint(progress)
    return {"rates": rows, "start_ms": statistics.median(starts), "own_memory_two_guests_mb": rss,
            "idle_cpu_16_ports_percent": idle}


def print_table(result):
    print(f"{'bytes':>6} {'ginneld bridge':>16} {'testpmd net_vhost':>18} {'ratio':>7} "
          f"{'clocks/packet':>14}   spread of the samples")
    for row in result["rates"]:
        spread = ", ".join(f"{min(s):.2f}-{max(s):.2f}" for s in row["samples"].values())
        print(f"{row['bytes']:>6} {row['ginneld_mpps']:>11.2f} Mpps {row['testpmd_mpps']:>13.2f} Mpps "
              f"{row['ratio']:>7.2f} {row['ginneld_clocks_per_packet']:>14.0f}   {spread}")
    print(f"start to first accepted connection  {result['start_ms']:8.1f} ms   (aim: under 50)")
    print(f"own memory with two guests          {result['own_memory_two_guests_mb']:8.1f} MB   (aim: under 64)")
    print(f"idle CPU with 16 connected ports    {result['idle_cpu_16_ports_percent']:8.2f} %    (aim: under 1)")
