"""Runs a command from a small process of its own: a process is counted the memory of the one that started it, too."""

import json
import resource
import signal
import subprocess
import sys
import time

BYTES_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Read `command` and `environment` as a line of JSON; answer with what became of it, its seconds and its peak memory."""
    asked = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own commands
        asked["command"], env=asked["environment"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            said, errors = child.communicate()
        finally:
            child.terminate()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * BYTES_OF_MAXRSS / 1e6
    answer = {"code": child.returncode, "said": said, "errors": errors, "seconds": seconds, "peak_mb": peak}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
