#!/usr/bin/env bash
# test.sh short|long: runs the tests, after `swift build --build-tests` with the flags in SWIFT_TEST_FLAGS.
#
# Each target has a process of its own, the integration tests have several: many tests wait for foreign programs and
# servers, and would hold up each other's time limits. Two processes more than there are cores run at a time (LANES says
# otherwise), the ones that take longest first. `long` runs the tests that take a minute each, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

long_suites='WorkerGroupChaosTests|DatabaseAwayTests|ExactlyOnceTests|TransactionDurabilityTests|FuzzTests'

# Each line: a name, and what `swift test --filter` makes of the rest.
short_runs() {
    local durable='DurabilityTests|ClientTransactionTests|GroupTests|ForeignBrokerTests'
    local tutorial='TutorialWalkTests|CrashTests'
    echo "ConnectSQLTests ^ConnectSQLTests."
    echo "Integration:tutorial ^IntegrationTests.($tutorial)/"
    echo "KafkaBrokerTests ^KafkaBrokerTests."
    echo "Integration:durable ^IntegrationTests.($durable)/"
    echo "Integration:rest ^IntegrationTests.(?!($tutorial|$durable)/)"
    for target in KafkaClient ConnectRuntime CLI KafkaProtocol KafkaStorage KafkaService TransportSecurity ConnectAPI \
        ConnectFiles Tidy; do
        echo "${target}Tests ^${target}Tests."
    done
}

long_runs() {
    tr '|' '\n' <<<"$long_suites" | while read -r suite; do echo "$suite [.]$suite/"; done
}

run() { # run KIND NAME FILTER: one process
    local kind=$1 name=$2 filter=$3 log=.build/test-logs/$2.log began=$SECONDS
    local skip=()
    [ "$kind" = long ] || skip=(--skip "\\.($long_suites)/")
    # The test program itself: `swift test` would plan the whole build again for every process.
    local program=(.build/debug/*PackageTests.xctest)
    if [ -f "${program[0]}" ]; then
        program+=(--testing-library swift-testing)
    else
        read -ra flags <<<"${SWIFT_TEST_FLAGS:-}"
        program=(swift test --skip-build --ignore-lock "${flags[@]}")
    fi
    if "${program[@]}" --filter "$filter" "${skip[@]}" >"$log" 2>&1; then
        printf '  %-22s %4s tests passed in %3d s\n' "$name" \
            "$(sed -n 's/.*Test run with \([0-9]*\) tests\{0,1\} .* passed .*/\1/p' "$log")" $((SECONDS - began))
    else
        printf '  %-22s FAILED after %d s, %s:\n' "$name" $((SECONDS - began)) "$log"
        grep -E '✘|recorded an issue|error:|Fatal|Caught signal|signal code' "$log" | head -40 || tail -20 "$log"
        return 1
    fi
}

kind=${1:?short or long}
shift
if [ "${1:-}" = --run ]; then
    run "$kind" "${@:2}"
    exit
fi
mkdir -p .build/test-logs
"${kind}_runs" >.build/test-logs/runs
for folder in Tests/*/; do
    target=$(basename "$folder")
    compgen -G "$folder*.swift" >/dev/null || continue
    [ "$kind" = long ] || grep -qF " ^$target." .build/test-logs/runs || {
        echo "scripts/test.sh does not run $target" >&2
        exit 1
    }
done
echo "Running the $kind tests in $(wc -l <.build/test-logs/runs) processes; it takes about two minutes on two cores."
xargs -a .build/test-logs/runs -P "${LANES:-$(($(getconf _NPROCESSORS_ONLN) + 2))}" -L 1 "$0" "$kind" --run || {
    echo 'Some tests failed; their whole output is in .build/test-logs.' >&2
    exit 1
}
echo "All $kind tests passed in $SECONDS s."
