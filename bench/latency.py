# SPDX-License-Identifier: Apache-2.0
"""Time of a frame from guest to guest at 100,000 packets a second, both sides polling."""

from functools import partial

import devices
from generator import run
from samples import interleave, print_missing, ratio, ratio_text, spread, spread_text, table

RATE = 50000  # of each port, of two
OPTIONS = ("--latency", "--rate", RATE)


def measure(options, progress):
    makers = {"bridge": devices.bridge, "xconnect": devices.xconnect, "testpmd wire": devices.Wire}
    runs = {name: partial(run, make, *OPTIONS) for name, make in makers.items()}
    samples, missing = interleave("latency", runs, options.repeat, progress)
    for list_ in samples.values():
        for sample in list_:
            sample.update({key: sample["latency"][key] / 1000 for key in ("p50", "p90")})
            del sample["latency"]["histogram"]
    return {"samples": samples, "missing": missing,
            "devices": {name: {key: spread(list_, key) for key in ("p50", "p90")} for name, list_ in samples.items()},
            "to_wire": {name: ratio(list_, samples.get("testpmd wire"), "p50") for name, list_ in samples.items()}}


def print_table(result):
    print("\nMicroseconds one way at 100,000 packets/s, polling: median of the rounds (least-most). "
          "Above p90 it is the machine that is measured.\n")
    table(["", "p50", "p90", "p50 to the wire's"], [
        [name, spread_text(d["p50"]), spread_text(d["p90"]), ratio_text(result["to_wire"][name])]
        for name, d in result["devices"].items()])
    print_missing(result["missing"])
