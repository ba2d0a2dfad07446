import NIOConcurrencyHelpers

/// What one task has done since it was first started on this worker: `GET /metrics` tells it under Kafka Connect's
/// names. Counted once per batch, so that it costs nothing per record.
final class TaskMetrics: Sendable {
    /// A count, the sum and the largest of something measured.
    struct Measured: Sendable {
        private(set) var count: Int64 = 0
        private(set) var sum = 0.0
        private(set) var largest = 0.0

        var average: Double { count == 0 ? 0 : sum / Double(count) }

        mutating func add(_ value: Double) {
            count += 1
            sum += value
            largest = max(largest, value)
        }
    }

    struct Values: Sendable {
        /// How often the task was started; all but the first, and those that a user asked for, came by themselves.
        var starts: Int64 = 0
        var restarts: Int64 = 0
        /// Records of a source that were polled, or of a sink that were read.
        var taken: Int64 = 0
        /// Records that were written to Kafka, or put into the sink.
        var written: Int64 = 0
        /// Records that are on their way.
        var active: Int64 = 0
        /// Milliseconds of polls with records, or of puts.
        var work = Measured()
        var batchSizes = Measured()
        var commits: Int64 = 0
        var failedCommits: Int64 = 0
        var commitTimes = Measured()
        /// Records per committed transaction.
        var transactions = Measured()
        /// By partition, how many records are still to be read.
        var lags: [String: Int64] = [:]
        // Errors (KIP-298).
        var errors: Int64 = 0
        var failures: Int64 = 0
        var skipped: Int64 = 0
        var retries: Int64 = 0
        var logged: Int64 = 0
        var deadLetters: Int64 = 0
        var failedDeadLetters: Int64 = 0
        /// Milliseconds since 1970.
        var lastError: Int64 = 0
    }

    let type: ConnectorType
    private let values = NIOLockedValueBox(Values())

    init(_ type: ConnectorType) {
        self.type = type
    }

    var all: Values { values.withLockedValue { $0 } }

    func update(_ change: (inout Values) -> Void) { values.withLockedValue { change(&$0) } }

    /// Counts a commit of offsets, and its time.
    nonisolated(nonsending) func commit(_ operation: () async throws -> Void) async throws {
        let began = ContinuousClock.now
        do {
            try await operation()
        } catch {
            update { $0.failedCommits += 1 }
            throw error
        }
        let time = (ContinuousClock.now - began).milliseconds
        update { values in
            values.commits += 1
            values.commitTimes.add(time)
        }
    }
}

/// The metrics of all tasks that this worker has run and that there still are.
final class TaskMetricsRegistry: Sendable {
    private let tasks = NIOLockedValueBox<[TaskID: TaskMetrics]>([:])

    /// The metrics of a task that is started.
    /// - Parameter isRestart: it failed before, and is tried again.
    func started(_ id: TaskID, _ type: ConnectorType, isRestart: Bool) -> TaskMetrics {
        let metrics = tasks.withLockedValue { tasks in
            if let known = tasks[id], known.type == type { return known }
            let new = TaskMetrics(type)
            tasks[id] = new
            return new
        }
        metrics.update { values in
            values.starts += 1
            if isRestart { values.restarts += 1 }
            values.active = 0
            values.lags = [:]
        }
        return metrics
    }

    /// The metrics of the tasks that are still there, in order.
    /// - Parameter isThere: whether this worker runs the task; others are forgotten.
    func all(where isThere: (TaskID) -> Bool) -> [(TaskID, TaskMetrics)] {
        tasks.withLockedValue { tasks in
            tasks = tasks.filter { isThere($0.key) }
            return tasks.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
    }
}

extension Duration {
    /// Milliseconds with their fraction.
    var milliseconds: Double {
        Double(components.seconds) * 1e3 + Double(components.attoseconds) / 1e15
    }
}
