#!/bin/sh
# venv.sh PYTHON VENV REQUIREMENTS: make the virtual environment if there's none, and install the pinned, hashed set.
set -eu
python=$1 venv=$2 requirements=$3
"$python" - <<'PY' || { echo "Holdfast needs Python 3.11 or newer: apt-get install python3, or make PYTHON=/path/to/python3.11" >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" 2>/dev/null; then
        rm -rf "$venv"
        "$(dirname "$0")/debian.sh" python3-venv
        "$python" -m venv "$venv"
    fi
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$requirements"
# editable, without looking at any registry: every dependency is already there, hatchling among them
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
