# SPDX-License-Identifier: Apache-2.0
"""A ginneld in a scratch directory, for tests of the programs as a user runs them."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Daemon:
    def __init__(self, startup="", options=()):
        # the build directory is meson's argument: the sanitizer builds test their own programs
        self.bin = Path(os.environ["GINNEL_BIN"])
        self.scratch = tempfile.TemporaryDirectory(prefix="gnl")
        self.dir = Path(self.scratch.name)
        self.api = self.dir / "api.sock"
        startup_file = self.dir / "startup"
        startup_file.write_text(startup.replace("@", str(self.dir)))
        self.log_path = self.dir / "log"
        self.command = [self.bin / "ginneld", "--api-socket", self.api, "--startup", startup_file, *options]
        self.begun = []
        self.process = self.begin()

    def begin(self, *options, **how):
        """A ginneld with the options of all and some more."""
        with open(self.log_path, "a") as log:
            self.begun.append(subprocess.Popen([*self.command, *options], stdout=log, stderr=log, **how))
        return self.begun[-1]

    def __enter__(self):
        end = time.monotonic() + 20
        while socket.socket(socket.AF_UNIX).connect_ex(str(self.api)) != 0:
            assert self.process.poll() is None, f"ginneld ended: {self.log()}"
            assert time.monotonic() < end, "ginneld made no control socket within 20 s"
            time.sleep(0.005)
        return self

    def __exit__(self, *_):
        for process in self.begun:
            if process.poll() is None:
                process.terminate()
                process.wait(20)
        self.scratch.cleanup()

    def end(self):
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        return self.process.wait(20)

    def log(self):
        return self.log_path.read_text()

    def run(self, *command, stdin=None):
        """One `ginnel` call: exit status, standard output, standard error."""
        done = subprocess.run([self.bin / "ginnel", "--api-socket", self.api, *command], input=stdin,
                              capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout, done.stderr

    def ask(self, *command):
        status, out, err = self.run("--json", *command)
        assert status == 0, (command, status, out, err)
        return json.loads(out) if out.strip() else None


def main(tests):
    """Runs test functions; each is named as a sentence."""
    for test in tests:
        test()
        print(f"ok - {test.__name__.replace('_', ' ')}")
    sys.exit(0)
