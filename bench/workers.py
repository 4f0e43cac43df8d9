# SPDX-License-Identifier: Apache-2.0
"""Two workers with a pair of guests each, beside one worker with one pair.

On a machine of two cores the generator shares one of them, so packets per second say nothing: what counts is what a
packet costs the worker on the other core, in the same company. Workers run before the generator and sleep when they
have nothing to do, so their clocks hold no time of somebody else's."""

import tempfile
from functools import partial

import devices
from generator import generate
from process import GENERATOR_CPU, SWITCH_CPU
from samples import interleave, ratio, ratio_text, spread, spread_text, table

ONE, TWO = "1 worker, 1 pair", "2 workers, 2 pairs"
# Time to fall asleep in, short: who spins keeps the generator from its core.
OPTIONS = ("--spin", "1")


def placed(pairs):
    """Both ports of a pair at one worker, the last pair at the worker on the switch's own core."""
    return "".join(f"set interface rx-placement VirtualEthernet0/0/{2 * pair + side} queue 0 worker {pair}\n"
                   for pair in range(pairs) for side in (0, 1))


def sample(cpus):
    pairs = len(cpus)
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch, devices.bridge(
            scratch, ports=2 * pairs, cpus=cpus, options=OPTIONS, more=placed(pairs)) as daemon:
        daemon.prefer_workers()
        result = generate(daemon, first=False)
        clocks = [daemon.clocks_per_packet(worker) for worker in range(pairs)]
    return {"mpps": result["mpps"], "clocks": clocks[-1], "packets_per_clock": 1 / clocks[-1], "all_clocks": clocks,
            "learned": result["learned"]}


def measure(options, progress):
    runs = {ONE: partial(sample, (SWITCH_CPU,)), TWO: partial(sample, (GENERATOR_CPU, SWITCH_CPU))}
    samples, _ = interleave("workers", runs, options.repeat, progress)
    return {"samples": samples, "clocks": {name: spread(list_, "clocks") for name, list_ in samples.items()},
            "mpps": {name: spread(list_, "mpps") for name, list_ in samples.items()},
            "ratio": ratio(samples[TWO], samples[ONE], "packets_per_clock")}


def print_table(result):
    print("\nOne worker and two, 64 B split. The generator shares a core with the second setting's first worker: "
          "look at the\nclocks of the worker on the other core, not at Mpps.\n")
    table(["", "clocks/packet of the worker on its own core", "Mpps of all"], [
        [name, spread_text(clocks, 0), spread_text(result["mpps"][name])] for name, clocks in result["clocks"].items()])
    print(f"packets per clock of a worker, two to one: {ratio_text(result['ratio'])}")
