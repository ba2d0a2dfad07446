import KafkaClient
import Synchronization

/// Rebalance events, in their order, as `assigned 6`.
final class EventLog: Sendable {
    private let entries = Mutex<[String]>([])

    var kinds: [String] { entries.withLock { $0 } }

    func add(_ event: RebalanceEvent) {
        entries.withLock { entries in
            switch event {
            case .assigned(let partitions): entries.append("assigned \(partitions.count)")
            case .revoked(let partitions): entries.append("revoked \(partitions.count)")
            case .lost(let partitions): entries.append("lost \(partitions.count)")
            }
        }
    }
}
