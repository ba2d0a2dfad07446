import ConnectAPI
import KafkaClient
import Logging
import NIOCore
import OrderedCollections

/// How a source task's records are delivered.
extension KafkaTaskLauncher {
    /// `transaction.boundary`.
    func boundary(_ launch: TaskLaunch) -> TransactionBoundary {
        launch.connectorConfig["transaction.boundary"].flatMap {
            TransactionBoundary(rawValue: $0.trimmed.lowercased())
        } ?? .poll
    }

    func delivery(
        _ launch: TaskLaunch, _ offsets: ConnectorOffsets, _ control: TaskControl, _ errors: RecordErrors,
        _ metrics: TaskMetrics, _ logger: Logger
    ) async throws -> any SourceDelivery {
        let clientID = "connector-producer-\(launch.id)"
        guard configuration.exactlyOnceSource == .enabled else {
            return AtLeastOnceDelivery(
                sender: KafkaRecordSender(producer: try producer(clientID, launch)), offsets: offsets, errors: errors,
                metrics: metrics, timing: commits, logger: logger)
        }
        let copy = offsets.own.map { _ in
            EagerCommitter<ByteBuffer, ByteBuffer?>(timing: commits, logger: logger) { positions in
                try await offsets.worker.put(positions.map { OffsetStore.Write(key: $0.key, value: $0.value) })
            }
        }
        return TransactionalDelivery(
            TransactionalDelivery.Configuration(
                boundary: transactions(launch), offsetsTopic: self.offsets.topic(of: launch.connectorConfig)),
            sender: KafkaTransactionalSender(producer: try await transactionalProducer(clientID, launch, logger)),
            copy: copy, metrics: metrics, onFailure: { control.fail($0) })
    }

    private func transactions(_ launch: TaskLaunch) -> TransactionalDelivery.Boundary {
        switch boundary(launch) {
        case .poll: .part
        case .interval: .interval(interval(launch))
        case .connector: .task
        }
    }

    /// `transaction.boundary.interval.ms`.
    private func interval(_ launch: TaskLaunch) -> Duration {
        launch.connectorConfig["transaction.boundary.interval.ms"].flatMap { Int($0.trimmed) }
            .map { .milliseconds($0) } ?? configuration.offsetFlushInterval
    }

    /// A producer that has shut out all former ones of the task. Whether the task is still this worker's is asked after
    /// that: a worker that stood still before can do no harm, for it is asked, and one that stands still after is shut
    /// out by its successor.
    private func transactionalProducer(
        _ clientID: String, _ launch: TaskLaunch, _ logger: Logger
    ) async throws -> KafkaProducer {
        try await launch.admission?.fence()
        let id = WorkerHerder.transactionalID(group: configuration.groupID, launch.id)
        let overridden = "producer.override.transactional.id"
        if let given = launch.connectorConfig[overridden], given != id {
            logger.warning(
                "\(overridden) is not used: exactly-once sources have ids of their own",
                metadata: ["given": "\(given)", "used": "\(id)"])
        }
        let interval = boundary(launch) == .interval ? interval(launch) : .zero
        let producer = try producer(clientID, launch) { configuration in
            configuration.transactionalID = id
            configuration.enableIdempotence = true
            // The coordinator aborts what is open for longer; brokers take 15 minutes at most.
            configuration.transactionTimeout = min(
                max(configuration.transactionTimeout, interval * 2), .seconds(900))
        }
        do {
            try await producer.initTransactions()
            try await launch.admission?.check()
        } catch {
            await producer.close(timeout: .zero)
            throw error
        }
        return producer
    }
}
