# SPDX-License-Identifier: Apache-2.0
"""vhost-user disks, ours and qemu-storage-daemon's, and the client that drives them."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from devices import Unavailable
from process import BIN, BUILD, Program, connects, wait_for

CLIENT_CPU, DISK_CPU = 0, 1


def pin(cpu, first):
    """
    Words before a command: it runs on that CPU. First: before all ordinary programs, which is steadier on a shared
    machine, but keeps the kernel's threads waiting where there is a real disk.
    """
    return [*(["chrt", "-f", "1"] if first else []), "taskset", "-c", str(cpu)]


class Disk(Program):
    """Serves self.image at self.socket."""

    def __init__(self, scratch, name, image, command, pinned=()):
        self.socket = Path(scratch) / f"{name}.sock"
        self.image = image
        # a socket file that a killed process left is no sign of life
        self.socket.unlink(missing_ok=True)
        self.arguments = scratch, name, [*pinned, *command]
        super().__init__(*self.arguments)

    def serves(self):
        try:
            self.alive()
        except RuntimeError as why:
            # the kernel takes its time to close what a killed process had in an io_uring, and that holds the lock
            if "lock" not in str(why) and "busy" not in str(why):
                raise
            super().__init__(*self.arguments)
            return False
        return self.socket.exists() and connects(self.socket)

    def wait_ready(self):
        wait_for(f"a disk at {self.socket}", self.serves)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Qsd(Disk):
    """qemu-storage-daemon. aio: threads, native or io_uring; native wants direct."""

    def __init__(self, scratch, image, queues=1, aio="threads", direct=False, iothread=True, name="qsd", pinned=()):
        program = shutil.which("qemu-storage-daemon")
        if not program:
            raise Unavailable("no qemu-storage-daemon: apt install qemu-system-common or qemu-utils")
        thread = ["--object", "iothread,id=io"] if iothread else []
        export = (f"type=vhost-user-blk,id=e,node-name=f,addr.type=unix,addr.path={scratch}/{name}.sock,"
                  f"writable=on,num-queues={queues}" + (",iothread=io" if iothread else ""))
        super().__init__(scratch, name, image, [
            program, *thread, "--blockdev",
            f"driver=file,node-name=f,filename={image},aio={aio},cache.direct={'on' if direct else 'off'},discard=unmap",
            "--export", export], pinned)


class GinnelBlk(Disk):
    def __init__(self, scratch, image, queues=1, options=(), name="ginnel-blk", pinned=()):
        program = BIN / "ginnel-blk"
        if not program.exists():
            raise Unavailable(f"no {program}")
        super().__init__(scratch, name, image, [
            program, f"--socket-path={scratch}/{name}.sock", f"--blk-file={image}", f"--queues={queues}", *options], pinned)


def client_command(socket, *options, pinned=()):
    # of this build, also where another build's disk is measured
    return [*pinned, str(BUILD / "bin" / "ginnel-blk-bench"), f"--socket-path={socket}", "--json",
            *(str(option) for option in options)]


def drive(disk, *options, pinned=()):
    """One run of the client; what it found. Raises when something was wrong with the disk."""
    command = client_command(disk.socket, f"--pid={disk.process.pid}", *options, pinned=pinned)
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}{done.stdout[:2000]}")
    return json.loads(done.stdout)


def make_image(path, size, full=False):
    """A file of that size; full: with its blocks allocated, as a disk's usually are."""
    with open(path, "wb") as f:
        f.truncate(size)
        if full:
            chunk = os.urandom(1 << 20)
            for _ in range(size // len(chunk)):
                f.write(chunk)
            f.flush()
            os.fsync(f.fileno())
    return path
