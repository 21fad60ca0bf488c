"""What clients of the live page cost the loop: frames per second without and with them, alternating.

    python benchmarks/page.py [--watchers 10] [--seconds 8] [--rounds 5] [--fps 30]

The synthetic signer runs in real time with the shipped model. The clients read both streams, as browsers do,
in a process of their own on the same machine, whose processor time is printed, too. With --fps above what the
machine can read the loop is always busy, so that everything the clients use is missing from its rate.
"""

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from edge.build import build_components, observing
from edge.cameras import open_camera
from edge.pipeline import run
from edge.records import LoopStep
from edge.settings import Settings

WATCHER = """
import selectors, socket, sys
waiting, room = selectors.DefaultSelector(), bytearray(1 << 18)
for path in ("picture", "events") * int(sys.argv[2]):
    stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    stream.sendall(f"GET /{path} HTTP/1.1\\r\\nHost: 127.0.0.1:{sys.argv[1]}\\r\\n\\r\\n".encode())
    waiting.register(stream, selectors.EVENT_READ)
while waiting.get_map():
    for key, _ in waiting.select():
        if not key.fileobj.recv_into(room):
            waiting.unregister(key.fileobj)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--watchers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--port", type=int, default=8765)
    args = parser.parse_args()
    settings = replace(Settings(), page=f"127.0.0.1:{args.port}", output="none", fps=args.fps)
    rates: dict[int, list[float]] = {0: [], args.watchers: []}
    for _ in range(args.rounds):
        for watchers in rates:
            rates[watchers].append(frames_a_second(settings, watchers, args))
    for watchers, measured in rates.items():
        print(
            f"{watchers:3d} watchers: {statistics.median(measured):6.2f} frames/s (of {args.fps:g} offered)"
        )
    pairs = zip(rates[0], rates[args.watchers], strict=True)
    lost = statistics.median(1 - with_them / without for without, with_them in pairs)
    print(f"they cost {lost:.1%} of the loop's rate (median of {args.rounds} pairs)")
    raise SystemExit(0 if lost < 0.05 else 1)


def frames_a_second(settings: Settings, watchers: int, args: argparse.Namespace) -> float:
    stop = threading.Event()
    parts = build_components(settings, stop)
    frames = 0
    with observing(parts) as observers, open_camera("synthetic:HELLO", settings.fps, stop) as camera:
        command = [sys.executable, "-c", WATCHER, str(args.port), str(watchers)]
        crowd = subprocess.Popen(command, stderr=subprocess.DEVNULL) if watchers else None
        counting = threading.Event()

        def count(step: LoopStep) -> None:
            nonlocal frames
            frames += counting.is_set()

        def clock() -> None:
            time.sleep(2)
            counting.set()
            began_s, crowd_began_s = page_cpu_s(), process_cpu_s(crowd and crowd.pid)
            time.sleep(args.seconds)
            fraction = (page_cpu_s() - began_s) / args.seconds
            theirs = (process_cpu_s(crowd and crowd.pid) - crowd_began_s) / args.seconds
            print(f"  {watchers:3d} watchers: the page used {fraction:.1%} of a core, they used {theirs:.1%}")
            stop.set()

        threading.Thread(target=clock, daemon=True).start()
        run(camera, parts.tracker, parts.letters, [*observers, count], stop)
        if crowd is not None:
            crowd.kill()
            crowd.wait()
    return frames / args.seconds


def page_cpu_s() -> float:
    """Return the processor time of the page's thread and process, which a busy machine does not change."""
    threads = [thread for thread in threading.enumerate() if thread.name == "page"]
    tasks = [Path(f"/proc/self/task/{thread.native_id}/children") for thread in threads]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0)) for thread in threads) + sum(
        process_cpu_s(int(pid)) for children in tasks for pid in children.read_text().split()
    )


def process_cpu_s(pid: int | None) -> float:
    """Return the processor time of another process (proc(5): fields 14 and 15, user and system)."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
