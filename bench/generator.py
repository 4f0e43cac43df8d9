# SPDX-License-Identifier: Apache-2.0
"""Runs the guests of a device: our own generator, or DPDK's testpmd as a second opinion."""

import json
import subprocess
import tempfile
import time

from devices import Testpmd, Unavailable
from process import BUILD, GENERATOR_CPU, Program

PROGRAM = BUILD / "bench" / "generator"
WARM_UP_S, MEASURE_S = 1.0, 2.0
# a device may need its control thread to begin, on the core that the generator is going to keep for itself
PAUSE_S = 0.5
# testpmd loses one direction when it connects at an unlucky moment: then the wire is tried anew
TRIES = 5


def command(device, *options):
    ports = [word for path in device.sockets for word in ("--port", path)]
    server = ["--server"] if device.guests_listen else []
    return [str(word) for word in (PROGRAM, *ports, *server, "--cpu", GENERATOR_CPU, *options)]


def generate(device, *options, seconds=MEASURE_S, warm_up=WARM_UP_S, first=True):
    """What the generator says of one run, as a dictionary."""
    words = command(device, "--json", "--pause", PAUSE_S, "--seconds", seconds, "--warm-up", warm_up,
                    *(["--fifo-priority"] if first else []), *options)
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + warm_up + 120)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"the generator ended with {done.returncode}")
    return json.loads(done.stdout)


def idle_guests(scratch, device):
    """Guests that are connected and silent, for `with`."""
    return Program(scratch, "guests", command(device, "--idle", "--seconds", 3000))


def run(make, *options, **how):
    """One sample of a device that is started for it: the generator's numbers, and those of a ginneld's worker."""
    for attempt in range(TRIES):
        with tempfile.TemporaryDirectory(prefix="gnl") as scratch, make(scratch) as device:
            device.prefer_workers()
            result = generate(device, *options, **how)
            if hasattr(device, "clocks_per_packet"):
                clocks = device.clocks_per_packet()
                result["clocks_per_packet"] = clocks
                result["switch_idle_share"] = max(0, 1 - clocks * result["mpps"] * 1e6 / result["clocks_per_s"])
        if result["learned"] or len(device.sockets) > 2 or hasattr(device, "clocks_per_packet"):
            break
    result["tries"] = attempt + 1
    return result


# --- testpmd: two front-ends that send each other what they get, started with a burst of their own ---

TESTPMD_OPTIONS = {"--packed": ("packed_vq=1", ""), "--size": ("", "--txpkts={}"),
                   "--queue-size": ("queue_size={}", "")}
TESTPMD_MACS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")


def testpmd_command(options):
    """Our options in its words: those of a device, and its own."""
    device, own = {"queue_size": "queue_size=1024"}, []
    words = iter(map(str, options))
    for word in words:
        if word not in TESTPMD_OPTIONS:
            raise Unavailable(f"testpmd as a generator has no {word}")
        of_device, of_program = TESTPMD_OPTIONS[word]
        value = next(words) if "{}" in of_device + of_program else None
        if of_device:
            device[of_device.split("=")[0]] = of_device.format(value)
        if of_program:
            own.append(of_program.format(value))
    return list(device.values()), own


def run_testpmd(make, *options):
    """As run(), with testpmd's virtio-user."""
    of_device, own = testpmd_command(options)
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch, make(scratch) as switch:
        switch.prefer_workers()
        server = ["server=1"] if switch.guests_listen else []
        vdevs = [",".join([f"net_virtio_user{i}", f"path={path}", f"mac={TESTPMD_MACS[i]}", *of_device, *server])
                 for i, path in enumerate(switch.sockets)]
        with Testpmd(scratch, "generator", GENERATOR_CPU, vdevs, [
                "--forward-mode=io", "--txd=1024", "--rxd=1024", *own,
                *(f"--eth-peer={i},{TESTPMD_MACS[1 - i]}" for i in range(2))]) as guests:
            guests.prefer_workers()
            guests.say("start tx_first 16")
            time.sleep(WARM_UP_S)
            n0, t0 = guests.received()
            time.sleep(MEASURE_S)
            n1, t1 = guests.received()
        result = {"mpps": (n1 - n0) / (t1 - t0) / 1e6}
        if hasattr(switch, "clocks_per_packet"):
            result["clocks_per_packet"] = switch.clocks_per_packet()
    return result


RUNNERS = {"ours": run, "testpmd": run_testpmd}


