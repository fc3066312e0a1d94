"""Frames and blocks of sound in a ring: how each is written, and read back."""

import numpy as np

from edge.capture.ring import Item, Ring
from edge.capture.sample import AudioBlock, Frame, Sample


def write_sample(ring: Ring, sample: Sample) -> None:
    """Publish one sample."""
    if isinstance(sample, Frame):
        height, width, depth = sample.image.shape
        ring.write(sample.captured_ns, sample.image, (height, width, depth))
    else:
        ring.write(sample.captured_ns, sample.samples.view(np.uint8), (len(sample.samples), 1, 1))


def frame_of(item: Item) -> Frame:
    """The frame that was written."""
    return Frame(item.captured_ns, item.data.reshape(item.shape))


def block_of(item: Item) -> AudioBlock:
    """The block of sound that was written."""
    return AudioBlock(item.captured_ns, item.data.view(np.int16))
