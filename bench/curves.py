# SPDX-License-Identifier: Apache-2.0
"""How ginneld's bridge behaves as one thing grows: ports, addresses, flows, sizes, rings, bursts. A drop of more than a
fifth from one point to the next is a cliff and is flagged."""

from dataclasses import dataclass, field
from functools import partial

import devices
import plots
from generator import run
from samples import chosen, interleave, print_missing, spread, spread_text, table

CLIFF = 0.8
SHORT = {"seconds": 0.6, "warm_up": 0.4}
MTU_FRAME = 1514


@dataclass
class Curve:
    name: str
    axis: str
    points: tuple
    options: object          # of a point
    unit: str = "mpps"
    wire: bool = False       # testpmd's as well
    device: object = field(default=lambda _: {})  # how the bridge is made for a point


def size_options(size):
    return ("--size", size, *(("--gso",) if size > MTU_FRAME else ()))


SHAPES = {"mrg": (), "no mrg": ("--no-mrg",), "mrg, indirect": ("--indirect",),
          "no mrg, indirect": ("--no-mrg", "--indirect"), "packed": ("--packed",),
          "packed, no mrg": ("--packed", "--no-mrg"), "packed, indirect": ("--packed", "--indirect"),
          "in order": ("--in-order",), "packed, in order": ("--packed", "--in-order")}

CURVES = [
    Curve("ports", "ports", (2, 4, 8, 16, 32, 64), lambda n: (), device=lambda n: {"ports": n}),
    Curve("macs", "addresses per port", (1, 10, 100, 1000, 10000, 100000), lambda n: ("--macs", n),
          device=lambda _: devices.LEARN_ALL),
    Curve("flows", "UDP flows per port", (1, 10, 100, 1000, 10000), lambda n: ("--flows", n)),
    Curve("sizes", "bytes per frame", (64, 128, 256, 512, 1024, 1514, 4096, 9000, 16384, 32768, 65000), size_options,
          unit="gbps", wire=True),
    Curve("queue sizes", "descriptors per ring", (128, 256, 512, 1024, 2048, 4096), lambda n: ("--queue-size", n),
          wire=True),
    Curve("bursts", "frames per burst of the guests", (1, 2, 4, 8, 16, 32, 64, 128, 256), lambda n: ("--burst", n),
          wire=True),
    Curve("shapes", "how guests hand over frames", tuple(SHAPES), lambda name: SHAPES[name]),
]


def runs_of(curve):
    """Point by point, so that neighbours are measured at about the same time."""
    runs = {}
    for point in curve.points:
        how = curve.device(point)
        runs[("bridge", point)] = partial(run, partial(devices.bridge, **how), *curve.options(point), **SHORT)
        if curve.wire:
            wire = partial(devices.Wire, gso="--gso" in curve.options(point))
            runs[("testpmd wire", point)] = partial(run, wire, *curve.options(point), **SHORT)
    return runs


def cliffs(points, values):
    """Drops from one point to the next; those that the spread of the samples explains are told as such."""
    return [{"from": a, "to": b, "medians": [values[a]["median"], values[b]["median"]],
             "within_spread": values[b]["max"] >= values[a]["min"]}
            for a, b in zip(points, points[1:])
            if a in values and b in values and values[b]["median"] < CLIFF * values[a]["median"]]


def measure_curve(curve, repeats, progress):
    samples, missing = interleave(curve.name, runs_of(curve), repeats, lambda text: progress(text.replace("'", "")))
    lines = {}
    for (name, point), list_ in samples.items():
        lines.setdefault(name, {})[point] = spread(list_, curve.unit)
    clocks = {point: spread(list_, "clocks_per_packet")["median"]
              for (name, point), list_ in samples.items() if name == "bridge"}
    idle = {point: spread(list_, "idle_share")["median"]
            for (name, point), list_ in samples.items() if name == "bridge"}
    flooding = [point for (name, point), list_ in samples.items()
                if name == "bridge" and not all(sample["learned"] for sample in list_)]
    return {"name": curve.name, "axis": curve.axis, "unit": curve.unit, "points": list(curve.points), "lines": lines,
            "clocks_per_packet": clocks, "guests_idle": idle, "flooding": flooding,
            "cliffs": [] if curve.name == "shapes" else cliffs(curve.points, lines.get("bridge", {})),
            "missing": {f"{name} at {point}": why for (name, point), why in missing.items()}}


def measure(options, progress):
    wanted = chosen(CURVES, options.case)
    results = []
    for curve in wanted:
        results.append(measure_curve(curve, options.repeat, progress))
        if options.plots:
            plots.draw(results[-1], options.plots)
    return results


def print_table(results):
    for result in results:
        lines = result["lines"]
        unit = {"mpps": "Mpps", "gbps": "Gb/s"}[result["unit"]]
        print(f"\n{result['name']}: {unit}, median (least-most)\n")
        table([result["axis"], *lines, "clocks/packet", "guests idle"], [
            [point, *(spread_text(line[point]) if point in line else "-" for line in lines.values()),
             f"{result['clocks_per_packet'].get(point, 0):.0f}", f"{result['guests_idle'].get(point, 0):.0%}"]
            for point in result["points"]])
        for cliff in result["cliffs"]:
            what = "drop, within the spread" if cliff["within_spread"] else "CLIFF"
            print(f"{what}: {cliff['from']} to {cliff['to']} {result['axis']}: "
                  f"{cliff['medians'][0]:.2f} to {cliff['medians'][1]:.2f}")
        for point in result["flooding"]:
            print(f"{result['axis']} {point}: not every address was learned, so frames were flooded")
        print_missing(result["missing"])
