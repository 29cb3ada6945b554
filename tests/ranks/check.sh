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

# Builds the program with some features and gives its path.
build() {
    cargo build --release --bin inkgrad --features "$1" --message-format json-render-diagnostics |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

# A program without MPI says how to get one that has it, once.
program=$(build "")
said=$(mpirun "${as_root[@]}" --oversubscribe -n 2 "$program" train cnn-ae --distributed mpi --steps 1 \
    --out "$place/never" 2>&1 || true)
if [ "$(grep -c 'error: --distributed: mpi is not in this program' <<<"$said")" != 1 ] || [ -e "$place/never" ]; then
    echo "$said" >&2
    exit 1
fi

# With what GPUs need beside MPI, though there are none.
cargo clippy --quiet --lib --bins --features inkgrad/nccl -- -D warnings
cp "$(build inkgrad/nccl)" "$place/inkgrad"
# The other checks expect the one without.
build "" >/dev/null
python3 tests/ranks/check.py "$place/inkgrad" "$@"
