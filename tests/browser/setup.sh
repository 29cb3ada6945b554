# Sourced by the scripts that look at pages, with `program` set: finds `chromium`, or says what is missing and checks nothing; goes
# to a folder of its own, which has axe-core. `drawings` makes drawings `d` there, of classes with hostile names.

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
drawings() {
    "$program" data synth --n 400 --out d >/dev/null
    cat > d/classes.txt <<'NAMES'
</script><script>alert(1)</script>
"><img src=x onerror=alert(1)>
it's {{data}} | *more* & more
ארנב
a name that goes on for rather longer than the side of a telephone's screen would like names of classes to
NAMES
}
