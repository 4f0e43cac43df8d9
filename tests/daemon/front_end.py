# SPDX-License-Identifier: Apache-2.0
"""A vhost-user front-end with a guest in it that sends and receives on its first two rings, small enough to be read."""

import array
import ctypes
import mmap
import os
import select
import socket
import struct

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL = 12, 13
VERSION_1 = 1 << 32

SIZE = 256
BUFFER = 2048
NET_HDR = 12
RING_LEN = 0x10000
BUFFERS_AT = 0x100000
UADDR = 0x7f0000000000
RECEIVE, SEND = 0, 1


class Ring:
    """One split ring in shared memory. Indexes are ctypes, because struct writes them byte by byte."""

    def __init__(self, memory, idx):
        at = idx * RING_LEN
        self.idx = idx
        self.memory = memory
        self.desc, self.avail_at, self.used_at = at, at + 0x2000, at + 0x4000
        self.buffers = BUFFERS_AT + idx * SIZE * BUFFER
        self.avail = (ctypes.c_uint16 * (2 + SIZE)).from_buffer(memory, self.avail_at)
        self.used_idx = ctypes.c_uint16.from_buffer(memory, self.used_at + 2)
        self.seen = 0
        self.free = list(range(SIZE))
        self.kick = os.eventfd(0, os.EFD_NONBLOCK)
        self.call = os.eventfd(0, os.EFD_NONBLOCK)

    def offer(self, frame, writable):
        """False: no free descriptor. The guest always kicks."""
        if not self.free:
            return False
        i = self.free.pop()
        at = self.buffers + i * BUFFER
        self.memory[at:at + NET_HDR + len(frame)] = bytes(NET_HDR) + frame
        length = BUFFER if writable else NET_HDR + len(frame)
        struct.pack_into("<QIHH", self.memory, self.desc + 16 * i, at, length, 2 if writable else 0, 0)
        self.avail[2 + self.avail[1] % SIZE] = i
        self.avail[1] = (self.avail[1] + 1) & 0xffff
        os.eventfd_write(self.kick, 1)
        return True

    def take(self):
        """What came back, as frames."""
        frames = []
        while self.seen != self.used_idx.value:
            i, length = struct.unpack_from("<II", self.memory, self.used_at + 4 + 8 * (self.seen % SIZE))
            at = self.buffers + i * BUFFER
            frames.append(bytes(self.memory[at + NET_HDR:at + length]))
            assert i not in self.free, f"ring {self.idx}: buffer {i} came back twice"
            self.free.append(i)
            self.seen = (self.seen + 1) & 0xffff
        return frames


class FrontEnd:
    def __init__(self, path, pairs=1, connected=None):
        """path is where to connect, unless there is a connected socket."""
        self.memfd = os.memfd_create("guest")
        self.mem_len = BUFFERS_AT + 2 * pairs * SIZE * BUFFER
        os.ftruncate(self.memfd, self.mem_len)
        self.memory = mmap.mmap(self.memfd, self.mem_len)
        self.rings = [Ring(self.memory, i) for i in range(2 * pairs)]
        self.socket = connected or socket.socket(socket.AF_UNIX)
        if not connected:
            self.socket.connect(str(path))

    def say(self, request, payload=b"", fds=()):
        cargo = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([struct.pack("<III", request, 1, len(payload)) + payload], cargo)

    def ask(self, request, payload=b""):
        self.say(request, payload)
        header = self.socket.recv(12, socket.MSG_WAITALL)
        assert len(header) == 12, "the connection was closed"
        return self.socket.recv(struct.unpack("<III", header)[2], socket.MSG_WAITALL)

    def negotiate(self):
        assert struct.unpack("<Q", self.ask(GET_FEATURES))[0] & VERSION_1
        self.say(SET_OWNER)
        self.say(SET_FEATURES, struct.pack("<Q", VERSION_1))
        self.say(SET_MEM_TABLE, struct.pack("<IIQQQQ", 1, 0, 0, self.mem_len, UADDR, 0), [self.memfd])

    def start_ring(self, ring):
        self.say(SET_VRING_NUM, struct.pack("<II", ring.idx, SIZE))
        self.say(SET_VRING_BASE, struct.pack("<II", ring.idx, 0))
        self.say(SET_VRING_ADDR, struct.pack(
            "<IIQQQQ", ring.idx, 0, UADDR + ring.desc, UADDR + ring.used_at, UADDR + ring.avail_at, 0))
        self.say(SET_VRING_CALL, struct.pack("<Q", ring.idx), [ring.call])
        self.say(SET_VRING_KICK, struct.pack("<Q", ring.idx), [ring.kick])

    def start(self):
        """Negotiates, fills the receive ring, and waits until the back-end has heard it all."""
        self.negotiate()
        while self.rings[RECEIVE].offer(b"", True):
            pass
        for ring in self.rings:
            self.start_ring(ring)
        self.ask(GET_FEATURES)

    def send(self, frame):
        self.rings[SEND].take()
        return self.rings[SEND].offer(frame, False)

    def receive(self):
        frames = self.rings[RECEIVE].take()
        for _ in frames:
            self.rings[RECEIVE].offer(b"", True)
        return frames

    def is_connected(self):
        ready, _, _ = select.select([self.socket], [], [], 0)
        return not ready  # nothing is ever said unasked

    def close(self):
        self.socket.close()
