"""`asl-edge run`: the loop, and the loop again with new settings after SIGHUP, until somebody ends it."""

import argparse
import faulthandler
import logging
import os
from collections.abc import Callable

from edge.build import Components, build_camera, build_components, observing
from edge.cameras import Camera
from edge.commands.flags import add_settings, load_settings
from edge.errors import AslEdgeError, CameraBlind, CameraError, SettingsError
from edge.pipeline import run
from edge.records import LoopStep, Observer
from edge.settings import SETTINGS, Settings
from edge.system.systemd import Service

log = logging.getLogger(__name__)

# A service that starts before its camera is plugged in tries again after these pauses, and only then ends and
# is started afresh: loading the model every few seconds would keep an idle board busy and warm. Together they
# stay below the unit's TimeoutStartSec=90.
FIRST_PAUSES_S = (1, 2, 4, *[5] * 10)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_settings(parser, SETTINGS)


def main(arguments: argparse.Namespace) -> int:
    # a terminal that is closed sends SIGHUP as well, and means the end
    reloads = arguments.config is not None and not os.isatty(0)
    serve(lambda: load_settings(arguments), reloads)
    return 0


def serve(read_settings: Callable[[], Settings], reloads: bool) -> None:
    """Returns when the camera ends or a signal ends it; an AslEdgeError where it can't begin or go on.

    New settings that are no good are not used, and the log says why. `reloads` False: SIGHUP ends it, too.
    """
    faulthandler.enable()  # systemd's watchdog ends a stuck process with SIGABRT: this says where it was
    service = Service()
    service.listen(reloads)
    before: Components | None = None
    now: Components | None = build_components(read_settings(), service.stop)
    pauses = iter(FIRST_PAUSES_S if service.supervised else ())
    while now is not None:
        logging.getLogger().setLevel(now.settings.log_level.upper())
        try:
            with observing(now) as observers, build_camera(now.settings, service.stop) as camera:
                now, before = _run_once(now, camera, observers, service, read_settings), now
        except (CameraError, SettingsError) as error:
            if isinstance(error, CameraBlind):
                raise
            if before is not None:
                log.error("the new settings are not used: %s", error)
                now, before = before, None
                continue
            pause_s = next(pauses, None)
            if pause_s is None or isinstance(error, SettingsError):
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
    """The loop until it ends -> what the next one is made of, or None at the end."""
    following: Components | None = None

    def reload(step: LoopStep) -> None:
        nonlocal following
        if service.reload_asked:
            with service.reloading():
                following = _reloaded(service, read_settings)
            if following is not None:
                service.stop.set()

    observers = [*observers, service.observe, reload]
    summary = run(camera, parts.tracker, parts.letters, observers, service.stop, parts.motion_gate)
    rested = f"; {summary.rested} not read while nothing moved" if summary.rested else ""
    log.info(
        "%d frames read, %d dropped, %d letters%s", summary.frames, summary.dropped, summary.letters, rested
    )
    if following is not None:
        service.stop.clear()
        if not service.ending:
            return following
    service.end()
    return None


def _reloaded(service: Service, read_settings: Callable[[], Settings]) -> Components | None:
    try:
        parts = build_components(read_settings(), service.stop)
    except AslEdgeError as error:
        log.error("the new settings are not used: %s", error)
        return None
    log.info("the settings were read again")
    return parts
