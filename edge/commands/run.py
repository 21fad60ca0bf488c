"""`asl-edge run`: run the loop until a signal ends it; SIGHUP reloads the settings and starts it again."""

import argparse
import contextlib
import faulthandler
import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.build import Components, build_camera, build_components, observing
from edge.cameras import Camera
from edge.commands.flags import add_settings, load_settings
from edge.errors import AslEdgeError, CameraBlind, CameraError, lacks_memory
from edge.observe.recorder import recording
from edge.pipeline import run
from edge.records import LoopStep, Observer
from edge.settings import SETTINGS, Settings
from edge.system.systemd import Service

log = logging.getLogger(__name__)

# A service whose camera is absent at the start tries again after these pauses, and then exits to be
# restarted. A restart after each try would load the model every few seconds and keep an idle board busy. The
# sum stays below the unit's TimeoutStartSec=90.
CAMERA_PAUSES_S = (1, 2, 4, *[5] * 10)

# After a reload, the old settings come back if the loop fails within this time.
TRIAL_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE.mkv",
        help="record the annotated pictures as a video (off by default)",
    )
    add_settings(parser, SETTINGS)


def main(arguments: argparse.Namespace) -> int:
    # a terminal that closes sends SIGHUP, too, and must end the program
    reloads = arguments.config is not None and not os.isatty(0)
    with recording(arguments.record) if arguments.record else contextlib.nullcontext() as recorder:
        serve(lambda: load_settings(arguments), reloads, [recorder.observe] if recorder else [])
    return 0


def serve(
    read_settings: Callable[[], Settings], reloads: bool, further_observers: Sequence[Observer] = ()
) -> None:
    """Run the loop until the camera or a signal ends it. Raises AslEdgeError if it can't start or go on.

    After SIGHUP the loop goes on with new settings; wrong ones are logged and not used. If `reloads` is
    False, SIGHUP ends the loop.
    """
    faulthandler.enable()  # systemd's watchdog ends a process that hangs with SIGABRT: print where it hangs
    service = Service()
    service.listen(reloads)
    before: Components | None = None
    now: Components | None = build_components(read_settings(), service.stop)
    pauses = iter(CAMERA_PAUSES_S if service.supervised else ())
    while now is not None:
        logging.getLogger().setLevel(now.settings.log_level.upper())
        started_s = time.monotonic()
        try:
            with observing(now) as observers, build_camera(now.settings, service.stop) as camera:
                now, before = (
                    _run_once(now, camera, [*observers, *further_observers], service, read_settings),
                    now,
                )
        except Exception as error:
            if before is not None and time.monotonic() - started_s < TRIAL_S:
                log.error("the new settings are not used: %s", _describe(error))
                now, before = before, None
                continue
            pause_s = next(pauses, None)
            if pause_s is None or isinstance(error, CameraBlind) or not isinstance(error, CameraError):
                raise
            service.wait_for_camera(error, pause_s)
            now = None if service.ending else now


def _run_once(
    parts: Components,
    camera: Camera,
    observers: list[Observer],
    service: Service,
    read_settings: Callable[[], Settings],
) -> Components | None:
    """Run the loop until it ends. Return the parts of the next loop after a reload, else None."""
    following: Components | None = None

    def reload(step: LoopStep) -> None:
        nonlocal following
        if service.reload_asked:
            with service.reloading():
                following = _reload(service, read_settings)
            if following is not None:
                service.stop.set()

    observers = [*observers, service.observe, reload]
    summary = run(camera, parts.tracker, parts.letters, observers, service.stop, parts.motion_gate)
    rested = f"; {summary.rested} skipped while nothing moved" if summary.rested else ""
    log.info(
        "%d frames read, %d dropped, %d letters%s", summary.frames, summary.dropped, summary.letters, rested
    )
    if following is not None:
        service.stop.clear()
        if not service.ending:
            return following
    service.end()
    return None


def _reload(service: Service, read_settings: Callable[[], Settings]) -> Components | None:
    try:
        parts = build_components(read_settings(), service.stop)
    except Exception as error:  # whatever a file holds, the loop goes on with the old settings
        log.error("the new settings are not used: %s", _describe(error))
        return None
    log.info("the settings were reloaded")
    return parts


def _describe(error: Exception) -> str:
    if isinstance(error, AslEdgeError):
        return str(error)
    return "there is not enough memory" if lacks_memory(error) else f"{type(error).__name__}: {error}"
