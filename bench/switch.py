# SPDX-License-Identifier: Apache-2.0
"""ginneld's bridge and cross-connect beside testpmd's net_vhost wire and OVS-DPDK: packets a second over two ports."""

from dataclasses import dataclass
from functools import partial

import devices
from generator import RUNNERS
from samples import chosen, interleave, print_missing, ratio, ratio_text, spread, spread_text, table

WIRE, BRIDGE, XCONNECT, OVS, PLAIN = "testpmd wire", "bridge", "xconnect", "OVS", "bridge, plain"
XCONNECT_AIM = 1.9
# variations of the plain case should cost no more than this
PLAIN_AIM = 0.95


@dataclass
class Case:
    name: str
    options: tuple = ()
    aim: float = None        # the bridge against the wire
    xconnect_aim: float = None
    of_plain: bool = False   # compared with the plain case, in the same rounds
    ovs: bool = False

    def gso(self):
        return "--gso" in self.options


CASES = [
    Case("64 B split", (), 1.6, XCONNECT_AIM, ovs=True),
    Case("64 B packed", ("--packed",), 1.4, ovs=True),
    Case("1518 B split", ("--size", 1518), 1.6),
    Case("1518 B packed", ("--size", 1518, "--packed"), 1.6),
    Case("64 KiB gso", ("--size", 65000, "--gso"), 2.0),
    Case("64 B, 1000 flows", ("--flows", 1000), of_plain=True, ovs=True),
    Case("64 B, verified", ("--verify",), of_plain=True),
    Case("64 B, 256 entries", ("--queue-size", 256), of_plain=True),
    Case("64 B, guests of hugepages", ("--hugepages",)),
]


def runs_of(case, run, with_ovs):
    wire = partial(devices.Wire, gso=True) if case.gso() else devices.Wire
    runs = {BRIDGE: partial(run, devices.bridge, *case.options),
            XCONNECT: partial(run, devices.xconnect, *case.options),
            WIRE: partial(run, wire, *case.options)}
    if case.of_plain:
        runs[PLAIN] = partial(run, devices.bridge)
    if case.ovs and with_ovs:
        runs[OVS] = partial(run, devices.Ovs, *case.options)
    return runs


def measure_case(case, options, progress):
    runs = runs_of(case, RUNNERS[options.generator], options.ovs)
    samples, missing = interleave(case.name, runs, options.repeat, progress)
    row = {"case": case.name, "missing": missing, "samples": samples,
           "aims": {"bridge_to_wire": case.aim, "xconnect_to_wire": case.xconnect_aim,
                    "to_plain": PLAIN_AIM if case.of_plain else None},
           "devices": {name: spread(list_, "mpps") for name, list_ in samples.items()}}
    for name, list_ in samples.items():
        if "clocks_per_packet" in list_[0]:
            row["devices"][name]["clocks_per_packet"] = spread(list_, "clocks_per_packet")["median"]
    row["bridge_to_wire"] = ratio(samples.get(BRIDGE), samples.get(WIRE), "mpps")
    row["xconnect_to_wire"] = ratio(samples.get(XCONNECT), samples.get(WIRE), "mpps")
    row["to_plain"] = ratio(samples.get(BRIDGE), samples.get(PLAIN), "mpps")
    row["bridge_to_ovs"] = ratio(samples.get(BRIDGE), samples.get(OVS), "mpps")
    return row


def measure(options, progress):
    return {"generator": options.generator,
            "cases": [measure_case(case, options, progress) for case in chosen(CASES, options.case)]}


def clocks_text(row, name):
    clocks = row["devices"].get(name, {}).get("clocks_per_packet")
    return f"{clocks:.0f}" if clocks else "-"


def idle_text(row, name):
    """How much of its time the switch, and the generator, found nothing to do."""
    list_ = row["samples"].get(name, [])
    if not list_ or "idle_share" not in list_[0]:
        return "-"
    own = spread(list_, "idle_share")["median"]
    switch = spread(list_, "switch_idle_share")["median"] if "switch_idle_share" in list_[0] else None
    return ("?" if switch is None else f"{switch * 100:.0f} %") + f" / {own * 100:.0f} %"


def print_table(result):
    print(f"\nMpps received, median (least-most); generator: {result['generator']}. "
          "Ratios: of the medians / median of the rounds'.\n")
    cases = {case.name: case for case in CASES}
    rows, lines = [], []
    for row in result["cases"]:
        case = cases[row["case"]]
        for name, s in row["devices"].items():
            to_wire = {BRIDGE: ratio_text(row["bridge_to_wire"], case.aim),
                       XCONNECT: ratio_text(row["xconnect_to_wire"], case.xconnect_aim)}.get(name, "")
            rows.append([f"{row['case']}: {name}", spread_text(s), clocks_text(row, name), idle_text(row, name),
                         to_wire])
        if row["to_plain"]:
            lines.append(f"{row['case']} to plain: {ratio_text(row['to_plain'], PLAIN_AIM)}")
        if row["bridge_to_ovs"]:
            lines.append(f"{row['case']}, bridge to OVS: {ratio_text(row['bridge_to_ovs'])}")
    table(["", "Mpps", "clocks/packet", "idle: switch / generator", "to the wire"], rows)
    print("\n".join(lines))
    print_missing({name: why for row in result["cases"] for name, why in row["missing"].items()})
