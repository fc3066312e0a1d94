"""``m3er-edge selftest``: proof that the answers are right on this machine, and the figures of this board.

The doctor says what to do about what does not work; this says what came out, for whoever has no such board.
"""

import argparse
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console

from edge.bench.record import StepTime
from edge.bundle import Bundle, open_bundle
from edge.capture.sample import SAMPLE_RATE_HZ
from edge.doctor.checks import Finding, State, from_error, worst
from edge.doctor.checks_settings import settings_for_board
from edge.doctor.doctor import examine, print_lines
from edge.errors import M3erError
from edge.heat import read_heat
from edge.memory import MOST_EVER, resident_mb
from edge.models.find import find_speech_model
from edge.publish.target import check_writable
from edge.selftest.apart import Crash, apart
from edge.selftest.clip import ClipResult, ClipRun, check_clip
from edge.selftest.live_check import LIVE_S, LiveFigures, measure_live
from edge.selftest.report import Report, comparisons, heat_figures, observations, program_version, this_board
from edge.selftest.stored import Result
from edge.settings.settings import NONE, Settings
from edge.update.slots import bundle_in_use

_CRASH_DO = "a library is not made for this processor or damaged: make the virtual environment anew"
_DARK, _FEW_PICTURES_PER_S, _QUIET_DBFS = 15.0, 5.0, -60.0
_RATE_OFF = 0.03
"""A sound card's clock is off by less than a thousandth; what is more off lost sound."""
_REPORT_DO = "send it back: physical-boards.md says where (firmware_configs/, or /usr/share/doc/m3er-edge/)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``m3er-edge selftest``."""
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was found as JSON, to send back")
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="trained model (default: the one installed, else the one shipped)"
    )
    parser.add_argument("--board", default="", metavar="NAME|FILE", help="profile to try (default: as a run finds it)")
    parser.add_argument("--camera", metavar="SOURCE", help="as run takes it (default: as it is set)")
    parser.add_argument("--mic", metavar="SOURCE", help="as run takes it (default: as it is set)")


def run(args: argparse.Namespace) -> int:
    """Look at everything. Exit status 0, or 1 where there is a fault."""
    if args.report is not None:
        check_writable(args.report, "--report")
    bundle = open_bundle(args.bundle or bundle_in_use())
    merged = settings_for_board(args.board)
    settings = merged.settings_for(bundle)
    console = Console()
    camera, microphone = (
        None if source == NONE else source
        for source in (args.camera or settings.camera.source, args.mic or settings.microphone.source)
    )
    before, machine, found = read_heat(), this_board(), _Found()
    found.findings.append(
        Finding("machine", "ok", f"{machine.machine.name}, {machine.machine.cores} cores, {machine.system}")
    )
    with console.status("asking cameras, microphones and models …") as status:
        found.findings.append(
            _doctors(examine(bundle.folder, settings.speech.model, settings.faces.model or "", args.board), found)
        )
        status.update("comparing every file of the bundle …")
        found.findings.append(_stored(bundle, args.board, found))
        status.update("running the sample clip …")
        found.findings.append(_clip(bundle, args.board, found))
        status.update("timing a step …")
        found.findings.append(_steps(bundle, args.board, found))
    if camera is not None or microphone is not None:
        console.print(f"Look at the camera and talk for {LIVE_S:.0f} s, please …", style="bold")
        found.findings += _live(bundle, settings, camera, microphone, found)
    heat = heat_figures(before, read_heat())
    found.findings.append(_heat(heat.before_c, heat.after_c, heat.throttled))
    found.findings.append(Finding("memory", "ok", f"{resident_mb(MOST_EVER):.0f} MB resident at most"))
    print_lines(found.findings, console)
    if args.report is not None:
        report = Report(
            program=program_version(),
            date=f"{datetime.now(timezone.utc):%Y-%m-%d}",
            board=machine,
            profile=merged.board,
            bundle=bundle.id,
            self_test=comparisons(found.results),
            clip=found.clip,
            steps=found.steps,
            clip_step_ms=None if found.clip_run is None else found.clip_run.step_ms,
            clip_share_of_core=None if found.clip_run is None else found.clip_run.share_of_core,
            live=found.live,
            heat=heat,
            resident_mb=resident_mb(MOST_EVER),
            findings=observations([*found.doctors, *found.findings]),
        )
        args.report.write_text(report.to_json(), encoding="utf-8")
    look_at = sum(finding.state != "ok" for finding in found.findings)
    console.print(f"\n{look_at} thing{'s' if look_at > 1 else ''} to look at." if look_at else "\nAll well.")
    if args.report is not None:
        console.print(f"Report: {args.report}; {_REPORT_DO}", markup=False, highlight=False, soft_wrap=True)
    return 1 if worst(found.findings) == "fault" else 0


@dataclass
class _Found:
    """Figures as they come."""

    findings: list[Finding] = field(default_factory=list)
    doctors: list[Finding] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    clip: ClipResult | None = None
    clip_run: ClipRun | None = None
    steps: list[StepTime] = field(default_factory=list)
    live: LiveFigures | None = None


def _doctors(doctors: list[Finding], found: _Found) -> Finding:
    """The doctor's findings, in a line."""
    found.doctors = doctors
    bad = [f"{finding.name}: {finding.said}" for finding in doctors if finding.state != "ok"]
    if not bad:
        return Finding("doctor", "ok", f"{len(doctors)} findings, all well")
    return Finding("doctor", worst(doctors), "; ".join(bad), "m3er-edge doctor says what to do")


def _stored(bundle: Bundle, board: str, found: _Found) -> Finding:
    """Every file of the bundle against its stored answers."""
    try:
        found.results = [Result(**values) for values in apart("self-test", bundle.folder, board)]
    except Crash as crash:
        return Finding("self-test", "fault", str(crash), _CRASH_DO)
    except M3erError as error:
        return from_error("self-test", error)
    wrong = [str(result) for result in found.results if not result.passed]
    if wrong:
        do = "choose other files with m3er-edge bench --write, or get another bundle"
        return Finding("self-test", "fault", "; ".join(wrong), do)
    worst_of = max(found.results, key=lambda result: result.difference / max(result.tolerance, 1e-9))
    return Finding("self-test", "ok", f"{len(found.results)} comparisons as they must be; the furthest: {worst_of}")


def _clip(bundle: Bundle, board: str, found: _Found) -> Finding:
    """The sample clip through the whole runtime."""
    try:
        found.clip_run = ClipRun.model_validate(apart("clip", bundle.folder, board))
        found.clip = check_clip(bundle, found.clip_run)
    except Crash as crash:
        return Finding("sample clip", "fault", str(crash), _CRASH_DO)
    except M3erError as error:
        return from_error("sample clip", error, "fault" if found.clip_run is None else "warning")
    said = f"{found.clip}; {found.clip_run.share_of_core:.0%} of one core at the speed of life"
    return Finding("sample clip", "ok" if found.clip.passed else "fault", said)


def _steps(bundle: Bundle, board: str, found: _Found) -> Finding:
    """What a step costs here."""
    try:
        found.steps = [StepTime.model_validate(values) for values in apart("steps", bundle.folder, board)]
    except Crash as crash:
        return Finding("step cost", "fault", str(crash), _CRASH_DO)
    except M3erError as error:
        return from_error("step cost", error)
    whole = next(step for step in found.steps if step.part == "whole step")
    return Finding(
        "step cost", "ok", f"{whole.cpu_us / 1000:.1f} ms of the processor, every {bundle.manifest.hop_s:g} s"
    )


def _live(
    bundle: Bundle, settings: Settings, camera: str | None, microphone: str | None, found: _Found
) -> list[Finding]:
    """Camera, microphone and words, together."""
    try:
        model = None if settings.speech.model == NONE else find_speech_model(settings.speech.model)
        live = found.live = measure_live(bundle, settings, camera, microphone, model)
    except M3erError as error:
        return [from_error("live", error)]
    due = round(live.seconds / live.hop_s)
    state: State = "ok" if live.readings >= due - 1 else "warning"
    findings = [Finding("steps", state, f"{live.readings} of {due}, the latest {live.latest_step_ms:.0f} ms late")]
    return [*findings, *_camera_findings(live), *_microphone_findings(live)]


def _camera_findings(live: LiveFigures) -> list[Finding]:
    figures = live.camera
    if figures is None:
        return []
    if not figures.pictures:
        return [Finding("camera", "warning", f"no picture ({_why(live.states['face'])})", "see m3er-edge doctor")]
    said = (
        f"{figures.width_px}x{figures.height_px}, {figures.pictures_per_s:.1f} pictures a second, brightness "
        f"{figures.brightness:.0f} of 255, a face in {figures.with_face} of {figures.pictures}"
    )
    if figures.brightness < _DARK:
        return [Finding("camera", "warning", said, "take the cap off, or make light")]
    if figures.pictures_per_s < _FEW_PICTURES_PER_S:
        return [Finding("camera", "warning", said, "in the dark cameras are slow: make light; or name another format")]
    if not figures.with_face:
        return [Finding("camera", "warning", said, "look into the camera from 0.5 to 2 m, and try again")]
    return [Finding("camera", "ok", said)]


def _microphone_findings(live: LiveFigures) -> list[Finding]:
    figures = live.microphone
    if figures is None:
        return []
    if not figures.samples_per_s:
        return [Finding("microphone", "warning", f"no sound ({_why(live.states['speech'])})", "see m3er-edge doctor")]
    said = (
        f"{figures.samples_per_s:.0f} samples a second, level {figures.level_dbfs:.0f} dB, peak {figures.peak_dbfs:.0f}"
    )
    said += f" dB, {figures.gaps} gaps"
    off = abs(figures.samples_per_s / SAMPLE_RATE_HZ - 1) > _RATE_OFF
    if figures.gaps or off:
        return [Finding("microphone", "warning", said, "sound is lost: use another USB port, and stop other programs")]
    if figures.level_dbfs < _QUIET_DBFS:
        return [Finding("microphone", "warning", said, "turn it up: alsamixer, or pavucontrol")]
    if not live.words_in_readings:
        do = "the shipped model knows 145 words: say 'I feel very happy today'"
        return [Finding("microphone", "ok", said), Finding("words", "warning", "none were understood", do)]
    heard = Finding("words", "ok", f"in {live.words_in_readings} of {live.readings} readings")
    return [Finding("microphone", "ok", said), heard]


def _heat(before_c: float | None, after_c: float | None, throttled: str | None) -> Finding:
    said = "no sensor to ask" if after_c is None else f"{before_c or after_c:.0f} °C before, {after_c:.0f} °C after"
    if throttled is None:
        return Finding("heat", "ok", said)
    return Finding("heat", "warning", f"{said}; slowed down: {throttled}", "m3er-edge doctor says what to do")


def _why(states: dict[str, int]) -> str:
    """The most frequent reason."""
    return max(states, key=lambda state: states[state], default="no reading")
