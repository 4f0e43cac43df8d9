# SPDX-License-Identifier: Apache-2.0
"""ginneld as a router, with few routes and many, translating or not, beside its own bridge and OVS-DPDK: packets a second
over two ports. And the lookup of a route alone, beside DPDK's tables."""

import json
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from functools import partial

import devices
from generator import run
from process import BUILD
from samples import chosen, interleave, print_missing, ratio, ratio_text, spread, spread_text, table

# the flows of BRIDGE differ by UDP port, those of ADDRESSES by the MAC addresses on both sides: the work of a table, too
BRIDGE, ADDRESSES, OVS = "bridge", "bridge, an address a flow", "OVS"
# a routed packet may cost a quarter more than a bridged one
AIM = 0.8
BRIDGE_FLOWS_MAX = 32768
LOOKUPS = BUILD / "bench" / "lookup"


@dataclass
class Case:
    family: int
    routes: int
    flows: int
    nat: bool = False

    @property
    def router(self):
        return f"IPv{self.family}, {self.routes} route{'s' * (self.routes > 1)}{', NAT44' * self.nat}"

    @property
    def name(self):
        return f"{self.router}, {self.flows} flow{'s' * (self.flows > 1)}"

    def run(self):
        networks = max(1, self.routes // 2) if self.routes > 1 else 1 << 19
        return partial(run, partial(devices.Router, family=self.family, routes=self.routes, nat=self.nat),
                       "--route", self.family, "--flows", self.flows, "--networks", networks, *["--nat"] * self.nat)


CASES = [Case(*how, flows) for flows in (1, 1000, 100000)
         for how in ((4, 1), (4, 1000), (4, 1000000), (6, 1), (6, 1000), (6, 1000000))]
CASES += [Case(4, routes, flows, True) for flows in (1, 1000, 100000) for routes in (1, 1000000)]


def measure_flows(flows, cases, options, progress):
    """All that have so many flows, in the same rounds."""
    by_port = ("--flows", min(flows, BRIDGE_FLOWS_MAX))
    runs = {case.router: case.run() for case in cases}
    runs[BRIDGE] = partial(run, devices.bridge, *by_port)
    if flows > 1:
        runs[ADDRESSES] = partial(run, partial(devices.bridge, **devices.LEARN_ALL), "--macs", flows)
    if options.ovs:
        runs[OVS] = partial(run, devices.Ovs, *by_port)
    samples, missing = interleave(f"{flows} flows", runs, options.repeat, progress)
    rows = []
    for name, list_ in samples.items():
        row = {"device": name, "mpps": spread(list_, "mpps"), "samples": list_}
        if "clocks_per_packet" in list_[0]:
            row["clocks_per_packet"] = spread(list_, "clocks_per_packet")["median"]
        for key, peer in (("to_bridge", BRIDGE), ("to_addresses", ADDRESSES), ("to_ovs", OVS)):
            row[key] = ratio(list_, samples.get(peer), "mpps") if peer != name else None
        rows.append(row)
    return {"flows": flows, "rows": rows, "missing": missing}


class Lookups:
    name = "lookups"


def lookups(progress):
    """Of tables as large as the internet's: nanoseconds and bytes, ours and DPDK's."""
    progress("lookups")
    return json.loads(subprocess.run([LOOKUPS], check=True, capture_output=True, text=True).stdout)


def measure(options, progress):
    by_flows = defaultdict(list)
    for case in chosen(CASES, options.case):
        by_flows[case.flows].append(case)
    return {"aim": AIM, "lookups": lookups(progress) if chosen([Lookups], options.case) else [],
            "flows": [measure_flows(flows, cases, options, progress) for flows, cases in by_flows.items()]}


def print_table(result):
    if result["lookups"]:
        print_lookups(result["lookups"])
    print_flows(result)


def print_lookups(lookups_):
    print("\nLookups of 1,048,576 addresses in the routes, in no order: nanoseconds each, the best of the rounds.\n")
    table(["", "one by one", "together", "the same 1024", "bytes a route", "to add one"],
          [[row["table"], *(f"{row[key]:.1f}" if row.get(key) else "-"
                            for key in ("one_ns", "together_ns", "again_ns", "bytes")),
            f"{row['add_ns']:.0f}"] for row in lookups_])


def print_flows(result):
    print("\nMpps of 64 bytes, both directions, median (least-most). Ratios: of the medians / median of the rounds'.\n")
    rows = []
    for group in result["flows"]:
        for row in group["rows"]:
            clocks = row.get("clocks_per_packet")
            aim = AIM if row["device"].startswith("IPv") and "NAT" not in row["device"] else None
            rows.append([f"{group['flows']} flows: {row['device']}", spread_text(row["mpps"]),
                         f"{clocks:.0f}" if clocks else "-", ratio_text(row["to_bridge"], aim),
                         ratio_text(row["to_addresses"], aim), ratio_text(row["to_ovs"])])
    table(["", "Mpps", "clocks/packet", "to the bridge", "to the bridge, an address a flow", "to OVS"], rows)
    print_missing({name: why for group in result["flows"] for name, why in group["missing"].items()})
