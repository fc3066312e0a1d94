"""What the robot sees and hears in a soak: a face that talks, through a real camera and a real microphone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import edge
from edge.capture.media_file import MediaFile
from edge.capture.sample import Frame
from tests.real.microphone import VirtualMicrophone
from tests.real.mjpeg_camera import MjpegCamera

CLIP = Path(edge.__file__).parent / "samples" / "clip.mp4"
_GOOD_S = 8.0


@dataclass(frozen=True)
class Scene:
    """Its devices, to be broken at will."""

    camera: MjpegCamera
    microphone: VirtualMicrophone


def good_part() -> tuple[list[NDArray[np.uint8]], NDArray[np.int16]]:
    """The sample clip's pictures and sound as long as its face is free and its voice clear."""
    frames: list[NDArray[np.uint8]] = []
    blocks: list[NDArray[np.int16]] = []
    with MediaFile(CLIP) as clip:
        for sample in clip.samples():
            if sample.captured_ns > _GOOD_S * 1e9:
                break
            if isinstance(sample, Frame):
                frames.append(sample.image)
            else:
                blocks.append(sample.samples)
    return frames, np.concatenate(blocks)


@contextmanager
def scene() -> Iterator[Scene]:
    """A camera that shows the sample clip's face and a microphone that hears its voice, both without end."""
    frames, sound = good_part()
    with MjpegCamera(frames, frame_rate_hz=15) as camera, VirtualMicrophone() as microphone:
        microphone.play(sound)
        yield Scene(camera, microphone)
