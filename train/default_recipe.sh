#!/usr/bin/env bash
# The reference run: photographs -> the package in edge/default_model, with its table of unseen sources.
# Usage: train/default_recipe.sh MANIFEST.csv      (make train-default)
# A stopped run resumes when this is started again. It takes hours on two cores.
set -euo pipefail
manifest=$1
python=${PYTHON:-.venv-dev/bin/python}
runs=runs/default

fit() { # NAME SCHEDULE SAMPLES FLAGS...: one run of fixed length; the sources left out choose nothing
  "$python" -m train fit --crops crops --run "$runs/$1" --schedule "$2" --samples "$3" --batch 32 \
    --learning-rate 1e-3 --validate none --patience 0 --workers 1 "${@:4}"
}

[ -d prepared ] || "$python" -m train prepare "$manifest" --output prepared
"$python" -m train cut --data prepared --crops 160000 --output crops

# 1. Each source is left out once, three at a time.
fold() { # SCHEDULE SAMPLES SOURCES_TO_LEAVE_OUT...
  local name
  name=without-$(IFS=-; echo "${*:3}")
  fit "$name" "$1" "$2" --init malvizv1 --strength 0.3,0.8 --leave-out "${@:3}"
  "$python" -m export --checkpoint "$runs/$name/model.pt" --data prepared --accept-drop \
    --quick --variants int8 --output "$runs/packages/$name"
}
fold 96x4 10000 davidlee meyyappan t32rahman
fold 96x3 10000 faseeha keptsecret seeeeeeel  # 2,470 pictures are left to train on

# 2. All six sources, starting from the first fold. It can be measured on seen signers only.
fit all 96x2 13000 --init "$runs/without-davidlee-meyyappan-t32rahman/model.pt" --strength 0.7,0.9 --hint-weight 5
"$python" -m export --checkpoint "$runs/all/model.pt" --data prepared --quick --variants int8 \
  --leave-one-out "$runs"/packages/without-* --output edge/default_model
