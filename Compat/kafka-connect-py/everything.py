"""kafka-connect-py: every call that it has.

usage: everything.py REST_URL FOLDER
"""
import os
import sys
import time

from kafka_connect import KafkaConnect

connect = KafkaConnect(url=sys.argv[1])
path = os.path.join(sys.argv[2], "in.txt")
with open(path, "w") as file:
    file.write("one\ntwo\n")


def until(ask):
    deadline = time.time() + 30
    while time.time() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise SystemExit("waited in vain")


def state(name, wanted):
    status = connect.get_connector_status(name)
    return status["connector"]["state"] == wanted and all(t["state"] == wanted for t in status["tasks"])


assert connect.get_cluster_info()["kafka_cluster_id"]
classes = [plugin["class"] for plugin in connect.list_connector_plugins()]
assert "org.apache.kafka.connect.file.FileStreamSourceConnector" in classes, classes

config = {"connector.class": "FileStreamSource", "tasks.max": "1", "file": path, "topic": "lines"}
checked = connect.validate_connector_config("FileStreamSource", dict(config, name="in"))
assert checked["error_count"] == 0, checked
assert connect.create_connector({"name": "in", "config": config})["name"] == "in"
until(lambda: state("in", "RUNNING") and connect.get_connector_status("in")["tasks"])
assert connect.get_connector("in")["type"] == "source"
assert connect.get_connector_config("in")["file"] == path
assert connect.update_connector("in", dict(config, **{"batch.size": "10"}))["config"]["batch.size"] == "10"
until(lambda: state("in", "RUNNING"))
assert connect.list_connectors() == ["in"]
assert connect.list_connectors(expand="status", pattern="i.*", state="RUNNING")["in"]
assert connect.list_connectors(pattern="x.*") == []
assert connect.list_connector_tasks("in")[0]["id"] == {"connector": "in", "task": 0}
assert connect.get_connector_task_status("in", 0)["state"] == "RUNNING"
until(lambda: connect.list_connector_topics("in") == {"in": {"topics": ["lines"]}})
connect.reset_connector_topics("in")
connect.restart_connector_task("in", 0)
connect.restart_connector("in")
connect.restart_connector("in", include_tasks=True, only_failed=False)
until(lambda: state("in", "RUNNING"))
connect.pause_connector("in")
until(lambda: state("in", "PAUSED"))
connect.resume_connector("in")
until(lambda: state("in", "RUNNING"))
connect.pause_all_connectors()
until(lambda: state("in", "PAUSED"))
connect.resume_all_connectors()
until(lambda: state("in", "RUNNING"))
connect.stop_connector("in")
until(lambda: state("in", "STOPPED"))
connect.delete_connector("in")
assert connect.list_connectors() == []
print("ok")
