#!/usr/bin/env bash
# Runs exported networks with onnxruntime, and with PyTorch where it is, and compares with the program's own answers: check.py says
# what for. Then every operation's ONNX and PyTorch form on the engine's own random cases.
#
#     tests/onnx/check.sh PROGRAM [OPTIONS OF cargo test]
#
# Needs Python 3; onnx and onnxruntime it takes from PyPI into an environment of its own, unless $PYTHON (python3) has them already.
# Where they cannot be had it says so and checks nothing.
set -euo pipefail
program=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
python=${PYTHON:-python3}

skip() { echo "not checked: $*"; exit 0; }
has() { "$1" -c "import ${*:2}" 2>/dev/null; }

command -v "$python" >/dev/null || skip "no Python here, so exported networks are not run"
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
if ! has "$python" "numpy, onnx, onnxruntime"; then
    "$python" -m venv "$place/venv" 2>/dev/null && "$place/venv/bin/pip" install --quiet numpy onnx onnxruntime >/dev/null 2>&1 ||
        skip "onnx and onnxruntime cannot be had from PyPI, so exported networks are not run"
    ours="$place/venv/bin/python"
else
    ours=$python
fi
torch=
for candidate in "$ours" "$python"; do
    if has "$candidate" "numpy, safetensors, torch"; then torch=$candidate; break; fi
done

cd "$place"
"$program" data synth --n 60 --out d >/dev/null
"$ours" "$here/check.py" data
train() { "$program" train "${@:2}" --steps 2 --batch-size 8 --out "$1" >/dev/null 2>&1; }
train lstm-ae lstm-ae --data d
train lstm-ae-both lstm-ae --data d --bidirectional --layers 3 --hidden 20
train cnn-ae cnn-ae --data d
train rnn-vae rnn-vae --data d --hidden 48
train rnn-vae-ahead rnn-vae --data d --hidden 24 --layers 2 --set bidirectional=false
train cnn-vae cnn-vae --data d
train cvae cvae --data d
train cvae-both cvae --data d --condition both
train classifier classifier --data d
train classifier-cnn classifier --data d --arch cnn
# Pictures of three channels whose sides do not halve.
train cnn-vae-colour cnn-vae --data colour
train cnn-ae-colour cnn-ae --data colour --channels 8,12,16
train rnn-vae-colour rnn-vae --data colour --hidden 16
"$ours" "$here/check.py" onnx "$program"
if [ -n "$torch" ]; then
    "$torch" "$here/check.py" torch "$program"
else
    echo "not checked: no PyTorch here, so exported modules are not run"
fi
cd "$here/../.."
INKGRAD_PYTHON=$ours cargo test --quiet "${@:2}" --lib export::onnx
if [ -n "$torch" ]; then
    INKGRAD_PYTHON=$torch cargo test --quiet "${@:2}" --lib export::pytorch
fi
