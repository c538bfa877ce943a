"""Load from wrk on a core of its own, and what the service says of it."""

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import NamedTuple

from bench.processes import on_cores
from tests.e2e.processes import ROOT

_READS = re.compile(r'^slugline_link_lookups_total\{result="miss"\} ([0-9.e+]+)$', re.MULTILINE)


class Cores(NamedTuple):
    server: set[int]
    generator: set[int]

    @classmethod
    def divided(cls, processes: int) -> "Cores":
        """The first ones for the server; the next for wrk, which shares where there is none left."""
        there = sorted(os.sched_getaffinity(0))
        return cls(set(there[:processes]), {there[min(processes, len(there) - 1)]})


def load(cores: Cores, port: int, codes: Path, seconds: int, seed: int = 0) -> dict[str, float]:
    """Let wrk ask for so long; return what it says. `seed` chooses the codes where `codes` is ``-``."""
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "--timeout", "10s", "-s", "bench/wrk/redirects.lua"]
    command += [f"http://127.0.0.1:{port}", "--", str(codes), str(seed)]
    with on_cores(cores.generator):
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert not found["broken"], found
    return found


def reads(port: int) -> int:
    """How often the service has looked for a link in its database."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return sum(map(int, map(float, _READS.findall(answer.read().decode()))))
