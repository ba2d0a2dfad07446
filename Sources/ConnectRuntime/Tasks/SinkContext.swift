import ConnectAPI
import Logging
import NIOConcurrencyHelpers

/// The task's view of itself.
final class SinkContext: SinkTaskContext {
    let connectorName: String
    let taskID: Int
    let logger: Logger
    let errantRecordReporter: (any ErrantRecordReporter)?
    private let retryDelay = NIOLockedValueBox<Duration?>(nil)
    private let seeks = NIOLockedValueBox<[TopicPartitionName: Int64]>([:])

    init(connectorName: String, taskID: Int, logger: Logger, errantRecordReporter: (any ErrantRecordReporter)?) {
        self.connectorName = connectorName
        self.taskID = taskID
        self.logger = logger
        self.errantRecordReporter = errantRecordReporter
    }

    func requestRetry(after delay: Duration) {
        retryDelay.withLockedValue { $0 = delay }
    }

    func seek(to offsets: [TopicPartitionName: Int64]) {
        seeks.withLockedValue { $0.merge(offsets) { $1 } }
    }

    func takeSeeks() -> [TopicPartitionName: Int64] {
        seeks.withLockedValue { seeks in
            defer { seeks = [:] }
            return seeks
        }
    }

    func takeRetryDelay() -> Duration? {
        retryDelay.withLockedValue { delay in
            defer { delay = nil }
            return delay
        }
    }
}
