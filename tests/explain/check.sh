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
it's {{data}} & more
ארנב
a name that goes on for rather longer than the side of a telephone's screen would like names of classes to
NAMES
pages=()
page() {
    "$program" train "${@:2}" --data d --batch-size 32 --steps 60 --out "run-$1" >/dev/null 2>&1
    "$program" explain --run "run-$1" --out "$1.html" >/dev/null
    pages+=("$1.html")
}
page cnn-vae cnn-vae
page cvae cvae --condition both
page lstm-ae lstm-ae
page classifier classifier
node "$here/check.mjs" "$chromium" package/axe.min.js "${pages[@]}" ${shots:+--shots "$shots"}
