"""What a live run may cost, in one place. ``make soak`` holds every process to it; one without a budget fails it.

Measured on two cores of an AMD EPYC; the README has the figures. A budget is about twice what was measured, so that it
fails for a reason and not for a neighbour's.
"""

from dataclasses import dataclass

NOMINAL_RATE_TOLERANCE = 0.02
"""Step rate over any fault, against the pace that the bundle asks for."""
JITTER_P99_MS = 60.0
"""How late a step begins after its place on the grid: at most a detection late."""
LATENCY_P99_MS = 250.0
"""From the newest sample to the reading that rests on it."""
DETECTED_S = 2.0
RECOVERED_S = 5.0
"""After the device is back."""
GROWTH_MB_PER_H = 1.0


@dataclass(frozen=True)
class Budget:
    """Of one process.

    Attributes:
        cpu_share: of one core, on average.
        memory_mb: resident, at most.
    """

    cpu_share: float
    memory_mb: float


BUDGETS = {
    "m3er-edge": Budget(cpu_share=0.30, memory_mb=200),
    "m3er-camera": Budget(cpu_share=0.30, memory_mb=150),
    "m3er-microphone": Budget(cpu_share=0.15, memory_mb=100),
    "m3er-words": Budget(cpu_share=0.30, memory_mb=200),
}
"""By process name. The words' memory is that of vosk-tiny-en; a public model brings its own 150 MB and more."""
