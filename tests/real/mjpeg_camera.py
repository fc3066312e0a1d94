"""A real network camera on 127.0.0.1: MJPEG over HTTP, which can be made to fail in many ways while it runs."""

import multiprocessing

from tests.real.loopback_port import LoopbackPort
from tests.real.mjpeg_server import Frames, Mode, serve

_ANSWER_S = 20.0


class MjpegCamera:
    """What ``cv2.VideoCapture(camera.url)`` opens; ``with`` starts and ends its process, which dies with the test.

    Modes, in force when ``set_mode`` returns, for open connections, too:
    ``live``: the frames, each with some noise of its own; ``black`` and ``covered``: noise over near black, over a
    hand's colour; ``same``: one JPEG again and again; ``slow``: a frame in 3 s; ``other size``: frames of half the
    width and height; ``garbage``: JPEGs whose inside is noise; ``truncated``: bodies of half the announced length;
    ``cut``: JPEGs that end in the middle;
    ``freeze``: nothing more is sent, connections stay open; ``never answer``: as freeze, and new connections do not
    even get HTTP's head; ``close``: each connection ends after one frame more; ``refuse``: all connections end, and
    new ones are refused.

    Args:
        frames: BGR images, shown in turn; or a function of the frame's number, which the process must be able to
            import: of a module, not a lambda.
        frame_rate_hz: of all modes but ``slow``.
    """

    def __init__(self, frames: Frames, frame_rate_hz: float = 15.0) -> None:
        self._frames, self._frame_rate_hz = frames, frame_rate_hz

    def __enter__(self) -> "MjpegCamera":
        self._port = LoopbackPort()
        self.url = f"http://127.0.0.1:{self._port.number}/camera.mjpg"
        # Spawned, not forked: the test may have threads. When it is killed, the pipe closes, and the child ends.
        context = multiprocessing.get_context("spawn")
        self._orders, orders = context.Pipe()
        arguments = (self._port.number, self._frame_rate_hz, orders)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        orders.close()
        try:
            self._ask(self._frames)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.join(_ANSWER_S)
        self._orders.close()
        self._port.close()

    def set_mode(self, mode: Mode) -> None:
        """From now on fail like this, or not at all (``live``)."""
        self._ask(mode)

    @property
    def connections(self) -> int:
        """How many connections were accepted since it was entered."""
        return self._ask(None)

    def _ask(self, what: Frames | Mode | None) -> int:
        self._orders.send(what)
        if not self._orders.poll(_ANSWER_S):
            raise RuntimeError("the camera's process does not answer")
        connections: int = self._orders.recv()
        return connections
