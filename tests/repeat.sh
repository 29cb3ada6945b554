#!/usr/bin/env bash
# Every property test many times on one tree, each time with other cases: `tests/repeat.sh N [FILTER]` runs those whose
# binary and name hold FILTER (an extended regular expression) with the seeds 1 to N, each with its own number of cases unless
# PROPTEST_CASES says another. Prints a line for each seed, and the output of each failure; exit status 1 if there was one, 2 if nothing
# could be run.
#
# INKGRAD_SEED=S begins at S. INKGRAD_JOBS=J runs J seeds at a time (all processors), each on one thread. INKGRAD_LOG=FILE keeps the
# lines, and seeds that passed are not run again: interrupted, the same command goes on where it stopped. A log is of one commit, without
# changes to it, and of one FILTER and number of cases.
set -euo pipefail
export INKGRAD_LOG=$(realpath "${INKGRAD_LOG:-/dev/null}")
log=$INKGRAD_LOG
cd "$(dirname "$0")/.."
times=${1:?expected how many times} filter=${2:-.} first=${INKGRAD_SEED:-1}
# Optimised, which takes longer to build and half the time to run, with the assertions and the checks of overflow that tests have; apart
# from what `cargo test` and `cargo build --release` have built.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/repeat
build=(--release --config profile.release.debug-assertions=true --config profile.release.overflow-checks=true
    --config profile.release.package.inkgrad-tests.opt-level=3
    --features inkgrad-engine/proptest -p inkgrad-kernels -p inkgrad-engine -p inkgrad-models -p inkgrad-tests)

# FILE NAME of what stands in a `proptest!` or a `gradient_property!`, and of the tests of properties themselves.
properties() {
    find kernels/tests engine/src models/src tests/tests -name '*.rs' -print0 | xargs -0 awk '
        FNR == 1 { inside = 0 }
        /^ *(proptest|gradient_property)! \{/ { inside = 1; match($0, /^ */); indent = RLENGTH; next }
        inside && match($0, /^ *\}/) && RLENGTH == indent + 1 { inside = 0 }
        /^ *#\[test\]/ { test = 1; next }
        test && match($0, /fn [a-z0-9_]+/) {
            if (inside || FILENAME == "engine/src/property/tests.rs") print FILENAME, substr($0, RSTART + 3, RLENGTH - 3)
            test = 0
        }'
}

# BINARY-SOURCE EXECUTABLE, as cargo names them.
executables() {
    cargo test "${build[@]}" --lib --tests --no-run 2>&1 | tee /dev/stderr |
        sed -nE 's/^ *Executable (unittests )?([^ ]+) \((.*)\)$/\2 \3/p'
}

# One seed through the lines FOLDER EXECUTABLE TEST… of the file.
seed() {
    local seed=$1 plan=$2 log=$3 started=$SECONDS failed=0 folder executable output
    local -a names
    while read -r folder executable names; do
        read -ra names <<<"$names"
        output=$(cd "$folder" &&
            PROPTEST_RNG_SEED=$seed "$executable" --include-ignored --exact "${names[@]}" --test-threads 1 2>&1) &&
            grep -q "^test result: ok. ${#names[@]} passed" <<<"$output" && continue
        failed=$((failed + 1))
        printf 'PROPTEST_RNG_SEED=%s %s\n%s\n' "$seed" "${executable##*/}" "$output"
    done <"$plan"
    [ $failed = 0 ] && echo "$seed ok $((SECONDS - started)) s" | tee -a "$log" && return
    echo "$seed failed" | tee -a "$log"
    return 1
}
if [ "${3:-}" = one ]; then
    seed "$4" "$5" "$6"
    exit
fi

built=$(executables)
declare -A tests=() folders=()
while read -r file name; do
    crate=${file%%/*}
    case $file in
    */src/*) root=src/lib.rs path=${file#*/src/} ;;
    */tests/*/*) root=tests/$(cut -d/ -f3 <<<"$file")/main.rs path=${file#*/tests/*/} ;;
    *) root=${file#*/} path= ;;
    esac
    path=${path%.rs} path=${path%/mod} path=${path//\//::}
    executable=$(awk -v root="$root" -v crate="inkgrad_$crate-" \
        '$1 == root && (root != "src/lib.rs" || index($2, crate)) { print $2 }' <<<"$built")
    executable=$(realpath "$executable")
    full=$("$executable" --list 2>/dev/null | sed -nE "s/^(${path:+$path::}([a-z_]+::)?$name): test$/\1/p")
    [ "$(wc -w <<<"$full")" = 1 ] || { echo "$file: $name is no single test of $executable" >&2; exit 2; }
    if grep -qE -- "$filter" <<<"${executable##*/} $full"; then
        tests[$executable]+=" $full" folders[$executable]=$crate
    fi
done < <(properties)
[ ${#tests[@]} -gt 0 ] || { echo "no property is called $filter" >&2; exit 2; }

plan=$(mktemp)
trap 'rm -f "$plan"' EXIT
for executable in "${!tests[@]}"; do
    echo "${folders[$executable]} $executable${tests[$executable]}" >>"$plan"
done
if [ "$log" != /dev/null ]; then
    [ -z "$(git status --porcelain)" ] || { echo "a log is of a commit, expected no changes to it" >&2; exit 2; }
    what="commit $(git rev-parse HEAD), filter $filter, cases ${PROPTEST_CASES:-of each test}"
    [ -s "$log" ] || echo "$what" >"$log"
    [ "$(head -n 1 "$log")" = "$what" ] || { echo "$log: is of $(head -n 1 "$log"), expected $what" >&2; exit 2; }
fi
{ seq "$first" $((first + times - 1)) | grep -vxFf <(sed -n 's/ ok .*//p' "$log") || true; } |
    RUST_TEST_THREADS=1 xargs -P "${INKGRAD_JOBS:-$(nproc)}" -I SEED tests/repeat.sh 1 "" one SEED "$plan" "$log" || exit 1
