import Logging
import NIOConcurrencyHelpers
import NIOCore
import Testing

@testable import ConnectRuntime

/// What several workers say about one part, in the order in which it comes.
@Suite(.timeLimit(.minutes(1)))
struct StatusStoreTests {
    /// A topic with one partition that this worker and others write.
    private final class SharedLog: TopicLog {
        private struct State {
            var entries: [LogEntry] = []
            var apply: (@Sendable (LogEntry, LogPosition) -> Void)?
        }
        private let state = NIOLockedValueBox(State())
        var isFollowed: Bool { true }
        var entries: [LogEntry] { state.withLockedValue { $0.entries } }

        func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws {
            state.withLockedValue { $0.apply = apply }
        }
        func append(_ entries: [LogEntry]) async throws -> [LogPosition] { entries.map(add) }
        func close() async {}

        @discardableResult func add(_ entry: LogEntry) -> LogPosition {
            let (apply, position) = state.withLockedValue { state in
                state.entries.append(entry)
                return (state.apply, LogPosition(partition: 0, offset: Int64(state.entries.count - 1)))
            }
            apply?(entry, position)
            return position
        }
    }

    private func state(_ state: RunState, _ worker: String, _ generation: Int) -> StatusRecord.State {
        StatusRecord.State(state: state, trace: nil, workerID: worker, generation: generation, version: nil)
    }

    /// A worker that stood still for longer than its session gives up, when it wakes, what another runs by now.
    @Test func aFormerOwnersLastWordIsAnswered() async throws {
        let log = SharedLog()
        let store = StatusStore(log: log, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await store.start()
        let id = TaskID(connector: "c", task: 1)
        let task = StatusRecord.task(id, state(.running, "me", 62))
        let connector = StatusRecord.connector("c", state(.running, "me", 62))
        store.put(task)
        store.put(connector)
        try await until { log.entries == [task.entry, connector.entry] }
        for late in [state(.failed, "other", 61), state(.unassigned, "other", 61)] {
            for (record, mine) in [
                (StatusRecord.task(id, late), task), (StatusRecord.connector("c", late), connector),
            ] {
                log.add(record.entry)
                try await until { log.entries.last == mine.entry }
            }
        }
        #expect(store.task(id) == task.state && store.connector("c") == connector.state)
        // Who runs it in a later generation is not contradicted, nor is anybody once this worker has given it up.
        let count = log.entries.count
        log.add(StatusRecord.task(id, state(.running, "other", 63)).entry)
        store.put(.connector("c", state(.unassigned, "me", 64)))
        try await until { log.entries.count == count + 2 }
        log.add(StatusRecord.connector("c", state(.failed, "other", 61)).entry)
        #expect(store.task(id)?.workerID == "other")
        #expect(store.connector("c")?.state == .failed)
        await store.stop()
        #expect(log.entries.count == count + 3)
    }

    /// A third worker that reads it does not believe it either.
    @Test func whoReadsKeepsTheStateOfTheLaterGeneration() async throws {
        let log = SharedLog()
        let store = StatusStore(log: log, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try await store.start()
        log.add(StatusRecord.connector("c", state(.running, "b", 62)).entry)
        log.add(StatusRecord.connector("c", state(.unassigned, "a", 61)).entry)
        #expect(store.connector("c") == state(.running, "b", 62))
        await store.stop()
    }
}
