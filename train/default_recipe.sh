#!/usr/bin/env bash
# The reference run: photographs -> the package in edge/default_model, with its table of unseen sources.
# Usage: train/default_recipe.sh MANIFEST.csv      (make train-default)
# A run that was stopped goes on when this is started again. Hours on two cores.
set -euo pipefail
manifest=$1
python=${PYTHON:-.venv-dev/bin/python}
runs=runs/default

fit() { # NAME FLAGS...: one run; fixed length, nothing chosen by what was left out
  "$python" -m train fit --data prepared --run "$runs/$1" --validate none --patience 0 --batch 24 "${@:2}"
}

# ImageNet's start: an EfficientNet-Lite0 learns the task, several times faster than a network from nothing.
teacher() { # NAME SCHEDULE SAMPLES FLAGS...
  fit "$1" --network lite0 --init imagenet --schedule "$2" --samples "$3" --strength 0.2,0.8 \
    --synthetic-share 0.2 --learning-rate 5e-4 --weight-decay 0.02 "${@:4}"
}

# The device's ResNet-18 learns the teacher's maps and letters beside the labels, on easy crops first.
student() { # NAME TEACHER SCHEDULE SAMPLES FLAGS...
  fit "$1" --init scratch --teacher "$runs/$2/model.pt" --schedule "$3" --samples "$4" --strength 0,0.7 \
    --synthetic-share 0.2 --learning-rate 2e-3 "${@:5}"
}

[ -d prepared ] || "$python" -m train prepare "$manifest" --output prepared

# 1. Every source is left out once, three at a time: neither teacher nor student of a fold has seen them.
fold() { # SCHEDULE AND SAMPLES OF THE TEACHER, OF THE STUDENT, SOURCES TO LEAVE OUT...
  local name
  name=without-$(IFS=-; echo "${*:5}")
  teacher "teacher-$name" "$1" "$2" --leave-out "${@:5}"
  student "$name" "teacher-$name" "$3" "$4" --leave-out "${@:5}"
  "$python" -m export --checkpoint "$runs/$name/model.pt" --data prepared --accept-drop \
    --quick --variants int8 --output "$runs/packages/$name"
}
fold 64x2,96x5 8400 64x6,96x2 15000 davidlee meyyappan t32rahman
fold 64x2,96x4 7000 64x4,96x1 10000 faseeha keptsecret seeeeeeel  # 2,470 pictures are left to learn from

# 2. All six, for longer, because that one is shipped. Nobody is left to measure it on but signers it has seen.
teacher teacher-all 64x2,96x5 8400
student all teacher-all 64x7,96x3 15000
fit all-longer --init "$runs/all/model.pt" --teacher "$runs/teacher-all/model.pt" --schedule 96x2 --samples 10000 \
  --strength 0.4,0.7 --synthetic-share 0.2 --learning-rate 7e-4
"$python" -m export --checkpoint "$runs/all-longer/model.pt" --data prepared --variants int8 \
  --leave-one-out "$runs"/packages/without-* --output edge/default_model
