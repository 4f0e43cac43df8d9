# SPDX-License-Identifier: Apache-2.0
"""ginneld as a router, with few routes and many, beside its own bridge and OVS-DPDK: packets a second over two ports."""

from dataclasses import dataclass
from functools import partial

import devices
from generator import run
from samples import chosen, interleave, print_missing, ratio, ratio_text, spread, spread_text, table

ROUTER, BRIDGE, OVS = "router", "bridge", "OVS"
# a routed packet may cost a quarter more than a bridged one
AIM = 0.8
# a bridge's flows differ by UDP port
BRIDGE_FLOWS_MAX = 32768


@dataclass
class Case:
    family: int
    routes: int
    flows: int

    @property
    def name(self):
        return f"IPv{self.family}, {self.routes} routes, {self.flows} flows"

    def generator(self):
        networks = max(1, self.routes // 2) if self.routes > 1 else 1 << 19
        return "--route", self.family, "--flows", self.flows, "--networks", networks


CASES = [Case(family, routes, flows) for family in (4, 6)
         for routes, flows in ((1, 1), (1000, 1000), (1000000, 1), (1000000, 100000))]


def measure_case(case, options, progress):
    flows = ("--flows", min(case.flows, BRIDGE_FLOWS_MAX))
    runs = {ROUTER: partial(run, partial(devices.Router, family=case.family, routes=case.routes), *case.generator()),
            BRIDGE: partial(run, devices.bridge, *flows)}
    if options.ovs:
        runs[OVS] = partial(run, devices.Ovs, *flows)
    samples, missing = interleave(case.name, runs, options.repeat, progress)
    row = {"case": case.name, "missing": missing, "samples": samples,
           "devices": {name: spread(list_, "mpps") for name, list_ in samples.items()}}
    for name, list_ in samples.items():
        if "clocks_per_packet" in list_[0]:
            row["devices"][name]["clocks_per_packet"] = spread(list_, "clocks_per_packet")["median"]
    row["to_bridge"] = ratio(samples.get(ROUTER), samples.get(BRIDGE), "mpps")
    row["to_ovs"] = ratio(samples.get(ROUTER), samples.get(OVS), "mpps")
    return row


def measure(options, progress):
    return {"aim": AIM, "cases": [measure_case(case, options, progress) for case in chosen(CASES, options.case)]}


def print_table(result):
    print("\nMpps of 64 bytes, both directions, median (least-most). Ratios: of the medians / median of the rounds'.\n")
    rows = []
    for row in result["cases"]:
        for name, s in row["devices"].items():
            clocks = s.get("clocks_per_packet")
            rows.append([f"{row['case']}: {name}", spread_text(s), f"{clocks:.0f}" if clocks else "-",
                         ratio_text(row["to_bridge"], AIM) if name == ROUTER else "",
                         ratio_text(row["to_ovs"]) if name == ROUTER else ""])
    table(["", "Mpps", "clocks/packet", "to the bridge", "to OVS"], rows)
    print_missing({name: why for row in result["cases"] for name, why in row["missing"].items()})
