#!/usr/bin/env bash
# Runs the tests of each target in a process of its own, after `swift build --build-tests`: many tests wait for foreign
# programs and servers, and would hold up each other's time limits. Arguments are passed to `swift test`.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=()
for folder in Tests/*/; do
    compgen -G "$folder*.swift" >/dev/null || continue
    target=$(basename "$folder")
    printf '== %s\n' "$target"
    swift test --skip-build --filter "^$target\\." "$@" || failed+=("$target")
done
if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed: %s\n' "${failed[*]}" >&2
    exit 1
fi
echo "all targets passed"
