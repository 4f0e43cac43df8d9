# SPDX-License-Identifier: Apache-2.0
"""What sleeping costs: throughput and round trips of a worker that may sleep beside one that polls, and the CPU that
64 connected, silent guests take."""

import tempfile
import time
from functools import partial

import devices
from generator import idle_guests, run
from micro import micro
from process import wait_for
from samples import interleave, ratio, ratio_text, spread, spread_text, table

RATES = (1000, 10000, 100000)
IDLE_PORTS, IDLE_S, IDLE_AIM_PERCENT = 64, 5, 0.5
ADAPTIVE, POLL = "adaptive", "--poll"


def device(adaptive):
    return partial(devices.bridge, options=() if adaptive else ("--poll",))


def both(what, repeats, progress, *options):
    runs = {name: partial(run, device(name == ADAPTIVE), *options) for name in (ADAPTIVE, POLL)}
    return interleave(what, runs, repeats, progress)[0]


def round_trip(rate, repeats, progress):
    samples = both(f"round trip at {rate} a second", repeats, progress, "--echo", "--rate", rate)
    us = {name: [{"p50": sample["latency"]["p50"] / 1000} for sample in list_] for name, list_ in samples.items()}
    return {"rate": rate, **{name: spread(list_, "p50") for name, list_ in us.items()}, "samples": us}


def idle_percent(ports, progress, rest_s=1.0):
    """Of a core, with that many guests connected and silent."""
    progress(f"{ports} silent guests for {IDLE_S} s")
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch, \
            devices.bridge(scratch, ports=ports, options=()) as daemon:
        with idle_guests(scratch, daemon):
            wait_for(f"{ports} connections", lambda: all(v["connected"] for v in daemon.ask("show", "vhost-user")))
            time.sleep(rest_s)
            cpu, began = daemon.cpu_seconds(), time.monotonic()
            time.sleep(IDLE_S)
            return (daemon.cpu_seconds() - cpu) / (time.monotonic() - began) * 100


def measure(options, progress):
    throughput = both("64 B", options.repeat, progress)
    trips = [round_trip(rate, options.repeat, progress) for rate in RATES]
    progress("the kernel's wake-up")
    return {"mpps": {name: spread(list_, "mpps") for name, list_ in throughput.items()},
            "ratio": ratio(throughput[ADAPTIVE], throughput[POLL], "mpps"), "samples": throughput, "round_trips": trips,
            "wakeup_us": {str(w["pause_us"]): w["p50"] / 1000 for w in micro("wakeup")["wakeup_ns"]},
            "idle_percent": idle_percent(IDLE_PORTS, progress), "idle_ports": IDLE_PORTS}


def print_table(result):
    print("\nA worker that sleeps when there is nothing to do, beside one that polls; medians (least-most).\n")
    table(["", ADAPTIVE, POLL], [
        ["64 B, Mpps", *(spread_text(result["mpps"][name]) for name in (ADAPTIVE, POLL))],
        *([f"round trip at {trip['rate']} a second, p50 us",
           *(spread_text(trip[name], 1) for name in (ADAPTIVE, POLL))] for trip in result["round_trips"])])
    print(f"throughput, adaptive to --poll: {ratio_text(result['ratio'])}")
    wakeups = ", ".join(f"{us:.1f} us after a pause of {pause} us" for pause, us in result["wakeup_us"].items())
    print(f"the kernel's own wake-up of a thread on the other core, p50: {wakeups}")
    print("(a round trip wakes a sleeping worker once: it is still awake when the frame comes back; "
          "at the highest rate it never sleeps)")
    met = "met" if result["idle_percent"] < IDLE_AIM_PERCENT else "missed"
    print(f"{result['idle_ports']} silent guests: {result['idle_percent']:.3f} % of a core  "
          f"aim under {IDLE_AIM_PERCENT}: {met}")
