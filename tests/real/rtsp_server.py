"""The process of an RtspCamera: GStreamer's RTSP server, in Debian's own Python.

    /usr/bin/python3 rtsp_server.py PORT FOLDER FRAME_RATE_HZ

shows FOLDER/0000.jpg, 0001.jpg and so on again and again at rtsp://127.0.0.1:PORT/camera.
"""

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402  (their versions have to be said first)


def main(port: str, folder: str, frame_rate_hz: str) -> None:
    """Serve until killed."""
    Gst.init(None)
    last = len(list(Path(folder).glob("*.jpg"))) - 1
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)  # one camera, however many look
    factory.set_launch(
        f"( multifilesrc location={folder}/%04d.jpg stop-index={last} loop=true "
        f"caps=image/jpeg,framerate={frame_rate_hz}/1 ! jpegdec ! videoconvert ! video/x-raw,format=I420 "
        # The quantiser is fixed low, so that the frames' noise survives.
        "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 pass=quant quantizer=20 "
        "! rtph264pay name=pay0 pt=96 )"
    )
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.get_mount_points().add_factory("/camera", factory)
    if not server.attach(None):
        sys.exit(f"port {port}: cannot listen")
    GLib.MainLoop().run()


main(*sys.argv[1:])
