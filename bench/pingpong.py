# SPDX-License-Identifier: Apache-2.0
"""What it costs to move a cache line between the two cores: the unit of what a packet cannot cost less than."""

import statistics

from micro import micro
from samples import table


def median_of(runs, key):
    return statistics.median(run[key] for run in runs)


def measure(options, progress):
    runs = []
    for repeat in range(options.repeat):
        progress(f"pingpong, round {repeat + 1} of {options.repeat}")
        runs.append(micro("pingpong"))
    bursts = [{key: median_of(same, key) for key in same[0]} for same in zip(*(run["bursts"] for run in runs))]
    return {"clocks_per_ns": median_of(runs, "clocks_per_ns"), "bounce_clocks": median_of(runs, "bounce_clocks"),
            "bounce_ns": median_of(runs, "bounce_ns"), "bursts": bursts, "samples": runs}


def print_table(result):
    print(f"\nA cache line between two cores, medians of {len(result['samples'])}; one clock of the time stamp "
          f"counter is {1 / result['clocks_per_ns']:.2f} ns.\n")
    print(f"one line bounced, until the other core has seen it: {result['bounce_clocks']:.0f} clocks, "
          f"{result['bounce_ns']:.0f} ns\n")
    table(["lines at once", "write: clocks", "ns", "read: clocks", "ns", "streamed: clocks", "ns"], [
        [f"{b['burst']:.0f}", *(f"{b[f'{what}_{unit}']:.1f}" for what in ("write", "read", "stream")
                                for unit in ("clocks", "ns"))] for b in result["bursts"]])
