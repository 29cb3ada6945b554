#!/bin/sh
# Compares inkgrad's training steps with those of the newest PyTorch (INKGRAD_PEER=torch==2.6.0: of another, in an environment
# that isn't made yet); arguments go to compare.py. torch.compile needs a C++ compiler.
set -eu
cd "$(dirname "$0")/../.."

venv=target/peer-venv
if ! "$venv/bin/python" -c 'import torch, numpy, safetensors' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "${INKGRAD_PEER:-torch}" numpy safetensors
fi
cargo build --release --package inkgrad
exec "$venv/bin/python" benches/peer/compare.py "$@"
