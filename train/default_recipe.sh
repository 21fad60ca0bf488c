#!/usr/bin/env bash
# The reference run: photographs -> the package in edge/default_model, with its leave-one-source-out table.
# Usage: train/default_recipe.sh MANIFEST.csv      (make train-default)
# A run that was stopped goes on when this is started again. Hours on two cores.
set -euo pipefail
manifest=$1
python=${PYTHON:-.venv-dev/bin/python}
sources="davidlee faseeha keptsecret meyyappan seeeeeeel t32rahman"
runs=runs/default

fit() { # NAME FLAGS...: one run; fixed length, nothing chosen by what was left out
  "$python" -m train fit --data prepared --run "$runs/$1" --validate none --patience 0 --batch 24 "${@:2}"
}

[ -d prepared ] || "$python" -m train prepare "$manifest" --output prepared

# 1. A start. Nothing has seen a picture yet, so the trunk learns the maps of an ImageNet teacher beside the
#    letters, on easy crops. One start comes from keptsecret alone, so that it serves every fold but its own.
start() { # NAME SOURCES TO LEAVE OUT...
  fit "$1" --init scratch --teacher lite0 --schedule 64x7 --samples 4632 --strength 0,0.4 \
    --synthetic-share 0.25 --learning-rate 2e-3 --leave-out "${@:2}"
}
start start davidlee faseeha meyyappan seeeeeeel t32rahman
start start-without-keptsecret keptsecret

# 2. Every source left out in turn; then all six, for longer, because that one is shipped.
finish() { # NAME START SCHEDULE SAMPLES FLAGS...
  fit "$1" --init "$runs/$2/model.pt" --schedule "$3" --samples "$4" --strength 0.4,0.8 --learning-rate 1e-3 "${@:5}"
}
for source in $sources; do
  from=start
  if [ "$source" = keptsecret ]; then from=start-without-keptsecret; fi
  finish "without-$source" "$from" 64x2,96x1 5000 --leave-out "$source"
  "$python" -m export --checkpoint "$runs/without-$source/model.pt" --data prepared --accept-drop \
    --quick --variants int8 --output "$runs/packages/without-$source"
done
finish all start 64x2,96x3 8000
fit all-longer --init "$runs/all/model.pt" --schedule 96x5 --samples 6600 --strength 0.3,0.5 \
  --synthetic-share 0.35 --learning-rate 1e-3

# 3. The package: measured on signers that it has seen (none is left), and carrying the folds' table.
"$python" -m export --checkpoint "$runs/all-longer/model.pt" --data prepared --variants int8 \
  --leave-one-out "$runs"/packages/without-* --output edge/default_model
