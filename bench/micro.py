# SPDX-License-Identifier: Apache-2.0
"""The small C programs that measure the machine itself."""

import json
import subprocess

from process import BUILD, GENERATOR_CPU, SWITCH_CPU


def micro(name):
    words = [BUILD / "bench" / name, str(GENERATOR_CPU), str(SWITCH_CPU)]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout)
