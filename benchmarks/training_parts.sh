#!/usr/bin/env bash
# Short runs of the recipe (train/default_recipe.sh), each without one part of the training of the ResNet or at
# another size of picture, measured by parts.py on people that they have not seen.
# Usage: benchmarks/training_parts.sh [RUNS]; about two hours on two cores; a stopped run resumes.
# It reads the folder prepared. Its crops in RUNS/crops are larger than those of the recipe, for sizes above 128 px.
set -euo pipefail
runs=${1:-runs/parts}
crops=$runs/crops
python=${PYTHON:-.venv-dev/bin/python}
"$python" -m train cut --crops 30000 --picture-px 192 --output "$crops"

short() { # NAME SIZE_PX FLAGS...
  "$python" -m train fit --crops "$crops" --run "$runs/$1" --schedule "$2x2" --samples 8000 --batch 32 \
    --learning-rate 1e-3 --validate none --patience 0 --workers 1 --init malvizv1 --strength 0.3,0.8 \
    --blocks-epochs 0 --leave-out faseeha keptsecret seeeeeeel "${@:3}"
}
short recipe 96
for size in 64 112 128 160 192; do short "at-$size-px" "$size"; done
short without-the-teacher 96 --hint-weight 0
short without-points 96 --points-weight 0
short without-changes-of-light 96 --strength 0,0
short from-nothing 96 --init scratch
"$python" benchmarks/parts.py "$runs"/*/model.pt --plain
