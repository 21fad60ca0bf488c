#!/usr/bin/env bash
# What each part of the ResNet's training is worth on people that it has not seen: short runs of the recipe
# (train/default_recipe.sh), each without one part or at another size of picture, and parts.py on them.
# Usage: tests/benchmarks/training_parts.sh [CROPS] [RUNS]; about an hour on two cores; goes on where it was stopped.
set -euo pipefail
crops=${1:-crops} runs=${2:-runs/parts}
python=${PYTHON:-.venv-dev/bin/python}

short() { # NAME SIZE_PX FLAGS...
  "$python" -m train fit --crops "$crops" --run "$runs/$1" --schedule "$2x2" --samples 8000 --batch 32 \
    --learning-rate 1e-3 --validate none --patience 0 --workers 1 --init malvizv1 --strength 0.3,0.8 \
    --blocks-epochs 0 --leave-out faseeha keptsecret seeeeeeel "${@:3}"
}
short recipe 96
short without-the-teacher 96 --hint-weight 0
short without-points 96 --points-weight 0
short without-changes-of-light 96 --strength 0,0
short from-nothing 96 --init scratch
short at-64-px 64
short at-128-px 128
"$python" tests/benchmarks/parts.py "$runs"/*/model.pt --plain
