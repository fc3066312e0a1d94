# Two commands set everything up on a fresh machine: `make run` and `make test`.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
DATA   ?= ../shared/data
MINUTES ?= 20
ARCH    ?= arm64 amd64
SUITE   ?= bookworm
MODELS  ?= $(HOME)/.cache/m3er-edge
# A Raspberry Pi has trixie today; SUITE=bookworm for one that has not been installed anew.
KIT_SUITE = $(if $(filter raspberry-pi-%,$(BOARD)),$(if $(filter file,$(origin SUITE)),trixie,$(SUITE)),$(SUITE))

# Debian packages: what PyAudio compiles against; a voice for making clips, the tests' microphones and cameras, and what
# the service runs under.
LIVE_PACKAGES   := portaudio19-dev gcc python3-dev
TEST_PACKAGES   := espeak-ng mosquitto mosquitto-clients chromium pulseaudio pulseaudio-utils libasound2-plugins libasound2-dev \
                   python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly \
                   systemd udev iproute2 strace mmdebstrap shellcheck zstd
ARM64_PACKAGES  := qemu-user-static mmdebstrap binfmt-support
SYSTEM_PACKAGES := python3-venv $(LIVE_PACKAGES) $(TEST_PACKAGES) $(ARM64_PACKAGES)

.PHONY: help run test test-arm64 live system lint train evaluate bench soak clip deb offline-kit clean

help:  ## say what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

run: $(VENV)/.device  ## run the sample clip: readings in out/readings.jsonl, a picture in out/timeline.png
	$(BIN)/m3er-edge run --input edge/samples/clip.mp4 --jsonl out/readings.jsonl --timeline out/timeline.png

test: lint  ## set up the rest and run all tests
	$(BIN)/python -m pytest

test-arm64: $(VENV)/.everything  ## the boards' processors, emulated: sample clip and self-test as on x86 (root; DEB=… CORES=…)
	@$(call need,$(ARM64_PROGRAMS),$(ARM64_PACKAGES))
	$(BIN)/python -m tests.arm64.arm64 --out out/arm64.json $(if $(DEB),--deb $(DEB)) $(if $(CORES),--cores $(CORES))

lint: $(VENV)/.everything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

live: $(VENV)/.live  ## add what live microphones need (compiles PyAudio)

system:  ## install the Debian packages that tests and live microphones need (asks for root)
	@if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; set -x; \
	$$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq $(SYSTEM_PACKAGES)

train: $(VENV)/.everything  ## train the default bundle from nothing (DATA=../shared/data)
	$(BIN)/m3er-export train --data $(DATA)
	$(BIN)/m3er-export bundle --data $(DATA) --out edge/bundles/default

evaluate: $(VENV)/.everything  ## score the default bundle: out/report.html, out/evaluation.json (DATA=../shared/data)
	$(BIN)/m3er-export evaluate --bundle edge/bundles/default --data $(DATA) --out out

bench: $(VENV)/.everything  ## what a reading costs here: out/bench.html, out/bench.json (DATA=../shared/data)
	$(BIN)/m3er-export bench --data $(DATA) --out out

soak: $(VENV)/.everything  ## break cameras, microphones and workers for MINUTES=20: out/soak/soak.png and a table
	$(BIN)/python -m tests.soak.soak --minutes $(MINUTES) --out out/soak

clip: $(VENV)/.everything  ## make the sample clip anew
	$(BIN)/m3er-export sample-clip --out edge/samples/clip.mp4 --seed 1 --voice en-us+f4

deb: $(VENV)/.device  ## Debian packages for a device, in out/deb/ (ARCH="arm64 amd64" SUITE=bookworm, or trixie)
	@for arch in $(ARCH); do PYTHON=$(BIN)/python firmware_configs/package/build-deb $$arch $(SUITE) out/deb || exit; done

offline-kit: $(VENV)/.device  ## one archive that installs without a network, in out/kit/ (BOARD=raspberry-pi-5 MODELS=… KEYS=… SITE=…)
	@PYTHON=$(BIN)/python KEYS=$(KEYS) SITE=$(SITE) firmware_configs/package/build-kit "$(BOARD)" $(KIT_SUITE) $(MODELS) out/kit

clean:  ## remove what was made here
	rm -rf $(VENV) out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Only what a device needs: no torch, nothing that compiles, no root.
$(VENV)/.device: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo "m3er-edge needs Python 3.10 to 3.13; name one: make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@$(call need,$(PYTHON) -c 'import ensurepip' 2>/dev/null,python3-venv)
	$(PYTHON) -m venv $(SYSTEM_SITE) $(VENV)
	$(PIP) --editable .
	@touch $@

$(VENV)/.live: $(VENV)/.device
	@$(call need,command -v gcc >/dev/null && [ -e /usr/include/portaudio.h ] && [ -e "$(PYTHON_H)" ],$(LIVE_PACKAGES))
	$(PIP) --editable '.[live]'
	@touch $@

$(VENV)/.everything: $(VENV)/.live
	@$(call need,command -v espeak-ng >/dev/null,espeak-ng)
	@$(call wish,$(TEST_DEVICES),$(TEST_PACKAGES))
	@$(call wish,$(ARM64_PROGRAMS),$(ARM64_PACKAGES))
	$(PIP) --editable '.[live,export,bench,dev]'
	@touch $@

# What the tests' microphones and cameras are made of.
TEST_DEVICES = for name in pulseaudio pactl chromium mosquitto_sub systemctl udevadm strace ip mmdebstrap shellcheck zstd; do command -v $$name >/dev/null || exit 1; done; \
	[ -x /usr/sbin/mosquitto ] && [ -e /usr/include/alsa/asoundlib.h ] && \
	/usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null

# What arm64 programs are run with.
ARM64_PROGRAMS = for name in qemu-aarch64-static mmdebstrap; do command -v $$name >/dev/null || exit 1; done; \
	[ -x /usr/sbin/update-binfmts ]

# A Raspberry Pi's picamera2 comes from apt, to match its libcamera: where it is, the environment sees it.
SYSTEM_SITE = $(shell $(PYTHON) -c 'import importlib.util as u, sys; sys.exit(not u.find_spec("picamera2"))' && echo --system-site-packages)

PYTHON_H = $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h

# $(call wish,TEST,PACKAGES): as need; where we may not install them, the tests that need them are skipped.
define wish
($(call need,$(1),$(2))) || echo "... the tests that need them are skipped" >&2
endef

# $(call need,TEST,PACKAGES): install these packages of the system when TEST fails and we may; else say how.
define need
( $(1) ) || { \
	if command -v apt-get >/dev/null && { [ "$$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }; then $(MAKE) system SYSTEM_PACKAGES="$(2)"; \
	else echo "$(2) missing: run 'make system' (needs root), or install its like" >&2; exit 1; fi; }
endef
