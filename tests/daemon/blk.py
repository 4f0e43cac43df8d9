#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ginnel-blk as a program, and what a guest sees when its image's storage does not behave: errors, and a disk that lives.
The guest's part is ginnel-blk-bench's."""

import ctypes
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from daemon import main

BIN = Path(os.environ["GINNEL_BIN"])
# The preloaded library that makes storage bad; None under the sanitizers, which want to be loaded first.
BAD_STORAGE = sys.argv[1] if len(sys.argv) > 1 else None
SIZE = 4 << 20
PATIENCE_S = 60


def wait_until(what, condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"timeout: {what}"
        time.sleep(0.01)


def without_io_uring():
    """In a child before it executes a program: the kernel says EPERM to io_uring_setup(), as where a sysctl forbids it."""
    libc = ctypes.CDLL(None, use_errno=True)
    setup, errno_eperm, allow = 425, 0x00050001, 0x7fff0000
    load_number, if_equal, answer = 0x20, 0x15, 0x06
    program = b"".join(struct.pack("=HBBI", *line) for line in (
        (load_number, 0, 0, 0), (if_equal, 0, 1, setup), (answer, 0, 0, errno_eperm), (answer, 0, 0, allow)))
    code = ctypes.create_string_buffer(program)
    fprog = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(code)))
    no_new_privs, set_seccomp, mode_filter = 38, 22, 2
    for arguments in ((no_new_privs, 1, None), (set_seccomp, mode_filter, fprog)):
        if libc.prctl(arguments[0], ctypes.c_ulong(arguments[1]), arguments[2] or 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


class Disk:
    def __init__(self, *options, bad=None, size=SIZE, without=None):
        self.scratch = tempfile.TemporaryDirectory(prefix="gnl")
        self.dir = Path(self.scratch.name)
        self.image, self.socket, self.stats = (self.dir / name for name in ("image", "blk.sock", "stats.sock"))
        with open(self.image, "wb") as f:
            f.truncate(size)
        self.log_path = self.dir / "log"
        self.command = [BIN / "ginnel-blk", f"--socket-path={self.socket}", f"--blk-file={self.image}",
                        f"--stats-socket={self.stats}", *options]
        env = {**os.environ, "LD_PRELOAD": BAD_STORAGE, **bad} if bad else None
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=env, preexec_fn=without)

    def __enter__(self):
        wait_until("a disk", lambda: self.stats.exists() and self.lives())
        return self

    def __exit__(self, *_):
        self.process.terminate()
        status = self.process.wait(PATIENCE_S)
        log = self.log_path.read_text()
        self.scratch.cleanup()
        assert status == 0, (status, log)

    def lives(self):
        assert self.process.poll() is None, self.log_path.read_text()
        return True

    def ginnel(self, *command):
        done = subprocess.run([BIN / "ginnel", "--json", "--api-socket", self.stats, *command], capture_output=True,
                              text=True, timeout=PATIENCE_S)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def queue(self):
        return self.ginnel("show", "block")["queues"][0]

    @contextmanager
    def busy_guest(self, *options):
        """Another run of it, which is killed."""
        client = subprocess.Popen(self.guest_command("--time=60", *options), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        try:
            yield client
        finally:
            client.kill()
            client.wait()

    def errors(self):
        return {row["error"]: row["count"] for row in self.ginnel("show", "block", "errors") if row["count"]}

    def guest_command(self, *options):
        return [BIN / "ginnel-blk-bench", f"--socket-path={self.socket}", *options]

    def guest(self, *options):
        """One run of the client: what it found."""
        done = subprocess.run(self.guest_command("--json", *options), capture_output=True, text=True, timeout=PATIENCE_S)
        self.lives()
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


def everything_read_is_as_written_with_each_engine():
    for engine in ("uring", "threads", "ram"):
        with Disk(f"--engine={engine}", "--queues=2") as disk:
            for rings in ([], ["--packed", "--indirect"]):
                found = disk.guest("--rw=mix", "--requests=2000", "--queues=2", "--flush-every=8", "--discard=5",
                                   "--write-zeroes=5", "--segments=2", "--block-size=8k", "--verify", "--read-back", *rings)
                assert not any(found["faults"].values()), (engine, rings, found["faults"])
            shown = disk.ginnel("show", "block")
            assert shown["engine"] == engine and not disk.errors()
            assert {"read", "write", "flush", "discard", "write-zeroes"} <= set(shown["queues"][1]["kinds"]), shown


def a_bad_place_on_the_disk_is_an_error_and_the_rest_works():
    bad = {"BAD_FROM": str(1 << 20), "BAD_TO": str(2 << 20), "BAD_ERRNO": "5"}
    with Disk("--engine=threads", bad=bad) as disk:
        for rw in ("read", "write"):
            found = disk.guest(f"--rw={rw}", "--requests=1024")
            assert found["faults"]["io_errors"] == 256, found["faults"]
        assert disk.errors() == {"io-error": 512}, disk.errors()
        assert not any(disk.guest("--rw=mix", "--size=1m", "--requests=500", "--verify", "--read-back")["faults"].values())


def a_full_storage_is_an_error_by_name():
    bad = {"BAD_FROM": str(2 << 20), "BAD_TO": str(4 << 20), "BAD_ERRNO": "28"}
    with Disk("--engine=threads", bad=bad) as disk:
        assert disk.guest("--rw=write", "--requests=1024")["faults"]["io_errors"] == 512
        assert disk.errors() == {"no-space": 512}, disk.errors()


def a_flush_that_fails_is_told():
    with Disk("--engine=threads", bad={"BAD_SYNC": "1", "BAD_ERRNO": "5"}) as disk:
        assert disk.guest("--rw=write", "--requests=64", "--depth=1", "--flush-every=8")["faults"]["io_errors"] > 0
        assert set(disk.errors()) == {"io-error"}


def a_ring_is_let_go_of_while_storage_hangs():
    """The guest leaves while its reads hang: the program answers, and serves the next guest when they have ended."""
    bad = {"BAD_FROM": "0", "BAD_TO": str(1 << 20), "BAD_MS": "2500"}
    with Disk("--engine=threads", "--drain=200", "--threads=4", bad=bad) as disk:
        with disk.busy_guest("--rw=read", "--depth=4"):
            wait_until("requests on their way", lambda: disk.queue()["depth"] == 4)
        wait_until("the ring let go of", lambda: not disk.queue()["running"])
        assert disk.queue()["abandoned"] == 4
        found = disk.guest("--rw=write", "--offset=2m", "--size=1m", "--requests=200", "--depth=1")
        assert found["faults"]["io_errors"] == 0, found["faults"]


def a_ring_is_let_go_of_while_a_worker_hangs():
    """The worker itself is in a write that does not end: its ring is taken from it."""
    bad = {"BAD_FROM": "0", "BAD_TO": str(1 << 20), "BAD_MS": "2500"}
    with Disk("--engine=threads", "--drain=200", bad=bad) as disk:
        with disk.busy_guest("--rw=write", "--depth=4"):
            wait_until("a request on its way", lambda: disk.queue()["depth"] > 0)
        wait_until("the ring let go of", lambda: not disk.queue()["running"])
        assert disk.queue()["abandoned"] == 1
        found = disk.guest("--rw=write", "--offset=2m", "--size=1m", "--requests=200", "--verify", "--read-back")
        assert not any(found["faults"].values()), found["faults"]


def a_program_whose_worker_hangs_ends():
    with Disk("--engine=threads", "--drain=200", bad={"BAD_FROM": "0", "BAD_TO": str(SIZE), "BAD_MS": "30000"}) as disk:
        with disk.busy_guest("--rw=write", "--depth=1"):
            wait_until("a request on its way", lambda: disk.queue()["depth"] > 0)
            disk.process.terminate()
            assert disk.process.wait(10) == 0


def writes_of(disk, *guest):
    """How many of 64 writes were durable when they ended: those that bad storage let fail."""
    return disk.guest("--rw=write", "--requests=64", "--depth=4", *guest)["faults"]["io_errors"]


def writes_are_durable_where_they_have_to_be():
    for options, guest, durable in (([], [], 0), ([], ["--no-flush"], 64), (["--cache=writethrough"], [], 64)):
        with Disk("--engine=threads", *options, bad={"BAD_DURABLE": "1", "BAD_ERRNO": "5"}) as disk:
            assert writes_of(disk, *guest) == durable, (options, guest)


def a_guest_switches_its_cache():
    def written(disk):
        kind = disk.queue()["kinds"].get("write", {"requests": 0})
        return kind["requests"], disk.errors().get("io-error", 0)

    for options, switch, through in (([], "off", True), (["--cache=writethrough"], "on", False)):
        with Disk("--engine=threads", *options, bad={"BAD_DURABLE": "1", "BAD_ERRNO": "5"}) as disk:
            with disk.busy_guest("--rw=randwrite", "--depth=1", f"--writeback={switch}"):
                wait_until("the switch", lambda: disk.ginnel("show", "block")["image"]["write-through"] == through
                           and written(disk)[0] > 0)
                # one may have been on its way
                asked, failed = written(disk)
                wait_until("writes after it", lambda: written(disk)[0] > asked + 100)
                more_failed = written(disk)[1] - failed
                assert more_failed > 50 if through else more_failed <= 1, (switch, more_failed)


def a_disk_that_is_polled_needs_no_kicks():
    for rings in ([], ["--packed"], ["--no-event-idx"]):
        with Disk("--poll=100", "--queues=2") as disk:
            found = disk.guest("--rw=mix", "--requests=500", "--depth=1", "--queues=2", "--verify", *rings)
            assert not any(found["faults"].values()), found["faults"]
            # some before it has said so
            assert found["rings"]["kicks"] < 20 < found["rings"]["kicks_saved"], (rings, found["rings"])


def threads_do_it_where_io_uring_is_forbidden():
    with Disk("--queues=2", without=without_io_uring) as disk:
        assert disk.ginnel("show", "block")["engine"] == "threads"
        assert "no io_uring here" in disk.log_path.read_text()
        found = disk.guest("--rw=mix", "--requests=300", "--queues=2", "--flush-every=8", "--verify", "--read-back")
        assert not any(found["faults"].values()), found["faults"]
        refused = subprocess.run([BIN / "ginnel-blk", f"--socket-path={disk.dir}/b", f"--blk-file={disk.image}",
                                  "--lock=off", "--engine=uring"], capture_output=True, text=True,
                                 timeout=PATIENCE_S, preexec_fn=without_io_uring)
        assert refused.returncode == 1 and "--engine=threads" in refused.stderr, refused


def an_image_cut_short_is_an_error_and_then_a_smaller_disk():
    with Disk() as disk:
        assert disk.guest("--rw=write", "--requests=1024")["faults"]["io_errors"] == 0
        os.truncate(disk.image, SIZE // 2)
        wait_until("the new size", lambda: disk.ginnel("show", "block")["image"]["size"] == SIZE // 2)
        found = disk.guest("--rw=read", "--requests=512")
        assert found["capacity"] == SIZE // 2 and found["faults"]["io_errors"] == 0, found
        os.truncate(disk.image, SIZE)
        wait_until("the old size", lambda: disk.ginnel("show", "block")["image"]["size"] == SIZE)
        assert disk.guest("--rw=read", "--requests=1024")["capacity"] == SIZE


def the_image_is_resized_by_command():
    with Disk() as disk:
        disk.ginnel("block", "resize", str(8 << 20))
        assert disk.image.stat().st_size == 8 << 20
        assert disk.guest("--rw=write", "--requests=2048")["capacity"] == 8 << 20


def a_read_only_disk_cannot_be_written():
    with Disk("--read-only") as disk:
        before = disk.image.stat().st_mtime_ns
        assert disk.guest("--rw=read", "--requests=100")["faults"]["io_errors"] == 0
        assert disk.image.stat().st_mtime_ns == before


def limits_are_kept():
    with Disk("--iops=2000") as disk:
        found = disk.guest("--rw=randread", "--time=1")
        assert 1500 < found["iops"] < 2400, found["iops"]
        disk.ginnel("set", "block", "limit", "iops", "0", "bps", str(4 << 20))
        found = disk.guest("--rw=randread", "--time=1")
        assert 700 < found["iops"] < 1250, found["iops"]


def an_image_in_use_is_refused_with_the_mend():
    with Disk() as disk:
        second = subprocess.run([BIN / "ginnel-blk", f"--socket-path={disk.dir}/b.sock", f"--blk-file={disk.image}"],
                                capture_output=True, text=True, timeout=PATIENCE_S)
        assert second.returncode == 1 and "another program has the image open" in second.stderr, second


def mistakes_are_answered_with_the_mend():
    for options, status, words in ((["--blk-file=/no/such"], 1, "make it first"), ([], 1, "--blk-file"),
                                   (["--blk-file=/dev/null"], 1, "neither a file nor a block device"),
                                   (["--blk-file=/etc/passwd", "--block-size=1000"], 2, "power of two"),
                                   (["--blk-file=/etc/passwd", "--cache=some"], 2, "writethrough"),
                                   (["--blk-file=/etc/passwd", f"--serial={'x' * 21}"], 2, "20 characters")):
        with tempfile.TemporaryDirectory(prefix="gnl") as scratch:
            done = subprocess.run([BIN / "ginnel-blk", f"--socket-path={scratch}/s", *options], capture_output=True,
                                  text=True, timeout=PATIENCE_S)
            assert done.returncode == status and words in done.stderr, (options, done)


def tests():
    yield everything_read_is_as_written_with_each_engine
    if BAD_STORAGE:
        yield from (a_bad_place_on_the_disk_is_an_error_and_the_rest_works, a_full_storage_is_an_error_by_name,
                    a_flush_that_fails_is_told, a_ring_is_let_go_of_while_storage_hangs,
                    a_ring_is_let_go_of_while_a_worker_hangs, a_program_whose_worker_hangs_ends,
                    writes_are_durable_where_they_have_to_be, a_guest_switches_its_cache)
    yield from (a_disk_that_is_polled_needs_no_kicks, threads_do_it_where_io_uring_is_forbidden,
                an_image_cut_short_is_an_error_and_then_a_smaller_disk, the_image_is_resized_by_command,
                a_read_only_disk_cannot_be_written, limits_are_kept, an_image_in_use_is_refused_with_the_mend,
                mistakes_are_answered_with_the_mend)


if __name__ == "__main__":
    main(tests())
