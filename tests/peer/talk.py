#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
Traffic of which every byte is checked, over real sockets.

  listen            answer at port 5001 of all addresses, TCP and UDP; says "ready"
  tcp ADDR BYTES    so many bytes go there and, at the same time, as many come back
  udp ADDR SIZE     datagrams of that size go there, each is answered by what the other side saw
  uso ADDR SIZE     the same, 16 of them in one call, cut by whoever has to
  back ADDR SIZE    the same as udp in IPv4, each in fragments that leave in the wrong order, the first one last

Fails if anything arrives changed. Datagrams may be lost: they are sent again.
"""

import hashlib
import socket
import struct
import sys
import threading
import zlib

PORT = 5001
PATIENCE = 60
UDP_SEGMENT = 103
AT_ONCE = 16
ROUNDS = 10
FRAGMENT = 1480


def noise(length, seed):
    """Bytes that look random and are cheap to make."""
    block = hashlib.shake_256(seed).digest(65521)
    return (block * (length // len(block) + 1))[:length]


def receive(sock, length):
    got = bytearray()
    while len(got) < length:
        part = sock.recv(min(1 << 20, length - len(got)))
        assert part, f"the stream ended after {len(got)} of {length} bytes"
        got += part
    return bytes(got)


def exchange(sock, mine, theirs):
    sender = threading.Thread(target=sock.sendall, args=(mine,))
    sender.start()
    got = receive(sock, len(theirs))
    sender.join()
    assert got == theirs, "bytes arrived changed"


def serve_tcp(sock):
    with sock:
        length, = struct.unpack("<Q", receive(sock, 8))
        exchange(sock, noise(length, b"server"), noise(length, b"client"))
        receive(sock, 1)


def listen_tcp(listener):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve_tcp, args=(sock,), daemon=True).start()


def listen_udp(sock):
    """A datagram is its number and noise; the answer is the number and the checksum of all of it."""
    while True:
        data, peer = sock.recvfrom(65536)
        sock.sendto(data[:4] + struct.pack("<I", zlib.crc32(data)), peer)


def listen():
    listener = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    udp.bind(("::", PORT))
    threading.Thread(target=listen_tcp, args=(listener,), daemon=True).start()
    print("ready", flush=True)
    listen_udp(udp)


def tcp(address, length):
    with socket.create_connection((address, PORT), PATIENCE) as sock:
        sock.sendall(struct.pack("<Q", length))
        exchange(sock, noise(length, b"client"), noise(length, b"server"))
        sock.sendall(b".")


def ask(sock, datagrams, at_once):
    """Sends datagrams until each is answered rightly; at most so often as there is patience."""
    missing = dict(datagrams)
    for _ in range(PATIENCE):
        if not missing:
            return
        for data in [b"".join(missing.values())] if at_once else list(missing.values()):
            sock.send(data)
        try:
            while missing:
                number, crc = struct.unpack("<II", sock.recv(64))
                assert zlib.crc32(datagrams[number]) == crc, f"datagram {number} arrived changed"
                missing.pop(number, None)
        except socket.timeout:
            pass
    raise AssertionError(f"{len(missing)} datagrams are not answered")


class Backwards:
    """A connected socket of UDP whose datagrams leave in fragments, the last one first."""

    def __init__(self, sock):
        self.sock, self.recv = sock, sock.recv
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        self.ident = 0

    def send(self, data):
        (src, sport), (dst, dport) = self.sock.getsockname(), self.sock.getpeername()
        datagram = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data  # a checksum of 0: there is none
        self.ident += 1
        for at in reversed(range(0, len(datagram), FRAGMENT)):
            part = datagram[at:at + FRAGMENT]
            more = at + FRAGMENT < len(datagram)
            header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(part), self.ident, more << 13 | at // 8, 64,
                                 socket.IPPROTO_UDP, 0, socket.inet_aton(src), socket.inet_aton(dst))
            self.raw.sendto(header + part, (dst, 0))


def udp(address, size, how):
    at_once = how == "uso"
    family, _, _, _, where = socket.getaddrinfo(address, PORT, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        sock.connect(where)
        if at_once:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
        sender = Backwards(sock) if how == "back" else sock
        for turn in range(ROUNDS):
            ask(sender, {n: struct.pack("<I", n) + noise(size - 4, b"%d" % n)
                         for n in range(turn * AT_ONCE, (turn + 1) * AT_ONCE)}, at_once)


if __name__ == "__main__":
    how = sys.argv[1]
    if how == "listen":
        listen()
    elif how == "tcp":
        tcp(sys.argv[2], int(sys.argv[3]))
    else:
        udp(sys.argv[2], int(sys.argv[3]), how)
