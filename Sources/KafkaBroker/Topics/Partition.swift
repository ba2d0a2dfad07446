import KafkaProtocol
import KafkaStorage
import NIOConcurrencyHelpers
import NIOCore

/// One partition: its log, opened at first use, and the fetches that wait for more of it.
final class Partition: Sendable {
    private struct State {
        var log: PartitionLog?
        var configuration: LogConfiguration
        var waits: [ObjectIdentifier: FetchWait] = [:]
        var isDeleted = false
    }

    let topic: String
    let index: Int32
    private let directory: LogDirectory
    private let state: NIOLockedValueBox<State>

    init(topic: String, index: Int32, configuration: LogConfiguration, directory: LogDirectory) {
        self.topic = topic
        self.index = index
        self.directory = directory
        state = NIOLockedValueBox(State(configuration: configuration))
    }

    /// The settings in effect.
    var configuration: LogConfiguration { state.withLockedValue { $0.configuration } }

    /// The log, if it has been used since the start.
    var openedLog: PartitionLog? { state.withLockedValue { $0.log } }

    /// The log; the first call opens or creates its folder and recovers it if need be.
    func log() throws(StorageError) -> PartitionLog {
        let result: Result<PartitionLog, StorageError> = state.withLockedValue { state in
            if let log = state.log { return .success(log) }
            if state.isDeleted {
                return .failure(StorageError(.closed, "partition \(topic)-\(index) has been deleted"))
            }
            do throws(StorageError) {
                let log = try directory.openLog(topic: topic, partition: index, configuration: state.configuration)
                state.log = log
                return .success(log)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// Applies changed settings to what is written and deleted from now on.
    func reconfigure(_ configuration: LogConfiguration) {
        state.withLockedValue {
            $0.configuration = configuration
            $0.log?.configuration = configuration
        }
    }

    /// Removes the log and its folder, and wakes those who wait for it.
    func delete() throws(StorageError) {
        let waits = state.withLockedValue { state in
            state.isDeleted = true
            state.log = nil
            defer { state.waits = [:] }
            return Array(state.waits.values)
        }
        for wait in waits { wait.abandon() }
        do throws(StorageError) {
            try directory.deleteLog(topic: topic, partition: index)
        } catch {
            // A partition that nobody has used has no files.
            if error.code != .notFound { throw error }
        }
    }

    // MARK: Waiting for data

    /// Remembers a fetch to be told about appends.
    func add(_ wait: FetchWait) { state.withLockedValue { $0.waits[ObjectIdentifier(wait)] = wait } }

    /// Forgets a fetch.
    func remove(_ wait: FetchWait) { state.withLockedValue { $0.waits[ObjectIdentifier(wait)] = nil } }

    /// Tells waiting fetches that bytes have been appended. Those of a transaction are nothing to a read_committed fetch;
    /// its marker is.
    func announce(bytes: Int, isTransactional: Bool = false) {
        let waits = state.withLockedValue { $0.waits.isEmpty ? [] : Array($0.waits.values) }
        for wait in waits where !isTransactional || !wait.isCommittedOnly { wait.dataArrived(bytes) }
    }
}
