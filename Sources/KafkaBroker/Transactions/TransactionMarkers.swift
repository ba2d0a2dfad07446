import KafkaProtocol
import KafkaStorage
import NIOCore

/// Writes the control batches that end a transaction. Lives on the coordinators' event loop.
final class TransactionMarkers {
    private let topics: TopicRegistry
    private let groups: GroupCoordinator
    private let flusher: LogFlusher
    private let eventLoop: any EventLoop

    init(topics: TopicRegistry, groups: GroupCoordinator, flusher: LogFlusher, eventLoop: any EventLoop) {
        self.topics = topics
        self.groups = groups
        self.flusher = flusher
        self.eventLoop = eventLoop
    }

    /// Writes a marker to each of the partitions.
    ///
    /// A partition that is gone, or whose producer a newer epoch has fenced, needs none.
    /// - Parameters:
    ///   - appended: called when the markers can be read, with the failures.
    ///   - flushed: called on the event loop when they are on disk, with every partition's result.
    func write(
        _ producer: Transaction.Producer, _ marker: EndTransactionMarker, to partitions: Set<OffsetKey>,
        appended: ([OffsetKey: ErrorCode]) -> Void, flushed: @escaping ([OffsetKey: ErrorCode]) -> Void
    ) {
        var results: [OffsetKey: ErrorCode] = [:]
        var pending: [(key: OffsetKey, log: PartitionLog, end: Int64)] = []
        for key in partitions {
            results[key] = ErrorCode.none
            guard let partition = topics.topic(named: key.topic)?.partition(key.partition) else { continue }
            do throws(StorageError) {
                let log = try partition.log()
                let info = try log.appendMarker(producerID: producer.id, producerEpoch: producer.epoch, marker)
                pending.append((key, log, info.lastOffset + 1))
                partition.announce(bytes: .max)
                if key.topic == TopicName.consumerOffsets {
                    groups.run { groups in
                        groups.endTransaction(of: producer.id, in: key.partition, commits: marker.isCommit)
                    }
                }
            } catch {
                if error.code != .closed, error.code != .invalidProducerEpoch { results[key] = error.errorCode }
            }
        }
        appended(results.filter { $0.value != .none })
        guard !pending.isEmpty else { return flushed(results) }
        flush(pending, results, flushed)
    }

    private func flush(
        _ pending: [(key: OffsetKey, log: PartitionLog, end: Int64)], _ results: [OffsetKey: ErrorCode],
        _ done: @escaping ([OffsetKey: ErrorCode]) -> Void
    ) {
        var results = results
        var missing = pending.count
        let finish: (OffsetKey, ErrorCode) -> Void = { key, error in
            results[key] = error
            missing -= 1
            if missing == 0 { done(results) }
        }
        let bound = NIOLoopBound(finish, eventLoop: eventLoop)
        for (key, log, end) in pending {
            flusher.flush(log, upTo: end) { [eventLoop] result in
                eventLoop.execute {
                    switch result {
                    case .success: bound.value(key, .none)
                    case .failure(let error): bound.value(key, error.errorCode)
                    }
                }
            }
        }
    }
}
