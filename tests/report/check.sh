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

skip() { echo "not looked at: $*"; exit 0; }

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }
if ! find_chromium >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update -qq && apt-get install -y -qq chromium; } >/dev/null 2>&1 || true
fi
chromium=$(find_chromium) || skip "no Chromium here, and it cannot be installed"
command -v node >/dev/null || skip "no Node.js here"
command -v npm >/dev/null || skip "no npm here"

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
npm pack --silent axe-core@4.14.1 >/dev/null 2>&1 || skip "npm cannot fetch axe-core"
tar xzf axe-core-*.tgz package/axe.min.js

# Class names that somebody else chose.
"$program" data synth --n 400 --out d >/dev/null
cat > d/classes.txt <<'NAMES'
</script><script>alert(1)</script>
"><img src=x onerror=alert(1)>
it's {{data}} | *more* & more
ארנב
a name that goes on for rather longer than the side of a telephone's screen would like names of classes to
NAMES
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
