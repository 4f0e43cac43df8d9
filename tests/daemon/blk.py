#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ginnel-blk as a program, and what a guest sees when its image's storage does not behave: errors, and a disk that lives.
The guest's part is ginnel-blk-bench's."""

import json
import os
import subprocess
import sys
import tempfile
import time
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


class Disk:
    def __init__(self, *options, bad=None, size=SIZE):
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
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, env=env)

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

    def errors(self):
        return {row["error"]: row["count"] for row in self.ginnel("show", "block", "errors") if row["count"]}

    def guest(self, *options):
        """One run of the client: what it found."""
        done = subprocess.run([BIN / "ginnel-blk-bench", f"--socket-path={self.socket}", "--json", *options],
                              capture_output=True, text=True, timeout=PATIENCE_S)
        self.lives()
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


def everything_read_is_as_written_with_each_engine():
    for engine in ("uring", "threads", "ram"):
        with Disk(f"--engine={engine}", "--queues=2") as disk:
            for rings in ([], ["--packed", "--indirect"]):
                found = disk.guest("--rw=mix", "--requests=3000", "--queues=2", "--flush-every=8", "--discard=5",
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
    bad = {"BAD_FROM": "0", "BAD_TO": str(1 << 20), "BAD_MS": "5000"}
    with Disk("--engine=threads", "--drain=200", "--threads=4", bad=bad) as disk:
        client = subprocess.Popen([BIN / "ginnel-blk-bench", f"--socket-path={disk.socket}", "--rw=read", "--depth=4",
                                   "--requests=1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("requests on their way", lambda: disk.ginnel("show", "block")["queues"][0]["depth"] == 4)
        client.kill()
        client.wait()
        wait_until("the ring let go of", lambda: not disk.ginnel("show", "block")["queues"][0]["running"])
        assert disk.ginnel("show", "block")["queues"][0]["abandoned"] == 4
        found = disk.guest("--rw=write", "--offset=2m", "--size=1m", "--requests=200", "--depth=1")
        assert found["faults"]["io_errors"] == 0, found["faults"]


def a_ring_is_let_go_of_while_a_worker_hangs():
    """The worker itself is in a write that does not end: its ring is taken from it."""
    bad = {"BAD_FROM": "0", "BAD_TO": str(1 << 20), "BAD_MS": "6000"}
    with Disk("--engine=threads", "--drain=200", bad=bad) as disk:
        client = subprocess.Popen([BIN / "ginnel-blk-bench", f"--socket-path={disk.socket}", "--rw=write", "--depth=4",
                                   "--requests=1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("a request on its way", lambda: disk.ginnel("show", "block")["queues"][0]["depth"] > 0)
        client.kill()
        client.wait()
        began = time.monotonic()
        wait_until("the ring let go of", lambda: not disk.ginnel("show", "block")["queues"][0]["running"])
        assert time.monotonic() - began < 5
        assert disk.ginnel("show", "block")["queues"][0]["abandoned"] == 1
        found = disk.guest("--rw=write", "--offset=2m", "--size=1m", "--requests=200", "--verify", "--read-back")
        assert not any(found["faults"].values()), found["faults"]


def a_program_whose_worker_hangs_ends():
    with Disk("--engine=threads", "--drain=200", bad={"BAD_FROM": "0", "BAD_TO": str(SIZE), "BAD_MS": "30000"}) as disk:
        client = subprocess.Popen([BIN / "ginnel-blk-bench", f"--socket-path={disk.socket}", "--rw=write", "--depth=1",
                                   "--requests=10"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("a request on its way", lambda: disk.ginnel("show", "block")["queues"][0]["depth"] > 0)
        disk.process.terminate()
        assert disk.process.wait(10) == 0
        client.kill()
        client.wait()


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
        found = disk.guest("--rw=randread", "--time=2")
        assert 1500 < found["iops"] < 2400, found["iops"]
        disk.ginnel("set", "block", "limit", "iops", "0", "bps", str(4 << 20))
        found = disk.guest("--rw=randread", "--time=2")
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
                    a_ring_is_let_go_of_while_a_worker_hangs, a_program_whose_worker_hangs_ends)
    yield from (an_image_cut_short_is_an_error_and_then_a_smaller_disk, the_image_is_resized_by_command,
                a_read_only_disk_cannot_be_written, limits_are_kept, an_image_in_use_is_refused_with_the_mend,
                mistakes_are_answered_with_the_mend)


if __name__ == "__main__":
    main(tests())
