#!/bin/sh
# Registers the sink of compose.yaml: topic orders → table orders of the one database.
curl --fail-with-body --silent --show-error --retry 10 --retry-connrefused \
    -H 'Content-Type: application/json' "${CONNECT_URL:-http://localhost:8083}/connectors" -d '{
  "name": "orders-sink",
  "config": {
    "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
    "connection.url": "jdbc:mariadb://mariadb:3306/shop", "connection.user": "root", "connection.password": "test1357",
    "topics": "orders", "tasks.max": "1", "auto.create": "true", "insert.mode": "upsert",
    "pk.mode": "record_value", "pk.fields": "id", "table.name.format": "orders",
    "key.converter": "org.apache.kafka.connect.storage.StringConverter"
  }
}'
