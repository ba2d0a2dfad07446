import KafkaClient
import KafkaProtocol
import Logging
import NIOCore
import Testing

/// A logger that prints only when `SLUICE_TEST_LOG` is set.
let testLogger: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = ProcessEnvironment.isLogging ? .debug : .critical
    return logger
}()

func buffer(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }

func text(_ buffer: ByteBuffer?) -> String? { buffer.map { String(buffer: $0) } }

extension KafkaConsumer {
    /// Polls until there are `count` records.
    func take(_ count: Int, within limit: Duration = .seconds(30)) async throws -> [(TopicPartition, Record)] {
        var rows: [(TopicPartition, Record)] = []
        let deadline = ContinuousClock.now + limit
        while rows.count < count {
            guard ContinuousClock.now < deadline else {
                Issue.record("only \(rows.count) of \(count) records came within \(limit)")
                return rows
            }
            for batch in try await poll(timeout: .milliseconds(500)) {
                rows += batch.records.map { (batch.topicPartition, $0) }
            }
        }
        return rows
    }

    /// Polls until it has some partitions.
    func waitForAssignment(
        _ isEnough: ([TopicPartition]) -> Bool, within limit: Duration = .seconds(30)
    ) async throws {
        let deadline = ContinuousClock.now + limit
        while !isEnough(assignment) {
            guard ContinuousClock.now < deadline else {
                Issue.record("no such assignment within \(limit): \(assignment)")
                return
            }
            _ = try await poll(timeout: .milliseconds(50))
        }
    }
}
