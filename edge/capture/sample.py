"""What capture hands on: frames and blocks of sound, each stamped with the time it arrived."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
"""Every source delivers sound at this rate, mono: what Vosk and the speech encoder expect."""


@dataclass(frozen=True)
class Frame:
    """One picture.

    Attributes:
        captured_ns: when it arrived, on the source's monotonic clock (``time.monotonic_ns`` for a device,
            the position in the media for a file).
        image: uint8 (height, width, 3), BGR.
    """

    captured_ns: int
    image: NDArray[np.uint8]


@dataclass(frozen=True)
class AudioBlock:
    """A block of sound, stamped when its last sample arrived.

    Attributes:
        captured_ns: as for :class:`Frame`.
        samples: int16 (n,), mono, at :data:`SAMPLE_RATE_HZ`.
    """

    captured_ns: int
    samples: NDArray[np.int16]


Sample = Frame | AudioBlock
