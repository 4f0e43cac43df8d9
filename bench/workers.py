# SPDX-License-Identifier: Apache-2.0
"""Two workers with a pair of guests each, beside one worker with one pair and with both, beside two of which one has
nothing to do (what a queue costs that several workers may use), and beside two daemons of one worker that know nothing of
each other: what is dearer for those, too, is the company's cost on this machine, and what is left is what workers share.

On a machine of two cores the generator shares one of them, so packets per second say nothing: what counts is what a
packet costs the worker on the other core, in the same company. Workers run before the generator and sleep when they
have nothing to do, so their clocks hold no time of somebody else's."""

import tempfile
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace

import devices
from generator import generate
from process import GENERATOR_CPU, SWITCH_CPU
from samples import interleave, ratio, ratio_text, spread, spread_text, table

ONE, BOTH, SHARED, TWO = "1 worker, 1 pair", "1 worker, 2 pairs", "2 workers, 1 pair", "2 workers, 2 pairs"
TWINS = "2 daemons, a pair each"
SETTINGS = {ONE: ((SWITCH_CPU,), 1), BOTH: ((SWITCH_CPU,), 2), SHARED: ((GENERATOR_CPU, SWITCH_CPU), 1),
            TWO: ((GENERATOR_CPU, SWITCH_CPU), 2)}
# Time to fall asleep in, short: who spins keeps the generator from its core.
OPTIONS = ("--spin", "1")


def placed(workers, pairs):
    """Both ports of a pair at one worker, the last pair at the last worker: the one on the switch's own core.
    All at the only one."""
    return "".join(f"set interface rx-placement VirtualEthernet0/0/{2 * pair + side} queue 0 worker "
                   f"{max(0, pair + workers - pairs)}\n" for pair in range(pairs) for side in (0, 1))


def sample(*daemons):
    """Each daemon as (CPUs of its workers, pairs of guests); what is told is the last worker of the last one."""
    with ExitStack() as stack:
        running = []
        for cpus, pairs in daemons:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="gnl"))
            running.append(stack.enter_context(devices.bridge(
                scratch, ports=2 * pairs, cpus=cpus, options=OPTIONS, more=placed(len(cpus), pairs))))
            running[-1].prefer_workers()
        all_ports = SimpleNamespace(sockets=[path for one in running for path in one.sockets], guests_listen=False)
        result = generate(all_ports, first=False)
        clocks = [one.clocks_per_packet(worker) for one, (cpus, _) in zip(running, daemons)
                  for worker in range(len(cpus))]
        vector = running[-1].ask("show", "runtime")[-1]["vector_rate"]
    return {"mpps": result["mpps"], "clocks": clocks[-1], "packets_per_clock": 1 / clocks[-1], "all_clocks": clocks,
            "vector": vector, "learned": result["learned"]}


def measure(options, progress):
    runs = {name: partial(sample, setting) for name, setting in SETTINGS.items()}
    runs[TWINS] = partial(sample, ((GENERATOR_CPU,), 1), ((SWITCH_CPU,), 1))
    samples, _ = interleave("workers", runs, options.repeat, progress)
    return {"samples": samples, "clocks": {name: spread(list_, "clocks") for name, list_ in samples.items()},
            "mpps": {name: spread(list_, "mpps") for name, list_ in samples.items()},
            "vectors": {name: spread(list_, "vector") for name, list_ in samples.items()},
            "ratios": {f"{name} to {other}": ratio(samples[name], samples[other], "packets_per_clock")
                       for name, other in ((SHARED, ONE), (TWO, ONE), (TWO, BOTH), (TWINS, ONE), (TWO, TWINS))}}


def print_table(result):
    print("\nOne worker and two, 64 B split. The generator shares a core with the first of two workers: "
          "look at the\nclocks of the worker on the other core, not at Mpps.\n")
    table(["", "clocks/packet of the worker on its own core", "packets a turn", "Mpps of all"], [
        [name, spread_text(clocks, 0), spread_text(result["vectors"][name], 0), spread_text(result["mpps"][name])]
        for name, clocks in result["clocks"].items()])
    for name, r in result["ratios"].items():
        print(f"packets per clock of that worker, {name}: {ratio_text(r)}")
