#!/usr/bin/env bash
# Gathers what has to be carried to a machine with an NVIDIA GPU, which may have neither Rust nor this checkout: the two
# programs, stripped, PyTorch's side of the comparison, and the check that runs them. One folder, which git ignores:
#
#     benches/gpu_pack.sh                                  # fills target/gpu-pack
#     OUT=results target/gpu-pack/gpu_check.sh             # there: everything in ten minutes (benches/gpu_check.sh)
#
# Exit status 0, or 1 if something does not build or the folder would be over 64 MiB.
set -euo pipefail
cd "$(dirname "$0")/.."

pack=target/gpu-pack
most=$((64 << 20))

cargo build --release --package inkgrad
# Cargo tells where the tests' program is in a line of JSON.
tests=$(cargo test --release --package inkgrad-tests --test device --no-run --message-format=json |
    sed -n 's/.*"name":"device".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -x "$tests" ] || { echo "error: cargo does not tell where the program of tests/tests/device is" >&2; exit 1; }

rm -rf "$pack"
mkdir -p "$pack"
cp "${CARGO_TARGET_DIR:-target}/release/inkgrad" "$pack/inkgrad"
cp "$tests" "$pack/device"
strip "$pack/inkgrad" "$pack/device"
cp benches/gpu_check.sh benches/peer/gpu_steps.py benches/peer/torch_models.py "$pack"

{
    echo "commit $(git rev-parse HEAD)$(git diff --quiet HEAD || echo ", with changes")"
    echo "built $(date -u +%FT%TZ) with $(rustc --version) for $(rustc -vV | sed -n 's/^host: //p')"
    # A machine with an older C library cannot start the programs.
    if command -v objdump >/dev/null; then
        newest=$(objdump -T "$pack/inkgrad" "$pack/device" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
        echo "needs ${newest/_/ }"
    fi
    (cd "$pack" && sha256sum -- *)
} >"$pack.txt"
mv "$pack.txt" "$pack/PACKED"

bytes=$(du -sb "$pack" | cut -f1)
if [ "$bytes" -gt "$most" ]; then
    echo "error: $pack has $bytes bytes, expected at most $most" >&2
    exit 1
fi
files=("$pack"/*)
echo "$pack: ${#files[@]} files, $((bytes >> 20)) MiB"
