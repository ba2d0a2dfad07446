#!/usr/bin/env bash
# Runs kafka-python's own integration tests (from its source distribution) against a running broker: suite.sh HOST:PORT
# The broker wants num.partitions=4, node.id=0, group.min.session.timeout.ms=500 and advertised.listeners in its settings,
# as the suite's own has them.
# tests.deselect names what cannot pass; FINDINGS.md says why. Needs pytest; fetches what it needs into a folder of its own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=3.0.12
cache="${SLUICE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/kafka-python-$version"
if [ ! -e "$cache/complete" ]; then
  mkdir -p "$cache"
  python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$cache" "kafka-python==$version" >&2
  tar -xzf "$cache"/kafka_python-"$version".tar.gz -C "$cache" --strip-components=1
  python3 -m venv --system-site-packages "$cache/venv"
  "$cache/venv/bin/pip" install --quiet pytest pytest-mock pytest-timeout >&2
  # What the distribution leaves out of its tests; with a broker that runs already nothing is started.
  touch "$cache/test/__init__.py"
  cat > "$cache/test/service.py" <<'PYTHON'
class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def close(self):
        pass


class SpawnedService:
    pass
PYTHON
  mkdir -p "$cache/servers/4.3.0/kafka-bin" "$cache/servers/resources/default"
  touch "$cache/complete"
fi
# shellcheck source=Compat/deselect.sh
. "$here/../deselect.sh"
read_deselected "$here" test/integration
cd "$cache"
KAFKA_VERSION=4.3.0 KAFKA_URI="kafka://$1" venv/bin/python -m pytest test/integration/test_producer_integration.py \
  test/integration/test_consumer_integration.py test/integration/test_admin_integration.py \
  --quiet -p no:cacheprovider --timeout 60 --tb=short -o log_level=WARNING "${deselect[@]}"
echo DONE
