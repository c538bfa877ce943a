"""All measurements one after the other, and one table of what they found: ``python -m bench [PART ...]``"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import table

PARTS = (
    "redirects",
    "ingest",
    "stats",
    "writers",
    "held",
    "freshness",
    "lookups",
    "pages",
    "batch",
    "api",
)
INTERRUPTED = 130


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        lines = Path(folder) / "lines"
        for part in parser.parse_args().parts or PARTS:
            sys.stdout.write(f"--- bench.{part}\n")
            sys.stdout.flush()
            status = run(part, lines)
            failed += [part] if status else []
            if status == INTERRUPTED:
                break
        sys.stdout.write("\n" + "\n".join(table.markdown(table.told(lines))) + "\n")
    sys.stdout.write("".join(f"bench.{part} failed\n" for part in failed))
    return 1 if failed else 0


def run(part: str, lines: Path) -> int:
    """Measure; return the exit status. Ctrl-C reaches the part as well, which stops its servers before it ends."""
    command = [sys.executable, "-m", f"bench.{part}"]
    process = subprocess.Popen(command, env={**os.environ, table.FILE: str(lines)})
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
