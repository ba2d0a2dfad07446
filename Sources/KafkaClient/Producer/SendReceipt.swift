/// The acknowledgement of records that were handed over with ``KafkaProducer/enqueue(_:)``: await it, or don't.
///
/// Records are sent whether or not anybody waits. Without a wait, ``KafkaProducer/flush()`` tells when all have ended and
/// ``KafkaProducer/commitTransaction()`` whether all arrived.
public struct SendReceipt: Sendable {
    /// Records that lie side by side in one batch.
    struct Run: Sendable {
        let delivery: BatchDelivery
        let partition: TopicPartition
        let place: Int32
        var count: Int32
        let timestamp: Int64
    }

    private var first: Run?
    private var rest: [Run] = []
    /// Number of records.
    public private(set) var count = 0

    init() {}

    /// `partition` is asked for only where a run begins.
    mutating func add(
        _ delivery: BatchDelivery, place: Int32, timestamp: Int64, partition: () -> TopicPartition
    ) {
        count += 1
        if let last = rest.indices.last {
            if rest[last].isExtended(by: delivery, place, timestamp) { return rest[last].count += 1 }
        } else if first?.isExtended(by: delivery, place, timestamp) == true {
            first?.count += 1
            return
        }
        let run = Run(delivery: delivery, partition: partition(), place: place, count: 1, timestamp: timestamp)
        if first == nil { first = run } else { rest.append(run) }
    }

    /// Adds records that lie side by side.
    mutating func add(_ run: RecordAccumulator.AppendedRun, timestamp: Int64) {
        add(run.delivery, place: run.place, timestamp: timestamp) { run.partition }
        guard run.count > 1 else { return }
        count += run.count - 1
        if let last = rest.indices.last {
            rest[last].count += Int32(run.count - 1)
        } else {
            first?.count += Int32(run.count - 1)
        }
    }

    /// Waits until all records have ended; throws the first failure then. Costs less than ``metadata()``.
    public func wait() async throws {
        var failure: KafkaError?
        if let first { try await first.wait(&failure) }
        for run in rest { try await run.wait(&failure) }
        if let failure { throw failure }
    }

    /// Waits until all records have ended, and returns where they are, in the order in which they were handed over.
    ///
    /// Throws the first failure once all have ended; the others may have arrived. A cancelled task stops waiting, but the
    /// records are still sent.
    public func metadata() async throws -> [RecordMetadata] {
        var result: [RecordMetadata] = []
        result.reserveCapacity(count)
        var failure: KafkaError?
        if let first { try await first.collect(into: &result, &failure) }
        for run in rest { try await run.collect(into: &result, &failure) }
        if let failure { throw failure }
        return result
    }
}

extension SendReceipt.Run {
    fileprivate func isExtended(by delivery: BatchDelivery, _ place: Int32, _ timestamp: Int64) -> Bool {
        self.delivery === delivery && place == self.place + count && timestamp == self.timestamp
    }

    fileprivate func wait(_ failure: inout KafkaError?) async throws {
        var next = place
        while next < place + count {
            let (places, outcome) = try await delivery.outcome(at: next)
            if case .failure(let error) = outcome, failure == nil { failure = error }
            next = places.upperBound
        }
    }

    fileprivate func collect(into result: inout [RecordMetadata], _ failure: inout KafkaError?) async throws {
        var next = place
        let end = place + count
        while next < end {
            let (places, outcome) = try await delivery.outcome(at: next)
            let stop = min(places.upperBound, end)
            switch outcome {
            case .success(let (baseOffset, logAppendTime)):
                for place in next..<stop {
                    result.append(
                        RecordMetadata(
                            topic: partition.topic, partition: partition.partition,
                            offset: baseOffset >= 0 ? baseOffset + Int64(place - places.lowerBound) : -1,
                            timestamp: logAppendTime >= 0 ? logAppendTime : timestamp))
                }
            case .failure(let error):
                if failure == nil { failure = error }
            }
            next = stop
        }
    }
}
