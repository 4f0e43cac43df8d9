# SPDX-License-Identifier: Apache-2.0
"""ginnel-p2p beside testpmd's net_vhost wire: packets and bits a second, round trips with kicks and at a fixed rate, and
what is lost on the way to a slow receiver."""

from dataclasses import dataclass
from functools import partial

import devices
from generator import run
from samples import chosen, interleave, print_missing, ratio, ratio_text, spread, spread_text, table

CABLE, WIRE, TIMER = "cable", "testpmd wire", "cable, --poll 10"
RATE = 100000
# one round of so many takes frames; the senders offer some in each
SLOW, SLOW_S = 4, 10
# of round trips
TRIPS, TRIP_S, QUANTILES = 4, 0.4, ("p50", "p90", "p99")


@dataclass
class Case:
    name: str
    options: tuple
    size: int
    gso: bool = False


CASES = [
    Case("64 B split", ("--size", 64), 64),
    Case("64 B packed", ("--size", 64, "--packed"), 64),
    Case("1518 B split", ("--size", 1518), 1518),
    Case("1518 B packed", ("--size", 1518, "--packed"), 1518),
    Case("65000 B gso split", ("--size", 65000, "--gso"), 65000, True),
    Case("65000 B gso packed", ("--size", 65000, "--gso", "--packed"), 65000, True),
]


def measure_case(case, options, progress):
    runs = {CABLE: partial(run, devices.Cable, *case.options),
            WIRE: partial(run, partial(devices.Wire, gso=case.gso), *case.options)}
    samples, missing = interleave(case.name, runs, options.repeat, progress)
    return {"case": case.name, "size": case.size, "samples": samples, "missing": missing,
            "devices": {name: spread(list_, "mpps") for name, list_ in samples.items()},
            "to_wire": ratio(samples.get(CABLE), samples.get(WIRE), "mpps")}


def best_half(samples):
    """Those with the least p99: what the machine did besides, for milliseconds, is in the others."""
    return sorted(samples, key=lambda sample: sample["p99"])[:(len(samples) + 1) // 2]


def round_trips(options, progress):
    """Many short runs, as other work on the machine comes in bursts."""
    short = partial(run, seconds=TRIP_S, warm_up=TRIP_S)
    runs = {CABLE: partial(short, devices.Cable, "--echo", "--rate", RATE),
            TIMER: partial(short, partial(devices.Cable, options=("--poll", 10)), "--echo", "--rate", RATE),
            WIRE: partial(short, devices.Wire, "--echo", "--rate", RATE)}
    samples, missing = interleave(f"round trip at {RATE} a second", runs, TRIPS * options.repeat, progress)
    for list_ in samples.values():
        for sample in list_:
            sample.update({key: sample["latency"][key] / 1000 for key in QUANTILES})
            del sample["latency"]["histogram"]
    return {"missing": missing, "samples": samples,
            "devices": {name: {key: spread(best_half(list_), key) for key in QUANTILES}
                        for name, list_ in samples.items()}}


def slow_receiver(progress):
    """Once each, long enough for ten million frames over the cable."""
    lost = {}
    for name, make in ((CABLE, devices.Cable), (WIRE, devices.Wire)):
        progress(f"a slow receiver: {name}")
        result = run(make, "--slow", SLOW, seconds=SLOW_S)
        lost[name] = {"received": result["packets"], "lost": result["lost"], "reordered": result["reordered"],
                      "duplicates": result["duplicates"]}
    return lost


def measure(options, progress):
    result = {"cases": [measure_case(case, options, progress) for case in chosen(CASES, options.case)]}
    if not options.case:
        result["round_trips"] = round_trips(options, progress)
        result["slow"] = slow_receiver(progress)
    return result


def print_table(result):
    print("\nMpps received and Gbit/s, median (least-most). Ratio: of the medians / median of the rounds'.\n")
    table(["", "Mpps", "Gbit/s", "to the wire"], [
        [f"{row['case']}: {name}", spread_text(s, 3), f"{s['median'] * row['size'] * 8 / 1000:.1f}",
         ratio_text(row["to_wire"]) if name == CABLE else ""]
        for row in result["cases"] for name, s in row["devices"].items()])
    missing = {name: why for row in result["cases"] for name, why in row["missing"].items()}
    if "round_trips" in result:
        print(f"\nMicroseconds there and back at {RATE} a second, of the better half of the rounds: median (least-most).\n")
        table(["", *QUANTILES], [[name, *(spread_text(d[key]) for key in QUANTILES)]
                                 for name, d in result["round_trips"]["devices"].items()])
        print(f"\nTo receivers that look in one round of {SLOW}.\n")
        table(["", "received", "lost", "reordered", "twice"], [
            [name, *(row[key] for key in ("received", "lost", "reordered", "duplicates"))]
            for name, row in result["slow"].items()])
        missing.update(result["round_trips"]["missing"])
    print_missing(missing)
