#!/usr/bin/env bash
# Every property test many times on one tree, each time with other cases: `tests/repeat.sh N [FILTER]` runs those whose
# binary and name hold FILTER (an extended regular expression) with the seeds 1 to N, each with its own number of cases unless
# PROPTEST_CASES says another. INKGRAD_SEED=S begins at S instead. Prints the seed and the output of each failure; exit status 1 if
# there was one, 2 if nothing could be run.
set -euo pipefail
cd "$(dirname "$0")/.."
times=${1:?expected how many times} filter=${2:-.} first=${INKGRAD_SEED:-1}
# As .ci/run builds its tests, so that they are built once.
features=inkgrad-engine/proptest,inkgrad/tui

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
    cargo test --features "$features" --lib --tests --no-run 2>&1 | tee /dev/stderr |
        sed -nE 's/^ *Executable (unittests )?([^ ]+) \((.*)\)$/\2 \3/p'
}

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

failed=0
for executable in "${!tests[@]}"; do
    read -ra names <<<"${tests[$executable]}"
    started=$SECONDS
    for ((seed = first; seed < first + times; seed++)); do
        output=$(cd "${folders[$executable]}" &&
            PROPTEST_RNG_SEED=$seed "$executable" --include-ignored --exact "${names[@]}" --test-threads "${RUST_TEST_THREADS:-1}" 2>&1) &&
            grep -q "^test result: ok. ${#names[@]} passed" <<<"$output" && continue
        failed=$((failed + 1))
        printf 'seed %s of %s\n%s\n' "$seed" "${executable##*/}" "$output"
    done
    printf '%s: %s times in %s s: %s\n' "${executable##*/}" "$times" $((SECONDS - started)) "${names[*]}"
done
[ $failed = 0 ] || { echo "$failed runs failed"; exit 1; }
