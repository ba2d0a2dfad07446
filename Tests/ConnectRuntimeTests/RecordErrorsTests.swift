import ConnectAPI
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Retries, tolerance and logging of single records (KIP-298).
@Suite(.timeLimit(.minutes(1)))
struct RecordErrorsTests {
    /// Keeps the metadata of what is logged.
    private final class Lines: Sendable {
        let all = NIOLockedValueBox<[(Logger.Level, Logger.Metadata)]>([])
    }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            lines.all.withLockedValue { $0.append((event.level, event.metadata ?? [:])) }
        }
    }

    private func errors(
        _ config: ConnectorProperties, _ lines: Lines = Lines(), control: TaskControl = TaskControl(.run)
    ) -> RecordErrors {
        RecordErrors(
            config, control: control, logger: Logger(label: "test") { _ in Handler(lines: lines) }, mask: .none)
    }

    private func failure(_ stage: DeadLetterQueue.Stage, _ error: ConnectError) -> StageFailure {
        StageFailure(stage: stage, className: "some.Class", error: error)
    }

    @Test(arguments: [DeadLetterQueue.Stage.keyConverter, .valueConverter, .transformation])
    func everyStageIsTriedAgainWhileThatMayHelp(_ stage: DeadLetterQueue.Stage) async throws {
        let errors = errors(["errors.retry.timeout": "60000", "errors.retry.delay.max.ms": "1"])
        var tries = 0
        let result = try await errors.retrying { () throws(StageFailure) in
            tries += 1
            if tries < 3 { throw failure(stage, .retriable("registry away")) }
            return tries
        }
        #expect(result == 3)
    }

    @Test func withoutATimeoutThereIsOneTry() async throws {
        var tries = 0
        await #expect(throws: StageFailure.self) {
            try await errors([:]).retrying { () throws(StageFailure) in
                tries += 1
                throw failure(.valueConverter, .retriable("registry away"))
            }
        }
        #expect(tries == 1)
    }

    @Test func aDataErrorIsNotTriedAgain() async throws {
        var tries = 0
        await #expect(throws: StageFailure.self) {
            try await errors(["errors.retry.timeout": "-1"]).retrying { () throws(StageFailure) in
                tries += 1
                throw failure(.valueConverter, .data("not JSON"))
            }
        }
        #expect(tries == 1)
    }

    /// A record that might have gone through a moment later is not skipped because the worker stops.
    @Test func stoppingDoesNotGiveARecordUp() async throws {
        let control = TaskControl(.stop)
        let errors = errors(["errors.retry.timeout": "-1", "errors.tolerance": "all"], control: control)
        await #expect(throws: TaskError.self) {
            try await errors.retrying { () throws(StageFailure) in throw failure(.transformation, .retriable("wait")) }
        }
    }

    @Test func messagesAreLoggedOnlyIfAskedFor() throws {
        let record = SourceRecord(topic: "t", key: .string("k"), value: .string("private"))
        let batch = SourceBatch(records: [record])
        let quiet = Lines()
        errors(["errors.log.enable": "true", "errors.tolerance": "all"], quiet).log(
            failure(.valueConverter, .data("bad")), record: "r", details: RecordErrors.details(record, batch))
        let line = try #require(quiet.all.withLockedValue { $0.first })
        #expect(line.0 == .error)
        #expect(line.1["stage"] == "VALUE_CONVERTER")
        #expect(line.1["class"] == "some.Class")
        #expect(line.1["value"] == nil)
        let loud = Lines()
        errors(["errors.log.enable": "true", "errors.log.include.messages": "true"], loud).log(
            failure(.valueConverter, .data("bad")), record: "r", details: RecordErrors.details(record, batch))
        let shown = loud.all.withLockedValue { $0.first?.1["value"] }
        #expect(shown == .string("string(\"private\")"))
        let silent = Lines()
        errors(["errors.log.include.messages": "true"], silent).log(
            failure(.valueConverter, .data("bad")), record: "r", details: RecordErrors.details(record, batch))
        #expect(silent.all.withLockedValue { $0.isEmpty })
    }
}
