#!/usr/bin/env bash
# Makes pages of `inkgrad emulate --html` and looks at them in headless Chromium, with axe-core: check.mjs says what for.
#
#     tests/stepper/check.sh PROGRAM [FOLDER FOR SCREENSHOTS]
#
# Needs Node.js with npm and Chromium (Debian's package `chromium`, which it installs where it may). Where they cannot be had it
# says so and checks nothing.
set -euo pipefail
program=$(realpath "$1")
shots=${2:+$(realpath -m "$2")}
here=$(dirname "$(realpath "$0")")

source "$here/../browser/setup.sh"

pages=()
page() {
    "$program" emulate "${@:2}" --trace --html "$1.html" >/dev/null
    pages+=("$1.html")
}
page axpy axpy --n 40 --warp 1
page transpose transpose --n 32
page gemm gemm --n 32
page lstm lstm_backward
page tensor lstm_small_forward
# Rows of 32 words instead of 33: each column lies in one bank. And numbers that are overwritten too early.
sed -e 's/\[4224\]/[4096]/' -e 's/, 33, /, 32, /' "$here/../../kernels/ptx/layout.ptx" > conflicts.ptx
page conflicts transpose --n 32 --ptx conflicts.ptx
cp "$here/race.ptx" .
if "$program" emulate add --n 64 --ptx race.ptx --trace --html race.html >/dev/null 2>&1; then
    echo "the race was not found" >&2
    exit 1
fi
pages+=(race.html)
node "$here/check.mjs" "$chromium" package/axe.min.js "${pages[@]}" ${shots:+--shots "$shots"}
