"""Run one pipeline in a process of its own: peer_worker.py PIPELINE MODELS FRAMES THREADS; lines of JSON."""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # waiting threads must not slow the other pipelines
os.environ.setdefault("KMP_BLOCKTIME", "0")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import numpy as np  # noqa: E402  the environment is set first
from peer_ways import PIPELINES  # noqa: E402


def main() -> None:
    """Line in: {"frame": row of FRAMES, "fold", "new"}; line out: {"ms", "letter"}."""
    name, models, frames_file, threads = sys.argv[1:]
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keeps what libraries print apart from the results
    frames = np.load(frames_file, mmap_mode="r")
    pipeline = PIPELINES[name](Path(models), int(threads))
    print(json.dumps({"ready": name}), file=results, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        image = np.ascontiguousarray(frames[request["frame"]])
        started_s = time.perf_counter()
        letter = pipeline(image, request["fold"], request["new"])
        ms = 1000 * (time.perf_counter() - started_s)
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"ms": ms, "letter": letter, "memory_mb": memory_mb}), file=results, flush=True)


if __name__ == "__main__":
    main()
