#!/bin/sh
# Compares inkgrad's training steps with PyTorch's; arguments go to compare.py.
set -eu
cd "$(dirname "$0")/../.."

venv=target/peer-venv
if ! "$venv/bin/python" -c 'import torch, numpy, safetensors' 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet torch==2.6.0 numpy safetensors
fi
cargo build --release --package inkgrad
exec "$venv/bin/python" benches/peer/compare.py "$@"
