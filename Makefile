# `make` prints the targets. CI runs the same targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
WORD ?= HELLO
# the manifest.csv of labelled photographs, which are not part of this repository
DATA ?= ../shared/data/asl-frames/manifest.csv
# the name of a file in ansible/group_vars, without .yml
BOARD ?=
# if not empty, the wheelhouse contains the wheels of page, MQTT and metrics
EXTRAS ?=
# the SSH key that signs the list of wheels, if the boards want that (asl_edge_signers)
SIGN ?=

.PHONY: help
help: ## print the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# An environment is rebuilt when its pinned requirements or the package's files change. build/lib is removed first,
# because setuptools would also install files that are left there from an earlier build.
# On a terminal, uv and pip show how far they are.
# $(call make_venv,FOLDER,PINNED REQUIREMENTS,WHAT TO INSTALL FROM THE CHECKOUT)
define make_venv
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 13) else f"asl-edge needs Python 3.10 to 3.13, $(PYTHON) is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv --clear $(1) || { echo "$(PYTHON) can't create an environment; on Debian: apt install python3-venv" >&2; exit 1; }
	@command -v uv >/dev/null || $(1)/bin/python -m pip install -q --require-hashes -r requirements/uv.txt
	@uv=$$(command -v uv || echo $(1)/bin/uv); export VIRTUAL_ENV=$(CURDIR)/$(1); \
	quiet=$$([ -t 2 ] || echo -q); $$uv pip install $$quiet --require-hashes -r $(2); \
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
venv: .venv/.made ## build .venv: only the runtime, as on a device (no torch)
venv-dev: .venv-dev/.made ## build .venv-dev: everything to train, export, test and check

.venv-dev/.people: requirements/people.txt | venv-dev
	@uv=$$(command -v uv || echo .venv-dev/bin/uv); VIRTUAL_ENV=$(CURDIR)/.venv-dev $$uv pip install -q --require-hashes -r $<
	@touch $@

.PHONY: venv-people
venv-people: .venv-dev/.people ## add to .venv-dev what `python -m train people` needs (Anny and moderngl, 200 MB)

.PHONY: demo
demo: venv ## let the shipped model read WORD from the synthetic signer (make demo WORD=HELLO)
	@.venv/bin/asl-edge demo "$(WORD)"

PYTEST := .venv-dev/bin/pytest --numprocesses auto --maxprocesses 4 --dist loadfile

.PHONY: test test-slow
test: venv-dev ## run the tests that every commit must pass (3 minutes on two cores)
	$(PYTEST) -m "not slow and not hardware and not machine"
test-slow: venv-dev ## run the slow tests: training, export, the whole path from photographs to letters
	$(PYTEST) -m slow

.PHONY: test-hostile test-hostile-short
test-hostile: venv-dev ## attack the program from outside, on loopback, and print the table of docs/faults.md
	.venv-dev/bin/python tests/hostile/prove.py
test-hostile-short: venv-dev ## the same with fewer tries
	.venv-dev/bin/python tests/hostile/prove.py --short

# of `make test-soak`; CI takes fewer
FRAMES ?= 300000

.PHONY: test-soak
test-soak: venv-dev ## run FRAMES frames with everything switched on, and fail if anything grows (needs mosquitto)
	PYTHONPATH=.:tests .venv-dev/bin/python -m soak.prove --frames $(FRAMES)

MACHINE := build/camera-machine

$(MACHINE)/root.img: tests/machines/make_root.sh tests/machines/guest_init.sh requirements/device.txt tests/machines/picamera2.txt | venv-dev
	tests/machines/need_packages.sh mmdebstrap debian-archive-keyring e2fsprogs
	tests/machines/make_root.sh $(MACHINE) "$$(command -v uv || echo .venv-dev/bin/uv)"

.PHONY: test-cameras
test-cameras: venv-dev $(MACHINE)/root.img ## test cameras: GStreamer, and V4L2 in an emulated machine (as root; half an hour)
	tests/machines/need_packages.sh gstreamer1.0-tools gstreamer1.0-plugins-base qemu-system-x86 seabios
	.venv-dev/bin/pytest tests/edge/test_frame_faults.py tests/edge/test_orientation.py tests/edge/test_reconnecting.py \
	  tests/edge/test_jetson.py tests/edge/test_pi.py tests/edge/test_usb.py
	MACHINE=$(MACHINE) .venv-dev/bin/pytest -s -m machine tests/machines

ARM := build/arm

$(ARM)/.made: tests/arm/make_root.sh requirements/device.txt tests/arm/pytest.txt | venv-dev
	tests/machines/need_packages.sh mmdebstrap debian-archive-keyring qemu-user-static
	tests/arm/make_root.sh $(ARM) "$$(command -v uv || echo .venv-dev/bin/uv)"

.PHONY: test-arm golden
test-arm: venv-dev $(ARM)/.made ## compare the letters on emulated Cortex-A72 and A76 with the real wheels (root builds it at first)
	.venv-dev/bin/python tests/arm/prove.py $(CURDIR)/$(ARM)

golden: venv-dev ## record the shipped model's logits for the golden inputs (after a new model)
	PYTHONPATH=tests .venv-dev/bin/python -m support.golden_logits

.venv-peers/.made: requirements/peers.txt requirements/pnnx.txt requirements/mediapipe.txt | venv-dev
	for name in peers mediapipe; do \
	  .venv-dev/bin/python -m venv --clear .venv-$$name; \
	  VIRTUAL_ENV=$(CURDIR)/.venv-$$name $$(command -v uv || echo .venv-dev/bin/uv) pip install -q --require-hashes -r requirements/$$name.txt; \
	done
	VIRTUAL_ENV=$(CURDIR)/.venv-peers $$(command -v uv || echo .venv-dev/bin/uv) pip install -q --no-deps --require-hashes -r requirements/pnnx.txt
	@touch $@

# packages trained without some sources, for the accuracy on unseen people
FOLDS ?=
PICTURES ?= 300

.PHONY: venv-peers peers
venv-peers: .venv-peers/.made ## build .venv-peers and .venv-mediapipe for `make peers` (x86, Python 3.11 or 3.12)
peers: venv-dev venv-peers ## compare asl-edge with its peers, from frame to letter (make peers FOLDS="DIR DIR")
	.venv-dev/bin/python benchmarks/peers.py $(dir $(DATA)).. $(FOLDS:%=--fold %) --pictures $(PICTURES)

.PHONY: docs
docs: venv-dev ## generate docs/settings.md from edge/settings.py
	.venv-dev/bin/python docs/settings_page.py > docs/settings.md

.PHONY: check
check: venv-dev ## run ruff, ruff format --check, mypy, import-linter
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/lint-imports

.venv-deploy/.made: requirements/deploy.txt
	@$(PYTHON) -m venv --clear .venv-deploy || { echo "on Debian: apt install python3-venv" >&2; exit 1; }
	@quiet=$$([ -t 2 ] || echo -q); .venv-deploy/bin/python -m pip install $$quiet --require-hashes -r requirements/deploy.txt
	@touch $@

.PHONY: venv-deploy board-named wheelhouse lint-deploy test-deploy test-deploy-short test-deploy-arm test-deploy-jp7
venv-deploy: .venv-deploy/.made ## build .venv-deploy: ansible, to install boards from this workstation
BOARDS = $(basename $(notdir $(wildcard ansible/group_vars/*.yml)))
board-named: # checked before .venv-deploy is built, which takes minutes
	@test -f "ansible/group_vars/$(BOARD).yml" || \
	{ echo "there is no board '$(BOARD)': make wheelhouse BOARD=... takes one of $(BOARDS)" >&2; exit 2; }
wheelhouse: board-named venv-deploy ## collect the wheels of a board (make wheelhouse BOARD=pi_bookworm)
	.venv-deploy/bin/python ansible/wheelhouse.py $(BOARD) $(if $(EXTRAS),--extras) $(if $(SIGN),--sign '$(SIGN)')

lint-deploy: venv-deploy ## run ansible-lint with its production profile
	cd ansible && PATH=$(CURDIR)/.venv-deploy/bin:$$PATH ansible-lint --offline --profile production .

TEST_DEPLOY = PATH=$(CURDIR)/.venv-deploy/bin:$$PATH .venv-deploy/bin/python tests/deploy
test-deploy: lint-deploy ## test the playbooks and the unit on a Debian that is built and booted (as root)
	$(MAKE) wheelhouse BOARD=debian_x86 EXTRAS=1
	rm -rf build/wheelhouse/debian_x86-extras
	mv build/wheelhouse/debian_x86 build/wheelhouse/debian_x86-extras
	$(MAKE) wheelhouse BOARD=debian_x86
	$(TEST_DEPLOY)/prove.py
test-deploy-short: venv-deploy ## test the same with fewer faults, in some minutes
	tests/deploy/can_boot.sh
	$(MAKE) wheelhouse BOARD=debian_x86
	$(TEST_DEPLOY)/prove.py --short
test-deploy-arm: venv-deploy ## test the playbook on an emulated 64-bit ARM machine (as root; slow)
	$(MAKE) wheelhouse BOARD=debian_arm
	$(TEST_DEPLOY)/prove_arm.py
test-deploy-jp7: venv-deploy ## test the playbook of JetPack 7 on the nearest Debian (as root; some minutes)
	$(TEST_DEPLOY)/prove_jp7.py

.PHONY: test-container
test-container: ## build the Dockerfile on a Debian root that is made here, and run it (as root; some minutes)
	tests/machines/need_packages.sh mmdebstrap debian-archive-keyring buildah runc
	tests/container/prove.sh

.PHONY: pictures
pictures: venv-dev ## regenerate the pictures of the documents (needs Debian's chromium and chromium-driver)
	.venv-dev/bin/python docs/pictures/make.py

.PHONY: train-default
train-default: venv-dev ## retrain and package the shipped model from DATA (hours on two cores)
	train/default_recipe.sh $(DATA)

.PHONY: requirements
requirements: venv-dev ## pin requirements/*.in by version and hash
	@uv=$$(command -v uv || echo .venv-dev/bin/uv); cd requirements; for name in device extras nano dev build uv deploy audit peers mediapipe pnnx people; do \
	oldest=3.10; alone=; case $$name in nano|peers|mediapipe) oldest=3.11;; people) oldest=3.11; alone='-c dev.txt';; pnnx) alone=--no-deps;; esac; \
	$$uv pip compile -q $$alone --universal --python-version $$oldest --generate-hashes --no-header \
	  --no-emit-index-url --no-emit-find-links $$name.in -o $$name.txt; done

.venv-audit/.made: requirements/audit.txt
	@$(PYTHON) -m venv --clear .venv-audit || { echo "on Debian: apt install python3-venv" >&2; exit 1; }
	@quiet=$$([ -t 2 ] || echo -q); .venv-audit/bin/python -m pip install $$quiet --require-hashes -r requirements/audit.txt
	@touch $@

.PHONY: audit outdated sbom
audit: .venv-audit/.made ## look for known vulnerabilities of the pinned packages (exit code 2: their data can't be reached)
	.venv-audit/bin/python requirements/audit.py
outdated: venv-dev ## report pins that are older than their newest patch
	.venv-dev/bin/python requirements/patches.py --uv "$$(command -v uv || echo .venv-dev/bin/uv)"
sbom: .venv-audit/.made ## list what a device installs, as CycloneDX files in build/sbom (at each release)
	.venv-audit/bin/python requirements/sbom.py build/sbom

.PHONY: clean
clean: ## remove environments, builds and caches
	rm -rf .venv .venv-dev .venv-deploy .venv-audit .venv-peers .venv-mediapipe build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
