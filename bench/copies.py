# SPDX-License-Identifier: Apache-2.0
"""What copying large frames takes at best, by how many buffers the guests' rings have: what a switch that does nothing
else could not go below."""

import statistics

from micro import micro
from samples import table


def measure(options, progress):
    runs = []
    for repeat in range(options.repeat):
        progress(f"copies, round {repeat + 1} of {options.repeat}")
        runs.append(micro("copies"))
    rings = [{"ring": same[0]["ring"], "clocks": statistics.median(ring["clocks"] for ring in same),
              "least": min(ring["clocks"] for ring in same), "most": max(ring["clocks"] for ring in same)}
             for same in zip(*(run["rings"] for run in runs))]
    return {"frame": runs[0]["frame"], "rings": rings, "samples": runs}


def print_table(result):
    print(f"\nClocks to copy a frame of {result['frame']} bytes from guest to guest, nothing else, both ways, "
          f"medians of {len(result['samples'])} (least-most)\n")
    table(["buffers per ring", "clocks"], [
        [ring["ring"], f"{ring['clocks']:.0f} ({ring['least']:.0f}-{ring['most']:.0f})"] for ring in result["rings"]])
