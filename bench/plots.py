# SPDX-License-Identifier: Apache-2.0
"""A curve as an SVG picture, by gnuplot."""

import shutil
import subprocess
import sys

UNITS = {"mpps": "million packets per second", "gbps": "gigabits per second"}


def data_block(name, points, line):
    rows = [f"{i} {line[point]['median']} {line[point]['min']} {line[point]['max']}"
            for i, point in enumerate(points) if point in line]
    return "\n".join([f"${name} << EOD", *rows, "EOD"])


def script(curve, path):
    """Points stand at equal distances: most axes grow by factors."""
    lines = list(curve["lines"].items())
    ticks = ", ".join(f'"{point}" {i}' for i, point in enumerate(curve["points"]))
    blocks = [data_block(f"line{i}", curve["points"], line) for i, (_, line) in enumerate(lines)]
    parts = [f'$line{i} using 1:2:3:4 with yerrorlines title "{name}" pointtype 7' for i, (name, _) in enumerate(lines)]
    return "\n".join([
        *blocks, "set terminal svg size 720,420 background 'white'", f"set output '{path}'",
        f"set xlabel '{curve['axis']}'", f"set ylabel '{UNITS[curve['unit']]}'", "set yrange [0:*]",
        f"set xrange [-0.3:{len(curve['points']) - 0.7}]", f"set xtics ({ticks}) rotate by -25", "set grid ytics",
        "set key bottom", "plot " + ", ".join(parts)]) + "\n"


def draw(curve, directory):
    if not shutil.which("gnuplot"):
        print("bench: no plots: there is no gnuplot: apt-get install gnuplot-nox", file=sys.stderr)
        return
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{curve['name'].replace(' ', '-')}.svg"
    subprocess.run(["gnuplot"], input=script(curve, path), text=True, check=True)
