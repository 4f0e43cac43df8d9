#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The first use case as VPP's documentation tells it: the words a VPP user types, and the columns of the answers."""

import re

from daemon import Daemon, main

TYPED = "clear interfaces\nshow int\ncreate vhost socket {socket}\nshow int\nshow vhost\nquit\n"

ANSWERED = '''\
              Name               Idx       State          Counter          Count
local0                            0        down
VirtualEthernet0/0/0
              Name               Idx       State          Counter          Count
VirtualEthernet0/0/0              1        down
local0                            0        down
Virtio vhost-user interfaces
Global:
  coalesce frames 256 time 0e0
  number of rx virtqueues in interrupt mode: 0
Interface: VirtualEthernet0/0/0 (ifindex 1)
virtio_net_hdr_sz 12
 features mask (HEX):
 features (HEX):
   NAME (15)
   NAME (21)
   NAME (27)
   NAME (28)
   NAME (30)
  protocol features (HEX)
   VHOST_USER_PROTOCOL_F_MQ (0)
   VHOST_USER_PROTOCOL_F_LOG_SHMFD (1)

 socket filename SOCKET type client errno "No such file or directory"

 rx placement:
 tx placement: lock-free
   thread 0 on vring 0

 Memory regions (total 0)
'''
# What the transcript's device has; ours has more.
NAMED = {"VIRTIO_NET_F_MRG_RXBUF (15)", "VIRTIO_NET_F_GUEST_ANNOUNCE (21)", "VIRTIO_F_ANY_LAYOUT (27)",
         "VIRTIO_F_INDIRECT_DESC (28)", "VHOST_USER_F_PROTOCOL_FEATURES (30)",
         "VHOST_USER_PROTOCOL_F_MQ (0)", "VHOST_USER_PROTOCOL_F_LOG_SHMFD (1)"}


def only_the_seed(text, socket):
    """Feature words become placeholders; lines of features that the transcript does not have are left out."""
    lines = []
    for line in text.replace(str(socket), "SOCKET").splitlines():
        if re.match(r"^   V\w+ \(\d+\)$", line):
            if line.strip() not in NAMED:
                continue
            line = re.sub(r"VIRTIO\w+|VHOST_USER_F\w+", "NAME", line)
        lines.append(re.sub(r"\(0x[0-9a-f]+\)", "(HEX)", line))
    return "\n".join(lines).rstrip() + "\n"


def the_transcript_works_as_written_in_the_shell():
    with Daemon() as d:
        socket = d.dir / "vm00.sock"
        status, out, err = d.run(stdin=TYPED.format(socket=socket))
        assert status == 0 and err == "", (status, err)
        got = only_the_seed(out, socket)
        assert got == ANSWERED, f"--- expected\n{ANSWERED}--- got\n{got}"


def the_transcript_works_as_one_shots():
    with Daemon() as d:
        socket = d.dir / "vm00.sock"
        out = "".join(d.run(*line.split())[1] for line in TYPED.format(socket=socket).splitlines()[:-1])
        assert only_the_seed(out, socket) == ANSWERED, out


if __name__ == "__main__":
    main([the_transcript_works_as_written_in_the_shell, the_transcript_works_as_one_shots])
