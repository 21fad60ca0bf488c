"""`asl-edge demo`: a drawn hand spells a word, and the model reads it."""

import argparse
import sys
import threading

from edge.build import build_camera, build_components
from edge.commands.flags import MODEL, add_settings, load_settings
from edge.errors import SettingsError
from edge.pipeline import each_letter, run
from edge.system.stdout import say

FPS = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", metavar="WORD")
    add_settings(parser, MODEL)


def main(arguments: argparse.Namespace) -> int:
    """Print the text that was read. Return 1 if it is not the word."""
    word = arguments.word.upper()
    if not (word.isascii() and word.isalpha()):
        raise SettingsError(f"demo spells one word of the letters A to Z, got '{arguments.word}'")
    # hflip and rotation of a settings file are meant for a live camera
    settings = load_settings(
        arguments, camera=f"synthetic:{word}", fps=FPS, output="-", hflip=False, rotation_deg=0
    )
    stop = threading.Event()
    parts = build_components(settings, stop)
    # every frame is read, however slow the machine: the demo shows that it works, not how fast
    observers = [each_letter(sink) for sink in parts.sinks]
    with build_camera(settings, stop, realtime=False) as camera:
        summary = run(camera, parts.tracker, parts.letters, observers, stop, parts.motion_gate)
    say(summary.text)
    if summary.text == word:
        return 0
    print(f"asl-edge: the word was {word}", file=sys.stderr)
    return 1
