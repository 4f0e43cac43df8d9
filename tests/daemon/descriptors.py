#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
The descriptors by which QEMU's users and libvirt find our back-end programs: what is in them, what the programs say of
themselves, and where an installation puts both.

    descriptors.py MESON BUILD_DIR
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from daemon import main

MESON, BUILD = sys.argv[1], Path(sys.argv[2])
SOURCE = Path(__file__).resolve().parents[2]
# Where a system's QEMU and libvirt look, the less specific one first (vhost-user.json).
PLACES = [Path("/usr/share/qemu/vhost-user"), Path("/etc/qemu/vhost-user")]
# Of the schema's types those that are ours. libvirt finds nothing at all any more when one file has a type that it does
# not know.
TYPES = {"net", "block"}


def programs():
    """Names of our back-end programs, from the build."""
    return sorted(p.name for p in (BUILD / "bin").glob("ginnel-*") if p.is_file() and is_backend(p))


def is_backend(path):
    done = subprocess.run([path, "--print-capabilities"], capture_output=True, text=True, timeout=60)
    return done.returncode == 0 and done.stdout.lstrip().startswith("{")


def configured(scratch, *options):
    """What an installation of such a configuration would install: place in the system, file in the build directory."""
    build = Path(scratch) / "build"
    done = subprocess.run([MESON, "setup", *options, build, SOURCE], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told = subprocess.run([MESON, "introspect", "--installed", build], capture_output=True, text=True, timeout=60)
    return {Path(place): Path(file) for file, place in json.loads(told.stdout).items()}


def check_descriptor(name, descriptor):
    assert re.fullmatch(r"[0-9]{2}-[a-z0-9-]+\.json", name), name
    assert name >= "60-", f"{name}: would come before what the distribution prefers"
    assert set(descriptor) <= {"description", "type", "binary", "tags"}, descriptor
    assert descriptor["type"] in TYPES, descriptor
    assert descriptor["description"] and os.path.isabs(descriptor["binary"]), descriptor


def a_system_installation_is_found_by_qemu_and_libvirt():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        installed = configured(scratch, "--prefix=/usr")
        ours = {place.name: file for place, file in installed.items() if place.parent == PLACES[0]}
        assert len(ours) == len(programs()), ours
        for name, file in ours.items():
            descriptor = json.loads(file.read_text())
            check_descriptor(name, descriptor)
            assert Path(descriptor["binary"]) in installed, f"{name}: {descriptor['binary']} is not installed"


def a_local_installation_can_put_them_where_the_administrators_lie():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        installed = configured(scratch, "--prefix=/usr/local", "-Dqemu_dir=/etc/qemu/vhost-user")
        assert len([p for p in installed if p.parent == PLACES[1]]) == len(programs())


def what_is_installed_agrees_with_what_the_programs_say():
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        done = subprocess.run([MESON, "install", "-C", BUILD, "--no-rebuild", "--destdir", scratch],
                              capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        paths = sorted(Path(scratch).rglob("qemu/vhost-user/*.json"))
        assert [p.name for p in paths] == [f"60-{name}.json" for name in programs()], paths
        for path in paths:
            descriptor = json.loads(path.read_text())
            binary = Path(scratch) / descriptor["binary"].lstrip("/")
            told = subprocess.run([binary, "--print-capabilities"], capture_output=True, text=True, timeout=60)
            assert json.loads(told.stdout)["type"] == descriptor["type"], (descriptor, told)
            page = list(Path(scratch).rglob(f"man1/{binary.name}.1*"))
            assert len(page) == 1, page
            for kind in ("service", "socket"):
                assert list(Path(scratch).rglob(f"systemd/system/{binary.name}@.{kind}")), (binary.name, kind)


def systemd_finds_no_fault_in_the_units():
    analyze = subprocess.run(["sh", "-c", "command -v systemd-analyze"], capture_output=True).returncode == 0
    for name in programs() if analyze else []:
        units = [BUILD / "dist" / f"{name}@.{kind}" for kind in ("service", "socket")]
        with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
            copies = []
            for unit in units:
                copy = Path(scratch) / unit.name.replace("@.", "@x.")
                text = unit.read_text()
                (Path(scratch) / unit.name).write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={BUILD}/bin/{name}", text,
                                                              flags=re.MULTILINE))
                copies.append(copy)
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", *copies], capture_output=True, text=True,
                                  timeout=60, env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{scratch}:"))
            faults = [line for line in done.stderr.splitlines() if name in line]
            assert not faults, faults


def the_exporter_has_a_unit_and_a_page():
    page, unit = BUILD / "man/ginnel-exporter.1", BUILD / "dist/ginnel-exporter.service"
    if not unit.exists():
        return  # built without it
    text = page.read_text()
    assert ".Dt GINNEL\\-EXPORTER 1" in text and all(f"Fl \\-{o}" in text for o in ("api-socket", "listen", "port")), text
    if subprocess.run(["sh", "-c", "command -v systemd-analyze"], capture_output=True).returncode != 0:
        return
    with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
        copy = Path(scratch) / unit.name
        copy.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={BUILD}/bin/ginnel-exporter", unit.read_text(), flags=re.MULTILINE))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, timeout=60,
                              env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{scratch}:"))
        assert "ginnel-exporter" not in done.stderr, done.stderr


if __name__ == "__main__":
    main([a_system_installation_is_found_by_qemu_and_libvirt,
          a_local_installation_can_put_them_where_the_administrators_lie,
          what_is_installed_agrees_with_what_the_programs_say,
          systemd_finds_no_fault_in_the_units,
          the_exporter_has_a_unit_and_a_page])
