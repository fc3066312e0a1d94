"""Everything that can be set about a run: which names there are, what each may be, and what it is by default.

Board profiles, ``/etc/m3er-edge.toml``, the environment and the command line all set these; their order is in
:mod:`edge.settings.layers`. A setting is here only if the code applies it. Secrets are no settings.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from edge.bundle import NetName
from edge.capture.camera import HEIGHT_PX, WIDTH_PX
from edge.capture.microphone import DEFAULT as DEFAULT_MICROPHONE
from edge.engines.engine import EngineName, Precision, Provider
from edge.errors import M3erError
from edge.models import BEST
from edge.perceive.face_tracker import DETECT_EVERY_S
from edge.publish.destination import page_address, split_destination

NONE = "none"
"""As a source or a model: there is none, and none is wanted."""


def _number_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _printable(text: str) -> str:
    """The environment may hold bytes that are no text, which pydantic's messages cannot."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_Source = Annotated[str, BeforeValidator(_number_as_text), Field(min_length=1)]
_Cores = Annotated[list[Annotated[int, Field(ge=0, le=1023)]], Field(min_length=1)]


class Section(BaseModel):
    """Nothing but what is named here, of the very type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Camera(Section):
    """``[camera]``"""

    source: _Source = Field(
        default="0", description="a number, a path, a URL, a GStreamer pipeline, `picamera2`, or `none`"
    )
    width_px: int = Field(
        default=WIDTH_PX, ge=160, le=4096, description="asked of V4L2 and picamera2; a pipeline names its own"
    )
    height_px: int = Field(default=HEIGHT_PX, ge=120, le=4096, description="as the width")
    frame_rate_hz: float | None = Field(
        default=None, ge=1, le=120, description="asked of the same; not set: as the camera likes"
    )


class Microphone(Section):
    """``[microphone]``"""

    source: _Source = Field(
        default=DEFAULT_MICROPHONE, description="`default`, a number, a piece of its name, or `none`"
    )


class Speech(Section):
    """``[speech]``: the words' recogniser, Vosk."""

    model: str = Field(
        default=BEST,
        min_length=1,
        description="a name of `m3er-edge models list`, a folder, `none`, or `best`: live, an English one that was "
        "fetched; for a file, and else, vosk-tiny-en",
    )
    beam: float | None = Field(
        default=None, ge=1, le=50, description="less is faster and hears worse; not set: as the model says"
    )
    max_active: int | None = Field(default=None, ge=200, le=20_000, description="the same")
    lattice_beam: float | None = Field(default=None, ge=0.1, le=20, description="the same")

    @property
    def decoder(self) -> dict[str, float]:
        """Options of Vosk's decoder that differ from the model's own, by Kaldi's names."""
        options = {"beam": self.beam, "max-active": self.max_active, "lattice-beam": self.lattice_beam}
        return {name: value for name, value in options.items() if value is not None}


class Faces(Section):
    """``[faces]``"""

    model: str | None = Field(default=None, min_length=1, description="YuNet's file; not set: looked for, else Haar")
    detect_every_s: float = Field(
        default=DETECT_EVERY_S, ge=0.1, le=0.5, description="between two searches for faces; followed meanwhile"
    )


class NetChoice(Section):
    """``[nets.face]``, ``[nets.speech]``, ``[nets.text]``, ``[nets.fusion]``: how one net runs."""

    engine: EngineName = Field(description="the bundle must have a file for it")
    precision: Precision = Field(description="the same")
    threads: int = Field(default=1, ge=1, le=64, description="of one net; ours are small, one is mostly best")
    provider: Provider = Field(
        default="cpu", description="of onnxruntime alone; where it is not installed, the log says what serves"
    )


class Pacing(Section):
    """``[pace]``: how fast a live run is when all is well, and when it is too hot."""

    frame_rate_hz: float = Field(default=10.0, ge=1, le=30, description="pictures looked at")
    step_hops: int = Field(default=1, ge=1, le=4, description="hops of the bundle (0.5 s) from step to step")
    slow_at_c: float | None = Field(
        default=None, ge=40, le=110, description="slow down at this heat; not set: when the kernel throttles"
    )


class Cores(Section):
    """``[cores]``: which of the processor's cores each process may run on; not set: all."""

    run: _Cores | None = Field(default=None, description="the steps: perception and nets")
    camera: _Cores | None = Field(default=None, description="the camera's worker")
    microphone: _Cores | None = Field(default=None, description="the microphone's worker")
    words: _Cores | None = Field(default=None, description="the recogniser's worker")


class Output(Section):
    """``[output]``: where a live run's readings go. A run of a file takes this from the command line alone."""

    publish: list[str] = Field(default=[], description="URLs, as of `--publish`")
    page: str | None = Field(default=None, min_length=1, description="ADDRESS:PORT of a page to watch")
    page_video: bool = Field(default=False, description="show the picture on the page, too")
    log: Literal["text", "json"] = Field(default="text", description="the log's lines on stderr")

    @field_validator("publish")
    @classmethod
    def _destinations(cls, urls: list[str]) -> list[str]:
        for url in urls:
            if ":" in url.partition("://")[2].rpartition("@")[0]:
                raise ValueError("holds a password; take it out and give it as M3ER_MQTT_PASSWORD")
            try:
                split_destination(url)
            except M3erError as error:
                raise ValueError(_printable(str(error))) from None
        return urls

    @field_validator("page")
    @classmethod
    def _address(cls, page: str | None) -> str | None:
        if page is not None:
            try:
                page_address(page)
            except M3erError as error:
                raise ValueError(_printable(str(error))) from None
        return page


class Settings(Section):
    """All of them. A net that is not named runs with the file that the bundle lists first."""

    camera: Camera = Camera()
    microphone: Microphone = Microphone()
    speech: Speech = Speech()
    faces: Faces = Faces()
    nets: dict[NetName, NetChoice] = {}
    pace: Pacing = Pacing()
    cores: Cores = Cores()
    output: Output = Output()
