#!/usr/bin/env bash
# Makes pages of `inkgrad explain` and looks at them in headless Chromium, with axe-core: check.mjs says what for.
#
#     tests/explain/check.sh PROGRAM [FOLDER FOR SCREENSHOTS]
#
# Needs Node.js with npm and Chromium (Debian's package `chromium`, which it installs where it may). Where they cannot be had it
# says so and checks nothing.
set -euo pipefail
program=$(realpath "$1")
shots=${2:+$(realpath -m "$2")}
here=$(dirname "$(realpath "$0")")

source "$here/../browser/setup.sh"
drawings

pages=()
page() {
    "$program" train "${@:2}" --data d --batch-size 32 --steps 60 --out "run-$1" >/dev/null 2>&1
    "$program" explain --run "run-$1" --out "$1.html" >/dev/null
    # The engine's outputs for the test drawings, beside the page.
    local images=(--run "run-$1" --images d/test_images.npy --out "$1.npy")
    if [ "$2" = classifier ]; then
        "$program" classify "${images[@]}" >/dev/null 2>&1
    else
        "$program" reconstruct "${images[@]}" --labels d/test_labels.npy >/dev/null 2>&1
    fi
    pages+=("$1.html")
}
page cnn-vae cnn-vae
page cvae cvae --condition both
page lstm-ae lstm-ae
page classifier classifier
node "$here/check.mjs" "$chromium" package/axe.min.js "${pages[@]}" ${shots:+--shots "$shots"}
