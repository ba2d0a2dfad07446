#!/usr/bin/env bash
# Runs aiokafka's own functional tests against a running broker: suite.sh HOST:PORT [FOLDER]
# FOLDER is a checkout of https://github.com/aio-libs/aiokafka at v0.14.0 (its source distribution has no tests); by default
# it is cloned. The broker wants num.partitions=2 and group.min.session.timeout.ms=500, as the suite's own has them.
# tests.deselect names what cannot pass; FINDINGS.md says why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=0.14.0
cache="${SLUICE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/aiokafka-$version"
if [ ! -e "$cache/complete" ]; then
  rm -rf "$cache" && mkdir -p "$cache/modules"
  if [ -n "${2:-}" ]; then
    cp -r "$2/tests" "$cache/tests"
  else
    git clone --quiet --depth 1 --branch "v$version" https://github.com/aio-libs/aiokafka "$cache/checkout"
    cp -r "$cache/checkout/tests" "$cache/tests"
  fi
  python3 -m venv --system-site-packages "$cache/venv"
  "$cache/venv/bin/pip" install --quiet "aiokafka[snappy,lz4,zstd]==$version" pytest pytest-asyncio pytest-mock pytest-timeout >&2
  # The suite starts its broker with Docker; ours runs already.
  cat > "$cache/modules/docker.py" <<'PYTHON'
class _Containers:
    Container = object


class models:
    containers = _Containers
PYTHON
  cat >> "$cache/tests/conftest.py" <<'PYTHON'


@pytest.fixture(scope="session")
def ssl_folder():
    return pathlib.Path("tests/ssl_cert")


@pytest.fixture(scope="class")
def kerberos_utils():
    return None


@pytest.fixture(scope="session")
def kafka_server():
    host, port = os.environ["KAFKA_ADDRESS"].rsplit(":", 1)
    yield KafkaServer(host, int(port), 0, 0, 0, None)
PYTHON
  touch "$cache/complete"
fi
# shellcheck source=Compat/deselect.sh
. "$here/../deselect.sh"
read_deselected "$here" tests
cd "$cache"
KAFKA_ADDRESS=$1 PYTHONPATH="$cache/modules" venv/bin/python -m pytest --docker-image sluice:2.13_4.0.0 --no-pull \
  tests/test_client.py tests/test_admin.py tests/test_producer.py tests/test_consumer.py tests/test_coordinator.py \
  tests/test_fetcher.py tests/test_pep492.py tests/test_transactional_producer.py tests/test_transactional_consumer.py \
  --quiet -p no:cacheprovider --timeout 90 --tb=short "${deselect[@]}"
echo DONE
