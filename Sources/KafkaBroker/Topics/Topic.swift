import KafkaProtocol
import KafkaStorage
import NIOConcurrencyHelpers

/// One topic: its identity, its settings and its partitions.
final class Topic: Sendable {
    private struct State {
        var partitions: [Partition]
        var configs: [String: String]
    }

    let name: String
    let id: KafkaUUID
    private let state: NIOLockedValueBox<State>

    init(name: String, id: KafkaUUID, partitions: [Partition], configs: [String: String]) {
        self.name = name
        self.id = id
        state = NIOLockedValueBox(State(partitions: partitions, configs: configs))
    }

    var isInternal: Bool { TopicName.isInternal(name) }
    var partitions: [Partition] { state.withLockedValue { $0.partitions } }
    /// The topic's own settings; the broker's defaults fill the rest.
    var configs: [String: String] { state.withLockedValue { $0.configs } }

    func partition(_ index: Int32) -> Partition? {
        state.withLockedValue { state in
            let position = Int(index)
            return state.partitions.indices.contains(position) ? state.partitions[position] : nil
        }
    }

    func append(_ partitions: [Partition]) { state.withLockedValue { $0.partitions += partitions } }

    func setConfigs(_ configs: [String: String], log: LogConfiguration) {
        let partitions = state.withLockedValue { state in
            state.configs = configs
            return state.partitions
        }
        for partition in partitions { partition.reconfigure(log) }
    }

    /// The broker's defaults have changed.
    func refresh(_ log: ([String: String]) -> LogConfiguration) {
        let (partitions, configs) = state.withLockedValue { ($0.partitions, $0.configs) }
        let log = log(configs)
        for partition in partitions { partition.reconfigure(log) }
    }
}

/// Why something was refused: an error code of the wire and a sentence for people.
struct Refusal: Error {
    var code: ErrorCode
    var message: String

    init(_ code: ErrorCode, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: StorageError) {
        // A log that is closed while the broker runs is one whose topic has been deleted.
        self.init(error.code == .closed ? .unknownTopicOrPartition : error.errorCode, error.message)
    }
}
