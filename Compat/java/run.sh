#!/usr/bin/env bash
# Runs one of the programs here against a broker: run.sh Transactions HOST:PORT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1
shift
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx256m -cp "$("$here/../../scripts/java-clients.sh")" \
  "$here/$program.java" "$@"
