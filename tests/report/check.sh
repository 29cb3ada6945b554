#!/usr/bin/env bash
# Makes reports and looks at them in headless Chromium, with axe-core, and in print: check.mjs says what for.
#
#     tests/report/check.sh PROGRAM [FOLDER FOR SCREENSHOTS] [REPORT.html…]
#
# Needs Node.js with npm and Chromium (Debian's package `chromium`, which it installs where it may); the pages of the print are
# drawn where poppler's pdftoppm is. Where they cannot be had it says so and checks nothing.
set -euo pipefail
program=$(realpath "$1")
shots=${2:+$(realpath -m "$2")}
more=()
for page in "${@:3}"; do more+=("$(realpath "$page")"); done
here=$(dirname "$(realpath "$0")")

source "$here/../browser/setup.sh"
drawings

train() { "$program" train "${@:2}" --data d --batch-size 32 --steps 40 --out "$1" >/dev/null 2>&1; }
train judge classifier --arch cnn
train cvae cvae --condition both
train ae cnn-ae
for beta in 1 4; do train "vae-$beta" cnn-vae --beta "$beta"; done
train vae-4-2 cnn-vae --beta 4 --seed 2
report() { "$program" report "${@:2}" --samples 50 --out "$1.html" >/dev/null 2>&1; }
# Six runs, three of one model; one run alone, whose judge is made on the spot.
report many judge cvae ae vae-1 vae-4 vae-4-2
report one ae
node "$here/check.mjs" "$chromium" package/axe.min.js many.html one.html "${more[@]}" ${shots:+--shots "$shots"}
