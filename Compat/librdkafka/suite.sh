#!/usr/bin/env bash
# Runs confluent-kafka's own integration tests against a broker that runs with suite.properties:
# suite.sh HOST:PORT HOST:PORT-WITH-SASL [FOLDER] [consumer]
# FOLDER is a checkout of https://github.com/confluentinc/confluent-kafka-python at v2.15.0 (the wheel has no tests); without
# one, or if it is empty, it is cloned. With `consumer` groups use KIP-848. tests.deselect names what cannot pass;
# FINDINGS.md says why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=2.15.0
cache="${SLUICE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/confluent-kafka-$version"
if [ ! -e "$cache/complete" ]; then
  rm -rf "$cache" && mkdir -p "$cache/modules/trivup/clusters"
  if [ -n "${3:-}" ]; then
    cp -r "$3/tests" "$cache/tests"
  else
    git clone --quiet --depth 1 --branch "v$version" https://github.com/confluentinc/confluent-kafka-python "$cache/checkout"
    cp -r "$cache/checkout/tests" "$cache/tests"
  fi
  python3 -m venv --system-site-packages "$cache/venv"
  "$cache/venv/bin/pip" install --quiet "confluent-kafka[schemaregistry,avro,protobuf,json]==$version" pytest pytest-asyncio \
    pytest-timeout >&2
  # The suite starts its brokers with trivup and a JVM; ours runs already.
  echo 'class KafkaCluster: pass' > "$cache/modules/trivup/clusters/KafkaCluster.py"
  cat >> "$cache/tests/integration/conftest.py" <<'PYTHON'


@pytest.fixture(scope="session")
def sasl_cluster():
    yield ByoFixture({
        "bootstrap.servers": os.environ["SASL_BROKERS"], "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN", "sasl.username": "sasl_user", "sasl.password": "sasl_user"})
PYTHON
  # The only test that gets its cluster by way of a parameter.
  sed -i '/parametrize(.sasl_cluster./d' "$cache/tests/integration/admin/test_describe_operations.py"
  touch "$cache/complete"
fi
# shellcheck source=Compat/deselect.sh
. "$here/../deselect.sh"
read_deselected "$here" tests/integration
cd "$cache"
# Kafka 4.1 and later have this setting from the start (KIP-966), and the suite expects it.
venv/bin/python - "$1" <<'PYTHON'
import sys

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

change = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[
    ConfigEntry("min.insync.replicas", "1", incremental_operation=AlterConfigOpType.SET)])
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
admin.incremental_alter_configs([change])[change].result(10)
PYTHON
BROKERS=$1 SASL_BROKERS=$2 TEST_CONSUMER_GROUP_PROTOCOL=${4:-classic} PYTHONPATH="$cache/modules:$cache" venv/bin/python -m pytest \
  tests/integration/admin tests/integration/consumer tests/integration/producer \
  --quiet -p no:cacheprovider --timeout 120 --tb=short "${deselect[@]}"
echo DONE
