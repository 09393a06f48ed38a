#!/bin/sh
# lock.sh BIN: renew requirements/*.txt (pinned, hashed, no addresses) from pyproject.toml.
set -eu
bin=$1
compile() {
    output=$1
    shift
    "$bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        --output-file "$output" "$@"
}
compile requirements/runtime.txt --build-deps-for editable pyproject.toml
compile requirements/dev.txt --build-deps-for editable --extra dev --constraint requirements/runtime.txt pyproject.toml
