#!/usr/bin/env bash
# Has schemathesis (PyPI) make requests of the worker's OpenAPI document and hold the answers to it: run.sh SLUICE
# Answers that the document does not name, that have another form, or that are server errors fail.
set -euo pipefail
sluice=$1
folder=$(mktemp -d)
trap 'kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT
"$sluice" up --data-dir "$folder/data" --port 0 --rest-port 0 --ready-file "$folder/ready" > "$folder/log" 2>&1 &
pid=$!
until [ -s "$folder/ready" ]; do sleep 0.1; done
rest=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["rest"])' "$folder/ready")
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet schemathesis
# A request that fits the document may still be refused: what connectors there are is not in it.
"$folder/venv/bin/schemathesis" run "$rest/openapi.json" --phases examples,coverage,fuzzing --max-examples 15 \
  --continue-on-failure --request-timeout 20 --exclude-checks positive_data_acceptance
