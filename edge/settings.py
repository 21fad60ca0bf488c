"""The settings of asl-edge, each declared once: the flags, the checks and docs/settings.md come from here.

A settings file is TOML with the tables below; edge/settings_file.py reads it. A field that begins with
`setting("letters.release_s", ...)` is the key `release_s` of the table [letters]. Its name is the flag.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

from edge.declaration import Setting, check, format_value, setting
from edge.errors import SettingsError
from edge.models import DEFAULT_MODEL, DEFAULT_PROVIDER, DEFAULT_VARIANT, PROVIDERS, VARIANTS

CAMERA_NAMES = "auto, pi, jetson, usb:0, usb:/dev/video0, replay:FOLDER_OR_VIDEO or synthetic:WORD"
TABLES = {
    "camera": "Where the pictures come from, and how they are rotated.",
    "model": "Which model reads the pictures, and how it runs on the processor.",
    "letters": "When a letter is sent, and where it is written.",
    "page": "The live page, a web server on this device.",
    "mqtt": "Letters and state at an MQTT broker.",
    "personalize": "What people teach this device.",
    "log": "The log on standard error, or in the journal.",
}


@dataclass(frozen=True)
class Settings:
    """The value of every setting."""

    camera: str = setting(
        "camera.source",
        "usb:0",
        CAMERA_NAMES,
        metavar="CAMERA",
    )
    fps: float = setting(
        "camera.fps", 30.0, "frames per second to ask of the camera", metavar="N", limits=(1.0, 240.0)
    )
    rotation_deg: int = setting(
        "camera.rotation_deg",
        0,
        "rotate the pictures clockwise: 0, 90, 180 or 270",
        metavar="DEG",
        choices=(0, 90, 180, 270),
    )
    hflip: bool = setting(
        "camera.hflip", False, "exchange left and right, after the rotation", old_names=("flip",)
    )
    skip_still_frames: bool = setting(
        "camera.skip_still_frames",
        True,
        "skip frames while nothing moves, which keeps an idle device cool",
        old_names=("rest_when_still",),
    )

    model: str = setting(
        "model.folder",
        str(DEFAULT_MODEL),
        "deployment package to use",
        metavar="DIR",
        default_words="the shipped package",
    )
    variant: str = setting(
        "model.variant",
        DEFAULT_VARIANT,
        "int8 and float run on onnxruntime, dynamic on PyTorch; the shipped package has only int8",
        metavar="NAME",
        choices=VARIANTS,
        old_names=("engine",),
    )
    provider: str = setting(
        "model.provider",
        DEFAULT_PROVIDER,
        "where onnxruntime runs the model: cpu, or cuda or tensorrt on an NVIDIA GPU (docs/gpu.md)",
        metavar="NAME",
        choices=PROVIDERS,
    )
    threads: int = setting(
        "model.threads",
        # more than 4 gain nothing on so small a network
        min(4, len(os.sched_getaffinity(0))),
        "threads for one inference",
        metavar="N",
        limits=(1, 64),
        default_words="one per core, at most 4",
    )
    thread_spinning: bool = setting(
        "model.thread_spinning",
        False,
        "let threads busy-wait: lower latency, one core at 100 %",
        old_names=("spinning",),
    )
    signers: str = setting(
        "model.signers",
        "",
        "file of the public keys that may sign the package, in ssh-keygen's format",
        metavar="FILE",
        default_words="the package needs no signature",
    )
    min_confidence: float = setting(
        "model.min_confidence",
        0.0,
        "lowest confidence at which a picture or frame has a letter",
        metavar="P",
        limits=(0.0, 1.0),
    )

    hold_s: float = setting(
        "letters.hold_s", 0.5, "seconds for which a letter must be held", metavar="S", limits=(0.05, 10.0)
    )
    release_s: float = setting(
        "letters.release_s",
        0.25,
        "seconds without the letter before it counts again",
        metavar="S",
        limits=(0.05, 10.0),
        old_names=("gap_s",),
    )
    space_s: float = setting(
        "letters.space_s",
        1.5,
        "seconds without a hand that make a space; 0: no spaces",
        metavar="S",
        limits=(0.0, 60.0),
    )
    min_mean_confidence: float = setting(
        "letters.min_mean_confidence",
        0.6,
        "lowest mean confidence, over the hold, at which a letter is sent",
        metavar="P",
        limits=(0.0, 1.0),
    )
    output: str = setting(
        "letters.output",
        "",
        "where letters are written as JSON lines: - (standard output), none, or a file",
        metavar="FILE",
        default_words="-, but none if standard output is the journal",
    )

    page: str = setting("page.listen", "", "serve the live page at this address", metavar="ADDRESS:PORT")
    page_token_file: str = setting(
        "page.token_file",
        "",
        "file with the token that the page asks for",
        metavar="FILE",
        default_words="systemd's credential page_token",
    )
    page_hosts: str = setting(
        "page.hosts",
        "",
        "further host names of this device, separated by spaces",
        metavar="NAMES",
        old_names=("page_names",),
    )
    page_trusted_proxies: str = setting(
        "page.trusted_proxies",
        "",
        "addresses or networks of proxies, separated by spaces, whose X-Forwarded-For and X-Forwarded-Proto "
        "count",
        metavar="ADDRESSES",
    )
    page_picture: bool = setting(
        "page.picture", True, "show the camera's picture on the page", old_names=("picture",)
    )
    page_metrics: bool = setting(
        "page.metrics", False, "serve /metrics for Prometheus beside the page", old_names=("metrics",)
    )

    mqtt: str = setting("mqtt.url", "", "broker: mqtt://HOST[:PORT] or mqtts://HOST[:PORT]", metavar="URL")
    mqtt_name: str = setting(
        "mqtt.name", "", "name of this device in topics", metavar="NAME", default_words="the host's name"
    )
    mqtt_user: str = setting("mqtt.user", "", "user at the broker", metavar="NAME")
    mqtt_password_file: str = setting(
        "mqtt.password_file",
        "",
        "file with the password at the broker",
        metavar="FILE",
        default_words="systemd's credential mqtt_password",
    )
    mqtt_ca_file: str = setting(
        "mqtt.ca_file",
        "",
        "file of certificates to trust, for mqtts://",
        metavar="FILE",
        default_words="the system's certificates",
    )

    state_dir: str = setting(
        "personalize.state_dir",
        "",
        "folder for what this device is taught",
        metavar="DIR",
        default_words="systemd's StateDirectory, or ~/.local/state/asl-edge",
        old_names=("teach_folder",),
    )

    log_level: str = setting(
        "log.level",
        "info",
        "debug, info, warning or error; debug also logs the letters",
        metavar="LEVEL",
        choices=("debug", "info", "warning", "error"),
    )


SETTINGS = {
    each.name: Setting(name=each.name, type=type(each.default), default=each.default, **each.metadata)
    for each in fields(Settings)
}


def apply(settings: Settings, given: Iterable[tuple[str, str, Any]]) -> Settings:
    """Return `settings` with the `given` values: (name, how to name it in an error, value) each.

    Raises SettingsError for a value of the wrong type or range, or two values for one setting.
    """
    values: dict[str, Any] = {}
    for name, subject, value in given:
        checked = check(SETTINGS[name], subject, value)
        if values.setdefault(name, checked) != checked:
            first, second = format_value(values[name]), format_value(value)
            raise SettingsError(f"{subject} is given twice, as {first} and as {second}: keep one")
    return replace(settings, **values)
