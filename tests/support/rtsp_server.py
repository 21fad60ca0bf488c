"""A real RTSP server for the tests of network cameras: GStreamer's, run by Debian's own Python.

/usr/bin/python3 rtsp_server.py [--user USER --password PASSWORD] [--port PORT] [--size 640x480]

It prints its port. SIGUSR1 stalls the stream, SIGUSR2 goes on with it, SIGHUP changes its size to 320x240.

Debian: gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base, -good and -ugly.
"""

import argparse
import signal

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("--user", default="")
parser.add_argument("--password", default="")
parser.add_argument("--port", default="0")
parser.add_argument("--size", default="640x480")
arguments = parser.parse_args()
width, height = arguments.size.split("x")
Gst.init(None)

server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(arguments.port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_shared(True)
LAUNCH = (
    "( videotestsrc is-live=true horizontal-speed=2 ! videoscale "
    "! capsfilter name=size caps=video/x-raw,width={},height={},framerate=30/1 "
    "! identity name=gate ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 "
    "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
factory.set_launch(LAUNCH.format(width, height))
if arguments.user:
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(arguments.user, arguments.password, token)
    server.set_auth(auth)
    may = "viewer, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    factory.add_role_from_structure(Gst.Structure.from_string(may)[0])
server.get_mount_points().add_factory("/live", factory)

stalled = False
sizes = []  # the elements that set the size of a stream


def drop_if_stalled(pad, info):
    return Gst.PadProbeReturn.DROP if stalled else Gst.PadProbeReturn.OK


def watch(_, media):
    gate = media.get_element().get_by_name("gate")
    gate.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, drop_if_stalled)
    sizes.append(media.get_element().get_by_name("size"))


def stall(value):
    global stalled
    stalled = value
    return True


def change_size():
    caps = Gst.Caps.from_string("video/x-raw,width=320,height=240,framerate=30/1")
    factory.set_launch(LAUNCH.format(320, 240))  # for whoever opens the stream again
    for element in sizes:
        element.set_property("caps", caps)
    return True


factory.connect("media-constructed", watch)
GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGUSR1, stall, True)
GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGUSR2, stall, False)
GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGHUP, change_size)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
