#!/usr/bin/env bash
# Everything that has to be seen on a machine with an NVIDIA GPU, which may have no Rust: the kernels against the CPU, a step
# launched as a graph against one launched kernel by kernel, compute-sanitizer where it is found, and the times of training
# steps beside PyTorch's on the same GPU. Needs two built programs:
#
#     cargo build --release --package inkgrad
#     cargo test --release --package inkgrad-tests --test device --no-run     # prints where its program is
#     benches/gpu_check.sh target/release/inkgrad target/release/deps/device-0123456789abcdef
#
# PyTorch's times need a `python3` with PyTorch (or $PYTHON). What is printed goes to benches/results/<date>-gpu-<name>.txt
# too. The exit status is 0 if every check that could be run passed, 1 if one failed, 2 if there is nothing to run on.
set -uo pipefail

refuse() { printf 'error: %s\n' "$1" >&2; exit 2; }

[ $# -eq 2 ] || refuse "expected two arguments: the programs inkgrad and device (the comparison's tests)"
for program in "$@"; do
    [ -x "$program" ] || refuse "$program: not a program that can be run"
done
inkgrad=$(realpath "$1") device=$(realpath "$2")
cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-python3}

detail=$("$inkgrad" devices | awk '$1 == "cuda"')
case $detail in
    *"not usable"*) refuse "no GPU to check: ${detail##*usable }" ;;
    *usable*) ;;
    *) refuse "$1: \`inkgrad devices\` does not tell of cuda" ;;
esac
name=$(sed 's/^cuda *usable *//' <<<"$detail")
slug=$(tr '[:upper:]' '[:lower:]' <<<"$name" | sed 's/[^a-z0-9]\{1,\}/-/g; s/^-//; s/-$//')
mkdir -p benches/results
out=benches/results/$(date +%F)-gpu-$slug.txt
n=1
while [ -e "$out" ]; do
    n=$((n + 1))
    out=benches/results/$(date +%F)-gpu-$slug-$n.txt
done

failed=0
# Runs a check; its lines are kept whether it passes or not.
check() {
    printf '\n== %s\n' "$1"
    shift
    "$@" 2>&1 || { printf 'FAILED\n'; failed=$((failed + 1)); }
}

# A step's times, in ms: ours, PyTorch's eager, PyTorch's compiled; in turn, so that all meet the same clock speed.
times() {
    local model ours eager compiled
    printf '%-12s %10s %10s %10s %10s\n' model inkgrad eager compiled 'ratio to the better'
    for model in lstm-ae cnn-ae rnn-vae cnn-vae cvae classifier; do
        ours=$("$inkgrad" bench --model "$model" --device cuda --steps 300 --json) || return 1
        eager=$("$python" benches/peer/torch_step.py --model "$model" --device cuda --steps 300) || return 1
        compiled=$("$python" benches/peer/torch_step.py --model "$model" --device cuda --steps 300 --compile) || return 1
        "$python" - "$model" "$ours" "$eager" "$compiled" <<'PYTHON' || return 1
import json, sys
model, ours, eager, compiled = sys.argv[1], *map(json.loads, sys.argv[2:])
ours, eager, compiled = ours["ms_per_step"], eager["ms_median"], compiled["ms_median"]
print(f"{model:12} {ours:10.3f} {eager:10.3f} {compiled:10.3f} {min(eager, compiled) / ours:10.2f}")
PYTHON
    done
}

run() {
    printf '%s, %s\n' "$name" "$(date -u +%FT%TZ)"
    "$inkgrad" --version
    command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv
    export INKGRAD_TEST_DEVICE=cuda
    (
        cd tests || exit 1
        check "operations, twenty steps of every network and runs against the CPU; two runs to the bit; graph against no graph" \
            "$device" --include-ignored --nocapture --test-threads 1 --skip mutants
        if command -v compute-sanitizer >/dev/null; then
            for tool in memcheck racecheck initcheck synccheck; do
                check "compute-sanitizer, $tool" \
                    compute-sanitizer --tool "$tool" --error-exitcode 1 "$device" operations --test-threads 1
            done
        else
            printf '\n== compute-sanitizer is not found, left out\n'
        fi
        exit "$failed"
    )
    failed=$?
    if "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
        check "milliseconds a training step" times
    else
        printf '\n== %s has no PyTorch that sees the GPU, its times are left out\n' "$python"
        check "milliseconds a training step" "$inkgrad" bench --device cuda --steps 300
    fi
    printf '\n== %s\n' "$([ "$failed" -eq 0 ] && echo "all passed" || echo "$failed failed")"
    return "$((failed > 0))"
}

run | tee "$out"
status=${PIPESTATUS[0]}
printf 'written to %s\n' "$out"
exit "$status"
