# SPDX-License-Identifier: Apache-2.0
"""Two front-ends that keep sending numbered frames to each other: none may be lost, come twice, or out of order."""

import struct
import time

from front_end import FrontEnd

PORTS = """
create vhost-user socket @/a.sock server
create vhost-user socket @/b.sock server
create vhost-user socket @/c.sock server
set interface state VirtualEthernet0/0/0 up
set interface state VirtualEthernet0/0/1 up
set interface l2 bridge VirtualEthernet0/0/0 7
set interface l2 bridge VirtualEthernet0/0/1 7
"""
WIRE = PORTS[:PORTS.index("set interface l2")] + """
set interface l2 xconnect VirtualEthernet0/0/0 VirtualEthernet0/0/1
set interface l2 xconnect VirtualEthernet0/0/1 VirtualEthernet0/0/0
"""
MACS = [bytes.fromhex("525400000001"), bytes.fromhex("525400000002")]
WINDOW = 100  # frames on their way in one direction: fewer than there are receive buffers
PATIENCE = 60


class Traffic:
    """Numbered frames both ways between two front-ends; without a daemon there are none."""

    def __init__(self, daemon=None):
        self.ends = [FrontEnd(daemon.dir / name) for name in ("a.sock", "b.sock") if daemon]
        self.sent, self.got = [0, 0], [0, 0]
        for end in self.ends:
            end.start()

    def step(self):
        for i, end in enumerate(self.ends):
            for frame in end.receive():
                number, = struct.unpack_from("<I", frame, 14)
                assert number == self.got[i], f"end {i} got frame {number}, expected {self.got[i]}"
                assert len(frame) == 60 + number % 1000, (len(frame), number)
                self.got[i] += 1
            while self.sent[i] - self.got[1 - i] < WINDOW and end.send(self.frame(i)):
                self.sent[i] += 1

    def frame(self, i):
        number = self.sent[i]
        return (MACS[1 - i] + MACS[i] + b"\x88\xb5" + struct.pack("<I", number)).ljust(60 + number % 1000, b"x")

    def until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what}: not within {PATIENCE} s, sent {self.sent}, got {self.got}"
            self.step()

    def flows(self):
        """Both directions go on."""
        for end in self.ends:
            assert end.is_connected()
        aim = [n + 3 * WINDOW for n in self.got]
        self.until(lambda: all(n >= a for n, a in zip(self.got, aim)), "frames flow")
