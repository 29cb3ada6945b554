#!/usr/bin/env bash
# Trains and scores over MPI on 1 to 4 ranks of this machine, kills some, and compares bytes: check.py says what for.
#
#     tests/ranks/check.sh [KILLS]
#
# Needs Debian's openmpi-bin, libopenmpi-dev and libclang-dev, which it installs where it may, and Python 3. Where they cannot be had
# it says so and checks nothing. KILLS (6) ranks are killed at random moments.
set -euo pipefail
cd "$(dirname "$0")/../.."

skip() { echo "not checked: $*"; exit 0; }

if ! command -v mpicc >/dev/null || ! command -v mpirun >/dev/null || ! compgen -G "/usr/lib/llvm-*/lib/libclang*.so*" >/dev/null; then
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq && apt-get install -y -qq openmpi-bin libopenmpi-dev libclang-dev >/dev/null || true
    fi
fi
command -v mpicc >/dev/null && command -v mpirun >/dev/null || skip "no MPI here, so nothing is trained over it"
command -v python3 >/dev/null || skip "no Python here, so nothing is trained over MPI"

as_root=()
[ "$(id -u)" != 0 ] || as_root=(--allow-run-as-root)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

# A program without MPI says how to get one that has it, once.
cargo build --release --quiet -p inkgrad
said=$(mpirun "${as_root[@]}" --oversubscribe -n 2 target/release/inkgrad train cnn-ae --distributed mpi --steps 1 \
    --out "$place/never" 2>&1 || true)
if [ "$(grep -c 'error: --distributed: mpi is not in this program' <<<"$said")" != 1 ] || [ -e "$place/never" ]; then
    echo "$said" >&2
    exit 1
fi

cargo clippy --quiet -p inkgrad -p inkgrad-models --features mpi -- -D warnings
cargo build --release -p inkgrad --features mpi
cp target/release/inkgrad "$place/inkgrad"
# The others expect the one without.
cargo build --release --quiet -p inkgrad
python3 tests/ranks/check.py "$place/inkgrad" "$@"
