"""The API's everyday mix beside redirects and a worker that ingests them: ``python -m bench.api``

Starts Slugline, and Locust with `bench/locustfile.py`; Locust's table says what each call took. Signing in hashes at
full strength.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import table
from bench.table import Line
from tests.e2e.processes import ROOT
from tests.service import new_database, serving

COME = 2  # users a second: each registers and signs in, and of a crowd that hashes at once some get a 503


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.api", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="api-")))
        url = stack.enter_context(new_database(options.database, folder))
        own = {"PASSWORD_ROUNDS": "600000", "GUESSES_LOGIN_IP": "none"}
        service = stack.enter_context(serving(url, folder, **own))
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            "bench/locustfile.py",
            "--headless",
            "--only-summary",
        ]
        command += ["-u", str(options.users), "-r", str(COME), "-t", f"{options.seconds}s"]
        command += ["--csv", str(folder / "locust"), "--host", service.base]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        if (counted := folder / "locust_stats.csv").exists():
            for line in lines(counted):
                table.tell(line)
    return status


def lines(file: Path) -> Iterator[Line]:
    """What Locust counted of each call."""
    with file.open() as rows:
        for found in csv.DictReader(rows):
            requests = int(found["Request Count"])
            yield Line(
                " ".join(("everyday mix:", *found["Type"].split(), found["Name"])),
                f"{int(found['Failure Count']) / requests:.4f}" if requests else "",
                "failures among all",
                rate=f"{float(found['Requests/s']):,.1f}",
                p50=found["50%"],
                p99=found["99%"],
            )


if __name__ == "__main__":
    sys.exit(main())
