#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Capture files that play at a port, and what arrives behind another one."""

import os
import queue
import socket
import struct
import threading
import time

from daemon import Daemon, main

HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)


def frame(i, length=60):
    return b"\xff" * 6 + bytes.fromhex("02000000000188b5") + struct.pack(">I", i) + b"x" * (length - 18)


def record(at_us, data, wire_len=None):
    return struct.pack("<IIII", at_us // 1000000, at_us % 1000000, len(data), wire_len or len(data)) + data


class Bed(Daemon):
    """With QEMU's kind of stream behind the port stream0, in one bridge with what plays. It is read all the time, as
    frames that find no room in it are lost."""

    def __enter__(self):
        super().__enter__()
        self.frames = queue.Queue()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.dir / "peer"))
        listener.listen()
        self.must("create", "stream", "socket", self.dir / "peer")
        self.peer, _ = listener.accept()
        listener.close()
        threading.Thread(target=self.read, daemon=True).start()
        self.use("stream0")
        return self

    def read(self):
        with self.peer.makefile("rb") as stream:
            while length := stream.read(4):
                self.frames.put(stream.read(int.from_bytes(length, "big")))

    def next(self):
        return self.frames.get(timeout=20)

    def must(self, *words):
        status, out, err = self.run(*map(str, words))
        assert status == 0, (words, err)
        return out.strip()

    def use(self, name):
        self.must("set", "interface", "l2", "bridge", name, 1)
        self.must("set", "interface", "state", name, "up")

    def write(self, records, header=HEADER):
        path = self.dir / "file"
        path.write_bytes(header + b"".join(records))
        return path

    def facts(self):
        return self.ask("show", "pcap", "replay")[0]

    def wait_over(self):
        end = time.monotonic() + 20
        while self.facts()["state"] != "over":
            assert time.monotonic() < end, self.facts()
            time.sleep(0.01)


def frames_come_in_order_and_as_often_as_wanted():
    with Bed() as bed:
        path = bed.write(record(i, frame(i, 60 + 100 * i)) for i in range(10))
        assert bed.must("create", "pcap", "replay", "file", path, "loop", 3, "rate", 2000) == "pcap0"
        os.unlink(path)
        assert bed.facts()["state"] == "waits until the interface is up", bed.facts()
        bed.use("pcap0")
        for i in range(30):
            assert bed.next() == frame(i % 10, 60 + 100 * (i % 10)), i
        bed.wait_over()
        assert bed.facts()["loops-done"] == 3
        bed.must("delete", "pcap", "replay", "pcap0")


def recorded_times_are_kept():
    with Bed() as bed:
        bed.must("create", "pcap", "replay", "file", bed.write(record(i * 50000, frame(i)) for i in range(7)))
        begun = time.monotonic()
        bed.use("pcap0")
        for i in range(7):
            assert bed.next() == frame(i)
            assert time.monotonic() - begun >= i * 0.05 - 0.001, i


def a_rate_is_kept():
    with Bed() as bed:
        bed.must("create", "pcap", "replay", "file", bed.write([record(0, frame(0))]), "loop", 500, "rate", 1000)
        begun = time.monotonic()
        bed.use("pcap0")
        bed.wait_over()
        assert time.monotonic() - begun > 0.49
        assert bed.ask("show", "interface", "pcap0")[0]["counters"]["rx packets"] == 500


def what_was_recorded_in_part_is_left_out():
    with Bed() as bed:
        bed.must("create", "pcap", "replay", "file",
                 bed.write([record(0, frame(0), 1514), record(0, frame(1)), record(0, b"short")]))
        bed.use("pcap0")
        assert bed.next() == frame(1)
        assert bed.facts()["left-out"] == 2 and bed.facts()["frames"] == 1


def a_successor_goes_on_where_the_other_was():
    with Bed() as bed:
        bed.must("create", "pcap", "replay", "file", bed.write(record(i, frame(i)) for i in range(1000)), "rate", 1000)
        bed.use("pcap0")
        got = [bed.next() for _ in range(100)]
        old = bed.process
        bed.process = bed.begin("--replace")
        assert old.wait(20) == 0, bed.log()
        got += [bed.next() for _ in range(900)]
        assert got == [frame(i) for i in range(1000)]


def mistakes_are_answered_with_the_mend():
    with Bed() as bed:
        good = bed.write([record(0, frame(0))])
        for words, mend in (((bed.dir / "none",), "No such file"), ((bed.dir,), "no file"),
                            ((good, "rate", "fast"), "as-recorded")):
            status, _, err = bed.run("create", "pcap", "replay", "file", *map(str, words))
            assert status == 1 and mend in err, (words, err)
        for records, header, mend in (([b"x"], HEADER, "byte 24: it ends"), ([], HEADER, "no whole frame"),
                                      ([], b"text", "neither pcap")):
            status, _, err = bed.run("create", "pcap", "replay", "file", str(bed.write(records, header)))
            assert status == 1 and mend in err, (records, err)


if __name__ == "__main__":
    main([frames_come_in_order_and_as_often_as_wanted, recorded_times_are_kept, a_rate_is_kept,
          what_was_recorded_in_part_is_left_out, a_successor_goes_on_where_the_other_was,
          mistakes_are_answered_with_the_mend])
