#!/usr/bin/env bash
# Everything that has to be seen on a machine with an NVIDIA GPU, in one call of ten minutes. The machine may have no Rust and
# no checkout: benches/gpu_pack.sh gathers what this needs in one folder, this script among it.
#
#     OUT=results gpu_check.sh [FOLDER]        # FOLDER: what gpu_pack.sh filled, by default where this script lies
#
# In this order: the machine; the kernels against the CPU, whole steps and runs; our times of training steps in fp32 and tf32;
# times kernel by kernel (ncu); PyTorch's times (eager, compiled, whole step captured; TF32 at its default, off, on), whose
# compiler's cache is warmed while the tests run; compute-sanitizer. Each part has a time limit, and what it found is in $OUT
# (by default ./gpu-check-<date>) as soon as it is known, so that a run that is cut off still tells something.
#
# summary.txt has a line for each part: passed, FAILED, TIMED OUT, MISSING (a program that is not there), LEFT OUT (no time
# left). The other files: machine.txt, tests.txt, ours.tsv, kernels.csv, peer.tsv, peer.log, sanitizers.txt.
# Exit status: 0 if all that could run passed, 1 if a part failed or ran out of time, 2 if there is nothing to run on.
#
# LIMIT: seconds for everything (570). PYTHON: a Python with PyTorch (python3). GPU_CHECK_DEVICE=emulated rehearses the whole
# on the emulator, with tiny batches: its times mean nothing.
set -uo pipefail

refuse() { printf 'error: %s\n' "$1" >&2; exit 2; }

on=${GPU_CHECK_DEVICE:-cuda}
case $on in
    # An idle GPU's clock is a fifth of its highest: a hundred steps wake it up.
    cuda) note='' warm=100 steps=300 batch=() tests=(--include-ignored --skip mutants) ;;
    emulated) note=' (rehearsed without it)' warm=1 steps=1 batch=(--batch-size 2) tests=(bank_conflicts) ;;
    *) refuse "GPU_CHECK_DEVICE: found $on, expected cuda or emulated" ;;
esac

# A line `model precision median least` of one model's steps, after those that wake the GPU up.
ours() {
    printf '%s\n%s\n\n' "$warm" "$steps" |
        "$1/inkgrad" bench --paced --model "$2" --precision "$3" --device "$on" "${batch[@]}" |
        grep '"ms"' | tail -n 1 | tr -d '[:space:]' | sed 's/.*"ms":\[\([^]]*\)\].*/\1\n/' | tr , '\n' | sort -g |
        awk -v model="$2" -v precision="$3" '
            { ms[NR] = $1 }
            END {
                if (NR == 0) exit 1
                printf "%s\t%s\t%.4f\t%.4f\n", model, precision, (ms[int((NR + 1) / 2)] + ms[int(NR / 2) + 1]) / 2, ms[1]
            }'
}
if [ "${1:-}" = --ours ]; then
    ours "$2" "$3" "$4"
    exit
fi

[ $# -le 1 ] || refuse "found $# arguments, expected at most the folder that benches/gpu_pack.sh filled"
folder=$(realpath "${1:-$(dirname "$0")}") || refuse "$1: no such folder"
inkgrad=$folder/inkgrad device=$folder/device
for program in "$inkgrad" "$device"; do
    [ -x "$program" ] || refuse "$program: no program that can be run; benches/gpu_pack.sh fills a folder with it"
done
out=${OUT:-gpu-check-$(date +%F)}
mkdir -p "$out" || refuse "$out: cannot be made"
out=$(realpath "$out")
limit=${LIMIT:-570}
[[ $limit =~ ^[1-9][0-9]*$ ]] || refuse "LIMIT: found $limit, expected a number of seconds"
python=${PYTHON:-python3}
models=(lstm-ae cnn-ae rnn-vae cnn-vae cvae classifier)
names=$(IFS=, && echo "${models[*]}")

summary=$out/summary.txt
: >"$summary"
tell() { printf '%s\n' "$*" | tee -a "$summary"; }
left() { echo $((limit - SECONDS)); }

failed=0
# part NAME SECONDS FILE COMMAND…: runs a command within its time and what is left of all; its output goes to the end of FILE.
part() {
    local name=$1 seconds=$2 file=$3 started=$SECONDS status
    shift 3
    [ "$(left)" -lt "$seconds" ] && seconds=$(left)
    if [ "$seconds" -lt 5 ]; then
        tell "LEFT OUT   $name: $(left) s are left"
        return
    fi
    printf '\n== %s\n' "$name" >>"$file"
    timeout -k 5 "$seconds" "$@" >>"$file" 2>&1 </dev/null
    status=$?
    case $status in
        0) tell "passed     $name ($((SECONDS - started)) s)" ;;
        124 | 137) tell "TIMED OUT  $name: after $seconds s"; failed=$((failed + 1)) ;;
        *) tell "FAILED     $name: status $status, $(tail -n 1 "$file" | cut -c 1-200)"; failed=$((failed + 1)) ;;
    esac
    return "$status"
}
missing() { tell "MISSING    $1: $2 is not found"; }

# The machine.
{
    date -u +%FT%TZ
    [ -e "$folder/PACKED" ] && cat "$folder/PACKED"
    timeout 20 "$inkgrad" --version
    timeout 60 "$inkgrad" devices
    uname -srm
    nproc
    if command -v nvidia-smi >/dev/null; then timeout 20 nvidia-smi; else echo "nvidia-smi is not found"; fi
    for tool in ncu compute-sanitizer "$python"; do
        printf '%s: ' "$tool"
        if command -v "$tool" >/dev/null; then timeout 20 "$tool" --version 2>&1 | tail -n 1; else echo "not found"; fi
    done
} >"$out/machine.txt" 2>&1
detail=$(timeout 60 "$inkgrad" devices | awk -v on="$on" '$1 == on { sub(/^[a-z]+ +/, ""); gsub(/  +/, " "); print }')
case $detail in
    "not usable "*) tell "nothing to run on: ${detail#not usable }"; exit 2 ;;
    "usable "*) tell "$(date -u +%FT%TZ) ${detail#usable }" ;;
    *) tell "nothing to run on: \`inkgrad devices\` does not tell of $on"; exit 2 ;;
esac

# PyTorch's compiler fills its cache beside the tests, which it does not disturb but in time.
warming=
cache=$(mktemp -d)
export TORCHINDUCTOR_CACHE_DIR=$cache TORCHINDUCTOR_FX_GRAPH_CACHE=1
trap '[ -n "$warming" ] && kill "$warming" 2>/dev/null; rm -rf "$cache"' EXIT
peer=
if ! command -v "$python" >/dev/null; then
    missing "PyTorch's times" "$python"
elif ! timeout 60 "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' >"$out/peer.log" 2>&1; then
    missing "PyTorch's times" "a PyTorch that sees the GPU, in $python,"
else
    peer=1
    nice -n 10 timeout -k 5 240 "$python" "$folder/gpu_steps.py" --models "$names" --mode compile --warm-up 1 --steps 1 \
        >>"$out/peer.log" 2>&1 </dev/null &
    warming=$!
fi

export INKGRAD_TEST_DEVICE=$on
part "operations, steps and runs against the CPU; graph against no graph" 180 "$out/tests.txt" \
    "$device" "${tests[@]}" --nocapture --test-threads 1

# Nothing else may run beside what is timed.
if [ -n "$warming" ]; then
    started=$SECONDS
    while kill -0 "$warming" 2>/dev/null && [ $((SECONDS - started)) -lt 60 ]; do sleep 1; done
    kill "$warming" 2>/dev/null && tell "           PyTorch's compiler was stopped after 60 s more: its times begin with compiling"
    wait "$warming" 2>/dev/null
    warming=
fi

# A part runs a command, so that it can be stopped; for our steps `gpu_check.sh --ours FOLDER MODEL PRECISION`.
export GPU_CHECK_DEVICE=$on
printf 'model\tprecision\tmedian ms\tleast ms\n' >"$out/ours.tsv"
: >"$out/kernels.csv"
for precision in fp32 tf32; do
    for model in "${models[@]}"; do
        part "our steps: $model, $precision" 40 "$out/ours.tsv" bash "$0" --ours "$folder" "$model" "$precision"
    done
done
# The lines of the table alone.
table=$(awk -F '\t' 'NF == 4' "$out/ours.tsv")
printf '%s\n' "$table" >"$out/ours.tsv"

# Kernel by kernel. The clock stays as it is: locked to its base it tells of another GPU.
if [ "$on" = cuda ] && ! command -v ncu >/dev/null; then
    missing "times kernel by kernel" ncu
else
    for model in "${models[@]}"; do
        profiler=(ncu --graph-profiling node --clock-control none --csv --print-units base)
        profiler+=(--metrics gpu__time_duration.sum)
        [ "$on" = emulated ] && profiler=()
        part "ncu, kernel by kernel: $model$note" 30 "$out/kernels.csv" \
            "${profiler[@]}" "$inkgrad" bench --model "$model" --device "$on" --steps 1 "${batch[@]}"
    done
    # Of each model the sum of each kernel's times over its four steps (three to warm up), in µs; ncu tells ns.
    awk -F '","' '
        /^== / { model = $NF; sub(/^.*: /, "", model); sub(/ \(.*/, "", model) }
        /gpu__time_duration.sum/ { value = $NF; gsub(/[",]/, "", value); name = $5; us[model "\t" name] += value / 1000 }
        END { for (key in us) printf "%s\t%.2f\n", key, us[key] / 4 }' "$out/kernels.csv" |
        sort -t "$(printf '\t')" -k 1,1 -k 3,3gr | awk -F '\t' '
            $1 != model { model = $1; n = 0; print "µs a step of " model ":" }
            n++ < 6 { printf "    %-32s %10.2f\n", $2, $3 }' | tee -a "$summary"
fi

printf 'model\tmode\ttf32\tmedian ms\tleast ms\n' >"$out/peer.tsv"
if [ -n "$peer" ]; then
    for mode in graph eager compile; do
        part "PyTorch's steps: $mode" 100 "$out/peer.log" \
            "$python" "$folder/gpu_steps.py" --models "$names" --mode "$mode" --warm-up "$warm" --steps "$steps" --out "$out/peer.tsv"
    done
fi
# Ours, PyTorch's at its own defaults, and the best of those over ours in fp32: above 1, ours is faster.
tell "$(awk -F '\t' '
    function cell(x) { return x == "" ? "-" : sprintf("%.3f", x) }
    FNR == 1 { next }
    !($1 in seen) { seen[$1]; order[++n] = $1 }
    FILENAME ~ /ours/ { ours[$1, $2] = $3; next }
    $3 == "default" { ms[$1, $2] = $4; if (!($1 in best) || $4 + 0 < best[$1]) best[$1] = $4 + 0 }
    END {
        row = "%-12s %10s %10s %10s %10s %10s %s"
        printf row "\n", "ms a step", "fp32", "tf32", "eager", "compiled", "captured", "best/fp32"
        for (i = 1; i <= n; i++) {
            m = order[i]
            ratio = (m in best) && ours[m, "fp32"] > 0 ? sprintf("%.2f", best[m] / ours[m, "fp32"]) : "-"
            printf row "\n", m, cell(ours[m, "fp32"]), cell(ours[m, "tf32"]), cell(ms[m, "eager"]), cell(ms[m, "compile"]),
                cell(ms[m, "graph"]), ratio
        }
    }' "$out/ours.tsv" "$out/peer.tsv")"

# For memcheck each buffer of a launch has an allocation of its own: the arena is one, within which it could not see an overrun.
# Only a test that launches kernels.
if [ "$on" = cuda ] && ! command -v compute-sanitizer >/dev/null; then
    missing "compute-sanitizer, four tools" compute-sanitizer
else
    for tool in memcheck initcheck racecheck synccheck; do
        apart=0
        [ "$tool" = memcheck ] && apart=1
        sanitizer=(compute-sanitizer --tool "$tool" --error-exitcode 1)
        [ "$on" = emulated ] && sanitizer=()
        part "compute-sanitizer, $tool$note" 60 "$out/sanitizers.txt" \
            env INKGRAD_TEST_APART=$apart "${sanitizer[@]}" "$device" chosen_cases_agree --test-threads 1
    done
fi

if [ "$failed" -eq 0 ]; then tell "all that could run passed, in $SECONDS s"; else tell "$failed failed, in $SECONDS s"; fi
exit "$((failed > 0))"
