# SPDX-License-Identifier: Apache-2.0
"""ginnel-blk beside qemu-storage-daemon in its best configuration, both driven by ginnel-blk-bench: requests a second,
time of a request, processor time for one. Client and disk have a processor each."""

import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import disks
from samples import chosen, interleave, print_missing, ratio, ratio_text, spread, spread_text, table

GINNEL, QSD = "ginnel-blk", "qemu-storage-daemon"
IMAGE = 256 << 20
AIM_IOPS = 2.0
SECONDS = 1

# all that is worth a try, as Qsd() takes it
QSD_WAYS = [
    {"aio": "threads"},
    {"aio": "io_uring"},
    {"aio": "threads", "iothread": False},
    {"aio": "io_uring", "iothread": False},
]
QSD_WAYS_DIRECT = [
    {"aio": "native", "direct": True},
    {"aio": "io_uring", "direct": True},
    {"aio": "threads", "direct": True},
]


@dataclass
class Place:
    name: str
    where: str
    ways: list
    options: tuple = ()  # ginnel-blk's
    first: bool = True   # nothing waits for a disk: see disks.pin()

    def pin(self, cpu):
        return disks.pin(cpu, self.first)


PLACES = [
    Place("tmpfs", "/dev/shm", QSD_WAYS),
    Place("disk", "/var/tmp", QSD_WAYS),
    Place("disk, no cache", "/var/tmp", QSD_WAYS_DIRECT, ("--cache=none",), False),
]


@dataclass
class Case:
    place: Place
    rw: str
    block_size: str
    depth: int
    queues: int = 1
    called: bool = False  # the client sleeps until it is called, as guests do

    @property
    def name(self):
        return f"{self.place.name}: {self.block_size} {self.rw}, depth {self.depth}, {self.queues} queue" + \
            ("s" if self.queues > 1 else "") + (", called" if self.called else "")

    def client(self):
        return (f"--rw={self.rw}", f"--block-size={self.block_size}", f"--depth={self.depth}",
                f"--queues={self.queues}", "--indirect", "--warm-up=0.2", f"--time={SECONDS}",
                *(["--sleep"] if self.called else []))

    @property
    def aim(self):
        return AIM_IOPS if self.block_size == "4k" and self.depth > 1 else None


def cases_of(place):
    cases = [Case(place, rw, "4k", depth, queues) for rw in ("randread", "randwrite") for depth in (1, 32, 128)
             for queues in (1, 2)]
    cases += [Case(place, "randread", "4k", depth, called=True) for depth in (1, 32)]
    return cases + [Case(place, rw, "128k", 32) for rw in ("read", "write")]


CASES = [case for place in PLACES for case in cases_of(place)]


def sample(found):
    """What is kept of a run of the client."""
    latency = next(iter(found["ops"].values()))["latency_ns"]
    return {"kiops": found["iops"] / 1e3, "gbps": found["gbps"], "cpu_us": found["cpu_ns_per_request"] / 1e3,
            "p50_us": latency["p50"] / 1e3, "p99_us": latency["p99"] / 1e3, "kicks": found["rings"]["kicks"],
            "requests": found["requests"]}


def run(make, case):
    with make() as disk:
        return sample(disks.drive(disk, *case.client(), pinned=case.place.pin(disks.CLIENT_CPU)))


def best_way(place, scratch, image, progress):
    """The fastest of QSD's ways at this place, at 4k random read and depth 32, as the better of two tries."""
    case, tried = Case(place, "randread", "4k", 32), []
    for way in place.ways:
        text = " ".join(f"{key}={value}" for key, value in way.items())
        progress(f"{place.name}: {QSD} with {text}")
        try:
            kiops = max(run(partial(disks.Qsd, scratch, image, pinned=place.pin(disks.DISK_CPU), **way), case)["kiops"]
                        for _ in range(2))
        except RuntimeError as why:
            tried.append({"way": text, "why": str(why).splitlines()[-1]})
            continue
        tried.append({"way": text, "kiops": kiops, "arguments": way})
    return max((t for t in tried if "kiops" in t), key=lambda t: t["kiops"]), tried


def measure_case(case, scratch, image, way, options, progress):
    pinned = case.place.pin(disks.DISK_CPU)
    runs = {GINNEL: partial(run, partial(disks.GinnelBlk, scratch, image, case.queues, case.place.options,
                                         pinned=pinned), case),
            QSD: partial(run, partial(disks.Qsd, scratch, image, case.queues, pinned=pinned, **way), case)}
    samples, missing = interleave(case.name, runs, options.repeat, progress)
    row = {"case": case.name, "missing": missing, "samples": samples, "aim": case.aim, "depth": case.depth,
           "disks": {name: {key: spread(list_, key) for key in ("kiops", "gbps", "cpu_us", "p50_us", "p99_us")}
                     for name, list_ in samples.items()}}
    for key in ("kiops", "p50_us", "p99_us", "cpu_us"):
        row[f"{key}_ratio"] = ratio(samples.get(GINNEL), samples.get(QSD), key)
    return row


def measure_place(place, cases, options, progress):
    with tempfile.TemporaryDirectory(prefix="ginnel-bench-", dir=place.where) as scratch:
        image = disks.make_image(Path(scratch) / "image", IMAGE, full=True)
        best, tried = best_way(place, scratch, image, progress)
        rows = [measure_case(case, scratch, image, best["arguments"], options, progress) for case in cases]
    return {"place": place.name, "where": place.where, "best": best["way"], "tried": tried, "cases": rows}


def measure(options, progress):
    cases = chosen(CASES, options.case)
    places = [place for place in PLACES if any(case.place is place for case in cases)]
    return {"kernel": os.uname().release, "seconds": SECONDS,
            "places": [measure_place(place, [case for case in cases if case.place is place], options, progress)
                       for place in places]}


def tried_text(tried):
    return ", ".join(f"{t['way']}: " + (f"{t['kiops']:.1f}" if "kiops" in t else t["why"]) for t in tried)


def print_table(result):
    for place in result["places"]:
        print(f"\n{place['place']} ({place['where']}): {QSD} tried at 4k randread, depth 32, kIOPS: "
              f"{tried_text(place['tried'])}\nRatios: of the medians / median of the rounds'.\n")
        rows = []
        for row in place["cases"]:
            for name, s in row["disks"].items():
                ours = name == GINNEL
                rows.append([f"{row['case']}: {name}", spread_text(s["kiops"], 1), f"{s['gbps']['median']:.2f}",
                             f"{s['p50_us']['median']:.1f}", f"{s['p99_us']['median']:.1f}",
                             f"{s['cpu_us']['median']:.2f}",
                             ratio_text(row["kiops_ratio"], row["aim"]) if ours else "",
                             ratio_text(row["p99_us_ratio"]) if ours else ""])
        table(["", "kIOPS", "Gb/s", "p50 us", "p99 us", "CPU us", "IOPS to theirs", "p99 to theirs"], rows)
    print_missing({name: why for place in result["places"] for row in place["cases"]
                   for name, why in row["missing"].items()})
