public import Logging
import KafkaProtocol
import NIOConcurrencyHelpers
public import NIOCore

/// Writes records: in batches, in order per partition, by default each exactly once (idempotent, `acks=all`).
///
/// ``send(_:)`` and ``send(contentsOf:)`` wait for the acknowledgement; many tasks may send at once, and their records
/// share batches. While `buffer.memory` is used up they wait. Call ``close(timeout:)`` in the end: it sends what is
/// still there.
public final class KafkaProducer: Sendable {
    struct State {
        var accumulator: RecordAccumulator
        var isClosed = false
        var isDraining = false
        var drainAgain = false
        var refreshTask: Task<Void, Never>?
        var identityTask: Task<Void, Never>?
        var timer: NIODeadline?
        var spaceWaiters: [Waiter<Void>] = []
        var flushWaiters: [(upTo: UInt64, waiter: Waiter<Void>)] = []
    }

    /// The configuration it was made with.
    public let configuration: ProducerConfiguration
    let cluster: ClusterClient
    let ownsCluster: Bool
    let logger: Logger
    let eventLoop: any EventLoop
    let state: NIOLockedValueBox<State>

    /// How many records are taken under one hold of the lock.
    private static let stride = 512

    /// Makes a producer with connections of its own.
    public convenience init(
        configuration: ProducerConfiguration, eventLoopGroup: (any EventLoopGroup)? = nil, logger: Logger
    ) throws {
        _ = try configuration.client.bootstrapAddresses()
        let cluster = ClusterClient(
            configuration: configuration.client, eventLoopGroup: eventLoopGroup, logger: logger)
        try self.init(configuration: configuration, cluster: cluster, ownsCluster: true, logger: logger)
    }

    /// Makes a producer on shared connections, which stay open when it is closed.
    public convenience init(configuration: ProducerConfiguration, cluster: ClusterClient, logger: Logger) throws {
        try self.init(configuration: configuration, cluster: cluster, ownsCluster: false, logger: logger)
    }

    private init(
        configuration: ProducerConfiguration, cluster: ClusterClient, ownsCluster: Bool, logger: Logger
    ) throws {
        try configuration.validate()
        self.configuration = configuration
        self.cluster = cluster
        self.ownsCluster = ownsCluster
        self.logger = logger
        eventLoop = cluster.eventLoopGroup.next()
        state = NIOLockedValueBox(
            State(
                accumulator: RecordAccumulator(
                    limits: RecordAccumulator.Limits(
                        batchSize: configuration.batchSize, linger: TimeAmount(configuration.linger),
                        maxInFlight: configuration.maxInFlight, maxRequestSize: configuration.maxRequestSize,
                        deliveryTimeout: TimeAmount(configuration.deliveryTimeout), retries: configuration.retries,
                        compression: configuration.compression, isIdempotent: configuration.enableIdempotence))))
    }

    // MARK: - Sending

    /// Sends one record and waits for its acknowledgement.
    public func send(_ record: ProducerRecord) async throws -> RecordMetadata {
        guard let result = try await send(contentsOf: [record]).first else {
            throw KafkaError(.invalidState, "the record got no result")
        }
        return result
    }

    /// Sends records and returns, in their order, where they are, when all are acknowledged.
    ///
    /// Throws the first failure once all records have either arrived or failed; the others may have arrived. A
    /// cancelled task stops waiting, but what it has handed over is still sent.
    public func send(contentsOf records: [ProducerRecord]) async throws -> [RecordMetadata] {
        guard !records.isEmpty else { return [] }
        let call = SendCall(count: records.count)
        var metadata = try await metadata(for: records)
        var next = 0
        while next < records.count {
            try await waitForSpace()
            let failure: KafkaError?
            (next, failure) = append(records, from: next, call: call, metadata: metadata)
            drain()
            guard let failure else { continue }
            // What was taken before this record is on its way; the call as a whole has failed.
            guard failure.isRetriable else { throw failure }
            metadata = try await self.metadata(for: records, fresh: true)
        }
        return try await call.value()
    }

    /// Waits until everything that was handed over before is acknowledged or has failed.
    public func flush() async throws {
        let waiter: Waiter<Void>? = state.withLockedValue { state in
            let last = state.accumulator.flush()
            guard state.accumulator.hasOpenBatches(upTo: last) else { return nil }
            let waiter = Waiter<Void>()
            state.flushWaiters.append((last, waiter))
            return waiter
        }
        drain()
        try await waiter?.value()
    }

    /// Takes no more records, sends what is still there, and closes the connections. What is not delivered within
    /// `timeout` fails. Also works in a cancelled task.
    public func close(timeout: Duration = .seconds(30)) async {
        let wasOpen = state.withLockedValue { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
        guard wasOpen else { return }
        // Not a child of this task: a cancelled caller still delivers.
        await Task { await self.shutDown(timeout: timeout) }.value
    }

    private func shutDown(timeout: Duration) async {
        let flushing = Task { try await self.flush() }
        let alarm = eventLoop.scheduleTask(in: TimeAmount(timeout)) { flushing.cancel() }
        _ = await flushing.result
        alarm.cancel()
        let error = KafkaError.closed("the producer")
        let (ended, tasks, waiters) = state.withLockedValue { state in
            defer { state.spaceWaiters = [] }
            return (
                state.accumulator.failAll(error), [state.refreshTask, state.identityTask], state.spaceWaiters
            )
        }
        settle(ended)
        for task in tasks { task?.cancel() }
        for waiter in waiters { waiter.finish(.failure(error)) }
        if ownsCluster { cluster.close() }
    }

    // MARK: - Taking records

    private func metadata(for records: [ProducerRecord], fresh: Bool = false) async throws -> ClusterMetadata {
        var topics: [String] = []
        var last: String?
        for record in records where record.topic != last {
            last = record.topic
            if !topics.contains(record.topic) { topics.append(record.topic) }
        }
        return try await cluster.retrying(timeout: configuration.maxBlock) {
            let metadata = try await cluster.metadata(
                topics: topics, allowAutoCreation: true, maxAge: fresh ? .zero : nil)
            for name in topics {
                let topic = metadata.topics[name]
                guard let topic, topic.errorCode == .none, !topic.partitions.isEmpty else {
                    throw KafkaError.broker(
                        topic.map { $0.errorCode == .none ? .leaderNotAvailable : $0.errorCode }
                            ?? .unknownTopicOrPartition, "topic \(name)")
                }
            }
            return metadata
        }
    }

    /// Takes records from `start` on; returns the first that it did not take, and why if it can't be taken.
    private func append(
        _ records: [ProducerRecord], from start: Int, call: SendCall, metadata: ClusterMetadata
    ) -> (next: Int, failure: KafkaError?) {
        let now = NIODeadline.now()
        let wallClock = currentMilliseconds()
        let end = min(start + Self.stride, records.count)
        return state.withLockedValue { state in
            guard !state.isClosed else { return (start, .closed("the producer")) }
            for index in start..<end {
                if state.accumulator.bufferedBytes >= configuration.bufferMemory { return (index, nil) }
                let record = records[index]
                do throws(KafkaError) {
                    let size = try checkedSize(record)
                    guard let topic = metadata.topics[record.topic] else {
                        throw KafkaError.broker(.unknownTopicOrPartition, "topic \(record.topic)")
                    }
                    let partition = TopicPartition(
                        topic: record.topic,
                        partition: try state.accumulator.choosePartition(record, topic, size: size))
                    let timestamp = record.timestamp ?? wallClock
                    call.enter(partition, timestamp: timestamp)
                    state.accumulator.append(
                        record, to: partition, size: size, timestamp: timestamp, call: call, index: Int32(index),
                        now: now)
                } catch {
                    return (index, error)
                }
            }
            return (end, nil)
        }
    }

    private func checkedSize(_ record: ProducerRecord) throws(KafkaError) -> Int {
        let size = RecordBatchBuilder.estimatedSize(key: record.key, value: record.value, headers: record.headers)
        guard size + RecordBatchHeader.size <= configuration.maxRequestSize else {
            throw KafkaError(
                .recordTooLarge,
                "a record of \(size) bytes for topic \(record.topic) is larger than "
                    + "max.request.size=\(configuration.maxRequestSize)", isRetriable: false)
        }
        return size
    }

    private func waitForSpace() async throws {
        let waiter: Waiter<Void>? = try state.withLockedValue { state in
            guard !state.isClosed else { throw KafkaError.closed("the producer") }
            guard state.accumulator.bufferedBytes >= configuration.bufferMemory else { return nil }
            let waiter = Waiter<Void>()
            state.spaceWaiters.append(waiter)
            return waiter
        }
        guard let waiter else { return }
        drain()
        let alarm = eventLoop.scheduleTask(in: TimeAmount(configuration.maxBlock)) {
            waiter.finish(
                .failure(
                    KafkaError(
                        .timedOut, "no space in buffer.memory within max.block.ms: the brokers don't keep up",
                        isRetriable: true)))
        }
        defer { alarm.cancel() }
        try await waiter.value()
    }
}
