import KafkaClient
import KafkaProtocol
import OrderedCollections

/// `GET /metrics`: what Kafka Connect shows by JMX, under the names that the JMX exporter gives it.
extension WorkerHerder {
    func metrics() -> String {
        var text = PrometheusText()
        addWorker(&text)
        let names = parts.configStore.names
        for name in names { addConnector(name, &text) }
        let share = group?.share
        let known = Set(names)
        let tasks = parts.metrics.all { share?.tasks.contains($0) ?? known.contains($0.connector) }
        for (id, metrics) in tasks { addTask(id, metrics, &text) }
        return text.text
    }

    private func addWorker(_ text: inout PrometheusText) {
        let group = "connect-worker-metrics"
        let supervisors = allSupervisors()
        text.add(group, "connector-count", .gauge, Int64(self.group?.share.connectors.count ?? supervisors.count))
        text.add(
            group, "task-count", .gauge, Int64(supervisors.reduce(0) { $0 + $1.runningTasks.count }))
        guard let worker = self.group else { return }
        let rebalances = "connect-worker-rebalance-metrics"
        let state = worker.metrics
        text.add(rebalances, "completed-rebalances-total", .counter, state.rounds)
        text.add(rebalances, "epoch", .gauge, state.generation)
        text.add(rebalances, "rebalancing", .gauge, Int64(state.isSettled ? 0 : 1))
        text.add(
            rebalances, "time-since-last-rebalance-ms", .gauge, state.sinceLast?.wholeMilliseconds ?? -1)
        text.add(rebalances, "leader", .gauge, Int64(worker.isLeading ? 1 : 0))
    }

    /// Of every connector of the group; `worker` tells where it runs.
    private func addConnector(_ name: String, _ text: inout PrometheusText) {
        guard let plan = parts.configStore.plan(of: name) else { return }
        if group?.share.connectors.contains(name) ?? true {
            let state = parts.statusStore.connector(name)?.state ?? .unassigned
            let labels = [
                ("connector", name), ("type", type(plan).rawValue), ("class", plan.config["connector.class"] ?? ""),
                ("status", state.rawValue.lowercased()),
            ]
            text.add("connector-metrics", "status", .gauge, 1.0, labels: labels)
        }
        for task in parts.statusStore.tasks(of: name)
        where group?.share.tasks.contains(TaskID(connector: name, task: task.id)) ?? true {
            text.add(
                "connector-task-metrics", "status", .gauge, 1.0,
                labels: [
                    ("connector", name), ("task", "\(task.id)"), ("status", task.state.state.rawValue.lowercased()),
                ])
        }
    }

    private func addTask(_ id: TaskID, _ metrics: TaskMetrics, _ text: inout PrometheusText) {
        let labels = [("connector", id.connector), ("task", "\(id.task)")]
        let values = metrics.all
        func add(_ group: String, _ name: String, _ kind: PrometheusText.Kind, _ value: Int64) {
            text.add(group, name, kind, value, labels: labels)
        }
        func add(_ group: String, _ name: String, _ value: Double) {
            text.add(group, name, .gauge, value, labels: labels)
        }
        let common = "connector-task-metrics"
        add(common, "batch-size-avg", values.batchSizes.average)
        add(common, "batch-size-max", values.batchSizes.largest)
        add(common, "offset-commit-avg-time-ms", values.commitTimes.average)
        add(common, "offset-commit-max-time-ms", values.commitTimes.largest)
        // Kafka has percentages of these two; counters tell more.
        add(common, "offset-commit-success-total", .counter, values.commits)
        add(common, "offset-commit-failure-total", .counter, values.failedCommits)
        add(common, "start-total", .counter, values.starts)
        add(common, "restart-total", .counter, values.restarts)
        if metrics.type == .source {
            let group = "source-task-metrics"
            add(group, "source-record-poll-total", .counter, values.taken)
            add(group, "source-record-write-total", .counter, values.written)
            add(group, "source-record-active-count", .gauge, values.active)
            add(group, "poll-batch-avg-time-ms", values.work.average)
            add(group, "poll-batch-max-time-ms", values.work.largest)
            add(group, "transaction-size-avg", values.transactions.average)
            add(group, "transaction-size-max", values.transactions.largest)
        } else {
            let group = "sink-task-metrics"
            add(group, "sink-record-read-total", .counter, values.taken)
            add(group, "sink-record-send-total", .counter, values.written)
            add(group, "sink-record-active-count", .gauge, values.active)
            add(group, "partition-count", .gauge, Int64(values.lags.count))
            add(group, "put-batch-avg-time-ms", values.work.average)
            add(group, "put-batch-max-time-ms", values.work.largest)
            add(group, "sink-record-lag-max", .gauge, values.lags.values.max() ?? 0)
        }
        let errors = "task-error-metrics"
        add(errors, "total-record-errors", .counter, values.errors)
        add(errors, "total-record-failures", .counter, values.failures)
        add(errors, "total-records-skipped", .counter, values.skipped)
        add(errors, "total-retries", .counter, values.retries)
        add(errors, "total-errors-logged", .counter, values.logged)
        add(errors, "deadletterqueue-produce-requests", .counter, values.deadLetters)
        add(errors, "deadletterqueue-produce-failures", .counter, values.failedDeadLetters)
        add(errors, "last-error-timestamp", .gauge, values.lastError)
    }
}
