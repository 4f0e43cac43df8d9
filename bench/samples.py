# SPDX-License-Identifier: Apache-2.0
"""Repeated, interleaved measuring and what is said of it: a shared machine drifts, so devices take turns, and a ratio
is given twice: of the medians, and the median of each round's own."""

import statistics

from devices import Unavailable


def interleave(what, runs, repeats, progress):
    """runs: name -> function without arguments. Returns name -> list of samples, and name -> why there are none."""
    samples, missing = {name: [] for name in runs}, {}
    for repeat in range(repeats):
        for name, run in runs.items():
            if name in missing:
                continue
            progress(f"{what}, round {repeat + 1} of {repeats}: {name}")
            try:
                samples[name].append(run())
            except Unavailable as why:
                missing[name] = str(why)
    return {name: list_ for name, list_ in samples.items() if list_}, missing


def chosen(cases, texts):
    """Those of that name; else those with one of the texts in it; without texts all."""
    exact = [case for case in cases if case.name in (texts or ())]
    return exact or [case for case in cases if not texts or any(text in case.name for text in texts)]


def spread(samples, key):
    values = [sample[key] for sample in samples]
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(ours, theirs, key):
    """None when one of them was not measured."""
    if not ours or not theirs:
        return None
    rounds = [a[key] / b[key] for a, b in zip(ours, theirs) if b[key]]
    return {"of_medians": spread(ours, key)["median"] / spread(theirs, key)["median"],
            "median_of_rounds": statistics.median(rounds), "min": min(rounds), "max": max(rounds)}


def spread_text(s, digits=2):
    return f"{s['median']:.{digits}f} ({s['min']:.{digits}f}-{s['max']:.{digits}f})"


def ratio_text(r, aim=None):
    if r is None:
        return "-"
    verdict = "" if aim is None else f"  aim {aim:g}: " + ("met" if r["median_of_rounds"] >= aim else "missed")
    return f"{r['of_medians']:.2f} / {r['median_of_rounds']:.2f}{verdict}"


def table(head, rows):
    """Columns as wide as they must be; the first one to the left."""
    cells = [list(map(str, row)) for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))


def print_missing(missing):
    for name, why in missing.items():
        print(f"not measured: {name}: {why}")
