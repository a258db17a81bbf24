#!/usr/bin/env bash
# Pin anew what pyproject.toml asks for: requirements.lock (the pipeline) and requirements-dev.lock (tests and linters).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder"
pins() { "$folder/bin/pip" freeze --exclude spanline | sed -E 's/^(torch==[0-9.]+)\+.*/\1/' | LC_ALL=C sort; }
# torch is pinned by hand: plain pip then takes whichever build of it (CPU, CUDA) the package index at hand has.
"$folder/bin/pip" install --quiet torch==2.13.0 .
pins > requirements.lock
"$folder/bin/pip" install --quiet '.[dev]'
pins | grep -vxFf requirements.lock > requirements-dev.lock
