#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The generator against a ginneld: every way of sending arrives whole and in order. Nothing here judges speed.

A run at a low rate sends no more frames than a ring holds, so that nothing can be lost however busy the machine is."""

import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "daemon"))
from daemon import Daemon, main  # noqa: E402

GENERATOR = os.environ["GENERATOR"]
SECONDS = "0.2"
LOW, LOW_LARGE = ("--rate", "2000"), ("--rate", "80")
LARGE = ("--gso", "--size", "65000", *LOW_LARGE)


def startup(ports):
    return "".join(f"create vhost-user socket @/p{i}.sock server\n"
                   f"set interface state VirtualEthernet0/0/{i} up\n"
                   f"set interface l2 bridge VirtualEthernet0/0/{i} 1\n" for i in range(ports))


def run(daemon, ports, *options):
    words = [word for i in range(ports) for word in ("--port", str(daemon.dir / f"p{i}.sock"))]
    done = subprocess.run([GENERATOR, *words, "--json", "--warm-up", "0", "--seconds", SECONDS, *options],
                          capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


def generate(daemon, *options, ports=2):
    status, out, err = run(daemon, ports, *options)
    assert status == 0, (options, err, daemon.log())
    result = json.loads(out)
    assert result["packets"] > 0, (options, result)
    for count in ("duplicates", "corrupt", "reordered", "foreign"):
        assert result[count] == 0, (options, count, result)
    return result


def all_arrive(*options, ports=2):
    with Daemon(startup(ports)) as daemon:
        result = generate(daemon, *options, ports=ports)
    assert result["not_taken"] == 0 and result["lost"] == 0, (options, result)
    assert result["learned"], (options, result)
    return result


def frames_arrive_over_every_kind_of_ring():
    for ring in ((), ("--packed",), ("--in-order",), ("--packed", "--in-order")):
        for how in ((), ("--indirect",), ("--no-mrg",), ("--verify",)):
            all_arrive(*LOW, *ring, *how)


def large_frames_arrive_whole():
    for ring in ((), ("--packed",)):
        for how in ((), ("--no-mrg",), ("--indirect",)):
            all_arrive(*LARGE, "--verify", *ring, *how)


def full_load_damages_nothing():
    with Daemon(startup(2)) as daemon:
        generate(daemon, "--verify", "--flows", "100")
        generate(daemon, "--verify", "--packed", "--macs", "100")
        generate(daemon, "--verify", "--gso", "--size", "20000")


def addresses_are_learned_before_they_are_used():
    all_arrive(*LOW, "--macs", "1000")
    all_arrive(*LOW, "--one-way", ports=6)


def time_is_measured_one_way_and_round_trip():
    assert "latency" not in all_arrive(*LOW)
    for how in ("--latency", "--echo"):
        latency = all_arrive(*LOW, how)["latency"]
        assert 0 < latency["p50"] <= latency["p90"] <= latency["max"], latency
        assert sum(n for _, n in latency["histogram"]) == latency["n"] > 0, latency


def an_idle_generator_stays_connected():
    with Daemon(startup(2)) as daemon:
        assert run(daemon, 2, "--idle")[:2] == (0, "")


def mistakes_are_told_with_their_mend():
    with Daemon(startup(2)) as daemon:
        for ports, options, mend in (
                (1, (), "guests come in pairs"),
                (2, ("--size", "10"), "expected a number from 60 to 65000"),
                (2, ("--gso",), "--size 1515"),
                (2, ("--queue-size", "300"), "power of two")):
            status, _, err = run(daemon, ports, *options)
            assert status == 2 and mend in err, (options, status, err)
    startup_without_packed = "".join(
        f"create vhost-user socket @/p{i}.sock server feature-mask 0xfffffffbffffffff\n" for i in range(2))
    with Daemon(startup_without_packed) as daemon:
        status, _, err = run(daemon, 2, "--packed")
        assert status == 1 and "VIRTIO_F_RING_PACKED" in err and "leave the option out" in err, (status, err)
    # a file where the socket should be made
    done = subprocess.run([GENERATOR, "--server", "--port", "/dev/null", "--port", "/dev/null"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and "/dev/null" in done.stderr, done


main([frames_arrive_over_every_kind_of_ring, large_frames_arrive_whole, full_load_damages_nothing,
      addresses_are_learned_before_they_are_used, time_is_measured_one_way_and_round_trip,
      an_idle_generator_stays_connected, mistakes_are_told_with_their_mend])
