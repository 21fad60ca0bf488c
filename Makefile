# `make` alone prints the targets. CI runs the same ones.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
WORD ?= HELLO
# labelled photographs with a manifest.csv, which are not part of this repository
DATA ?= ../shared/data/asl-frames/manifest.csv
# one of the files in ansible/group_vars
BOARD ?=
# not empty: with the wheels of page, MQTT and metrics
EXTRAS ?=

.PHONY: help
help: ## print the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# An environment is rebuilt when its pinned file, or what is installed from here, changes. build/lib goes first:
# setuptools would install files that are there and no longer in the checkout.
# $(call make_venv,FOLDER,PINNED,HOW TO INSTALL asl-edge)
define make_venv
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else f"asl-edge needs Python 3.10 to 3.13, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv --clear $(1) || { echo "$(PYTHON) can make no environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@command -v uv >/dev/null || $(1)/bin/python -m pip install -q --require-hashes -r requirements/uv.txt
	@uv=$$(command -v uv || echo $(1)/bin/uv); export VIRTUAL_ENV=$(CURDIR)/$(1); \
	$$uv pip install -q --require-hashes -r $(2); \
	rm -rf build/lib; \
	$$uv pip install -q --no-deps --build-constraint requirements/build.txt $(3)
	@touch $(1)/.made
endef

EDGE_FILES := $(shell find edge -type f -not -path '*/__pycache__/*')

.venv/.made: pyproject.toml requirements/device.txt requirements/build.txt $(EDGE_FILES)
	$(call make_venv,.venv,requirements/device.txt,.)

.venv-dev/.made: pyproject.toml requirements/dev.txt requirements/build.txt
	$(call make_venv,.venv-dev,requirements/dev.txt,-e .)

.PHONY: venv venv-dev
venv: .venv/.made ## .venv: the runtime alone, as on a device (no torch)
venv-dev: .venv-dev/.made ## .venv-dev: everything, to train, export, test and check

.PHONY: demo
demo: venv ## the synthetic signer spells WORD (make demo WORD=HELLO), the shipped model reads it
	@.venv/bin/asl-edge demo "$(WORD)"

PYTEST := .venv-dev/bin/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: test test-slow
test: venv-dev ## the tests to run before every commit (3 minutes on two cores)
	$(PYTEST) -m "not slow and not hardware and not machine"
test-slow: venv-dev ## the slow tests: training, export, the whole path from photographs to letters
	$(PYTEST) -m slow

MACHINE := build/camera-machine

$(MACHINE)/root.img: tests/machines/make_root.sh tests/machines/guest_init.sh requirements/device.txt tests/machines/picamera2.txt | venv-dev
	tests/machines/need_packages.sh mmdebstrap debian-archive-keyring e2fsprogs
	tests/machines/make_root.sh $(MACHINE) "$$(command -v uv || echo .venv-dev/bin/uv)"

.PHONY: test-cameras
test-cameras: venv-dev $(MACHINE)/root.img ## cameras: GStreamer, and V4L2 in an emulated machine (as root; half an hour)
	tests/machines/need_packages.sh gstreamer1.0-tools gstreamer1.0-plugins-base qemu-system-x86 seabios
	.venv-dev/bin/pytest tests/edge/test_frame_faults.py tests/edge/test_orientation.py tests/edge/test_reconnecting.py \
	  tests/edge/test_jetson.py tests/edge/test_pi.py tests/edge/test_usb.py
	MACHINE=$(MACHINE) .venv-dev/bin/pytest -s -m machine tests/machines

ARM := build/arm

$(ARM)/.made: tests/arm/make_root.sh requirements/device.txt tests/arm/pytest.txt | venv-dev
	tests/machines/need_packages.sh mmdebstrap debian-archive-keyring qemu-user-static
	tests/arm/make_root.sh $(ARM) "$$(command -v uv || echo .venv-dev/bin/uv)"

.PHONY: test-arm golden
test-arm: venv-dev $(ARM)/.made ## the same letters on emulated Cortex-A72 and A76 with the real wheels (as root at first)
	.venv-dev/bin/python tests/arm/prove.py $(CURDIR)/$(ARM)

golden: venv-dev ## write down what the shipped model answers to the golden inputs (after a new model)
	PYTHONPATH=tests .venv-dev/bin/python -m support.golden_logits

.venv-peers/.made: requirements/peers.txt requirements/pnnx.txt requirements/mediapipe.txt | venv-dev
	for name in peers mediapipe; do \
	  .venv-dev/bin/python -m venv --clear .venv-$$name; \
	  VIRTUAL_ENV=$(CURDIR)/.venv-$$name $$(command -v uv || echo .venv-dev/bin/uv) pip install -q --require-hashes -r requirements/$$name.txt; \
	done
	VIRTUAL_ENV=$(CURDIR)/.venv-peers $$(command -v uv || echo .venv-dev/bin/uv) pip install -q --no-deps --require-hashes -r requirements/pnnx.txt
	@touch $@

# packages that were trained without some sources, for accuracy on people that they have not seen
FOLDS ?=
PICTURES ?= 300

.PHONY: venv-peers peers
venv-peers: .venv-peers/.made ## .venv-peers, .venv-mediapipe: what asl-edge is measured beside (x86, Python 3.11 or 3.12)
peers: venv-dev venv-peers ## asl-edge beside its peers, from frame to letter (make peers FOLDS="DIR DIR")
	.venv-dev/bin/python benchmarks/peers.py $(dir $(DATA)).. $(FOLDS:%=--fold %) --pictures $(PICTURES)

.PHONY: docs
docs: venv-dev ## write docs/settings.md from the declarations in edge/settings.py
	.venv-dev/bin/python docs/settings_page.py > docs/settings.md

.PHONY: check
check: venv-dev ## ruff, ruff format --check, mypy, import-linter
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

.venv-deploy/.made: requirements/deploy.txt
	@$(PYTHON) -m venv --clear .venv-deploy || { echo "on Debian: apt install python3-venv" >&2; exit 1; }
	@.venv-deploy/bin/python -m pip install -q --require-hashes -r requirements/deploy.txt
	@touch $@

.PHONY: venv-deploy board-named wheelhouse lint-deploy test-deploy test-deploy-short test-deploy-arm
venv-deploy: .venv-deploy/.made ## .venv-deploy: ansible, to install boards from this workstation
BOARDS = $(basename $(notdir $(wildcard ansible/group_vars/*.yml)))
board-named: # before minutes of making .venv-deploy
	@test -f "ansible/group_vars/$(BOARD).yml" || \
	{ echo "there is no board '$(BOARD)': make wheelhouse BOARD=... takes one of $(BOARDS)" >&2; exit 2; }
wheelhouse: board-named venv-deploy ## collect the wheels of a board (make wheelhouse BOARD=pi_bookworm)
	.venv-deploy/bin/python ansible/wheelhouse.py $(BOARD) $(if $(EXTRAS),extras)

lint-deploy: venv-deploy ## ansible-lint, production profile
	cd ansible && PATH=$(CURDIR)/.venv-deploy/bin:$$PATH ansible-lint --offline --profile production .

TEST_DEPLOY = PATH=$(CURDIR)/.venv-deploy/bin:$$PATH .venv-deploy/bin/python tests/deploy
test-deploy: lint-deploy ## the playbooks and the unit on a Debian that it builds and boots (as root)
	$(MAKE) wheelhouse BOARD=debian_x86 EXTRAS=1
	rm -rf build/wheelhouse/debian_x86-extras
	mv build/wheelhouse/debian_x86 build/wheelhouse/debian_x86-extras
	$(MAKE) wheelhouse BOARD=debian_x86
	$(TEST_DEPLOY)/prove.py
test-deploy-short: venv-deploy ## the same in some minutes, with fewer faults
	tests/deploy/can_boot.sh
	$(MAKE) wheelhouse BOARD=debian_x86
	$(TEST_DEPLOY)/prove.py --short
test-deploy-arm: venv-deploy ## the playbook on an emulated 64-bit ARM machine (as root; slow)
	$(MAKE) wheelhouse BOARD=debian_arm
	$(TEST_DEPLOY)/prove_arm.py

.PHONY: pictures
pictures: venv-dev ## make the pictures of the documents again (needs Debian's chromium and chromium-driver)
	.venv-dev/bin/python docs/pictures/make.py

.PHONY: train-default
train-default: venv-dev ## train and package the shipped model again from DATA (hours on two cores)
	train/default_recipe.sh $(DATA)

.PHONY: requirements
requirements: venv-dev ## pin requirements/*.in again, by version and hash
	@uv=$$(command -v uv || echo .venv-dev/bin/uv); cd requirements; for name in device extras nano dev build uv deploy peers mediapipe pnnx; do \
	oldest=3.10; alone=; case $$name in nano|peers|mediapipe) oldest=3.11;; pnnx) alone=--no-deps;; esac; \
	$$uv pip compile -q $$alone --universal --python-version $$oldest --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links $$name.in -o $$name.txt; done

.PHONY: clean
clean: ## remove the environments and every cache
	rm -rf .venv .venv-dev .venv-deploy .venv-peers .venv-mediapipe build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
