#!/usr/bin/env bash
# Miri, AddressSanitizer and ThreadSanitizer over the tests of kernels and engine: `tests/sanitize.sh [miri|address|thread ...]`,
# all three without names. Needs `rustup toolchain install nightly --component miri,rust-src`. A check that cannot run here is
# reported as not run, never as passed; the exit status is 1 if one found something, 3 if none did but one was not run.
#
# Miri interprets, some thousand times slower than the processor, so it runs where there is `unsafe` (INKGRAD_MIRI: filters of
# tests), one case a property, on the code for any processor (it knows no detection of AVX). The sanitizers run everything.
set -uo pipefail
cd "$(dirname "$0")/.."
checks=("$@")
[ ${#checks[@]} -gt 0 ] || checks=(miri address thread)
host=$(rustc -vV | sed -n 's/^host: //p')
components=$(rustup component list --toolchain nightly --installed 2>/dev/null || true)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/sanitize" CARGO_PROFILE_DEV_DEBUG=line-tables-only
status=0 summary=()

has() { grep -q "^$1" <<<"$components"; }

note() { # name, exit status of the check
    if [ "$2" = 0 ]; then summary+=("$1: passed"); else summary+=("$1: FAILED"); status=1; fi
}

for check in "${checks[@]}"; do
    case $check in
    miri)
        if ! has miri || ! has rust-src; then
            summary+=("miri: not run (no component miri or rust-src of nightly here)"); continue
        fi
        found=0
        for filter in ${INKGRAD_MIRI:-team:: matrix:: threads::}; do
            # Tree Borrows, as crossbeam-epoch (below rayon) is known to break the rules of Stacked Borrows. Threads that work
            # together break both in rayon, whose scope frees its latch while a helper is about to leave it: there, races,
            # lifetimes and bounds are checked and aliasing is not.
            case $filter in team*) aliasing=-Zmiri-disable-stacked-borrows ;; *) aliasing=-Zmiri-tree-borrows ;; esac
            PROPTEST_CASES=1 INKGRAD_ISA=generic \
                MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks $aliasing -Zmiri-permissive-provenance" \
                cargo +nightly miri test -p inkgrad-kernels --test cpu -- "$filter" || found=1
        done
        note miri $found
        ;;
    address | thread)
        if ! has rust-src; then
            summary+=("$check: not run (no component rust-src of nightly here)"); continue
        fi
        # The standard library as well, so that its synchronisation is seen.
        ASAN_OPTIONS=detect_leaks=0 PROPTEST_CASES="${PROPTEST_CASES:-4}" RUSTFLAGS="-Zsanitizer=$check" \
            cargo +nightly test -Zbuild-std --target "$host" -p inkgrad-kernels -p inkgrad-engine --lib --tests
        note "$check" $?
        ;;
    *)
        echo "no check $check, expected miri, address or thread" >&2
        exit 2
        ;;
    esac
done
printf '\n'
printf '%s\n' "${summary[@]}"
case "${summary[*]}" in *"not run"*) [ $status = 0 ] && status=3 ;; esac
exit $status
