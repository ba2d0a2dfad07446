public import Logging
import KafkaProtocol
import NIOConcurrencyHelpers
public import NIOCore

/// Writes records: in batches, in order per partition, by default each exactly once (idempotent, `acks=all`).
///
/// ``send(_:)`` and ``send(contentsOf:)`` wait for the acknowledgement, ``enqueue(_:)`` and ``enqueue(contentsOf:)`` return
/// as soon as the records are in the buffer. Many tasks may send at once, and their records share batches. While
/// `buffer.memory` is used up they all wait. With ``ProducerConfiguration/transactionalID`` set, records are sent within
/// ``withTransaction(_:)``. Call ``close(timeout:)`` in the end: it sends what is still there.
public final class KafkaProducer: Sendable {
    struct State {
        var accumulator: RecordAccumulator
        var transaction: TransactionStateMachine?
        var isClosed = false
        var isDraining = false
        var drainAgain = false
        var refreshTask: Task<Void, Never>?
        var identityTask: Task<Void, Never>?
        var registrationTask: Task<Void, Never>?
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
    let metrics: ProducerMetrics

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
        metrics = ProducerMetrics(clientID: configuration.client.clientID)
        let limits = RecordAccumulator.Limits(
            batchSize: configuration.batchSize, linger: TimeAmount(configuration.linger),
            maxInFlight: configuration.maxInFlight, maxRequestSize: configuration.maxRequestSize,
            deliveryTimeout: TimeAmount(configuration.deliveryTimeout), retries: configuration.retries,
            compression: configuration.compression, isIdempotent: configuration.enableIdempotence,
            isTransactional: configuration.transactionalID != nil, isAdaptive: configuration.adaptivePartitioning,
            ignoresKeys: configuration.ignoreKeys)
        state = NIOLockedValueBox(
            State(
                accumulator: RecordAccumulator(limits: limits),
                transaction: configuration.transactionalID.map { TransactionStateMachine(id: $0) }))
    }

    // MARK: - Sending

    /// Sends one record and waits for its acknowledgement.
    public func send(_ record: ProducerRecord) async throws -> RecordMetadata {
        guard let result = try await enqueue(record).metadata().first else {
            throw KafkaError(.invalidState, "the record got no result")
        }
        return result
    }

    /// Sends records and returns, in their order, where they are, when all are acknowledged.
    ///
    /// Throws the first failure once all records have either arrived or failed; the others may have arrived. A
    /// cancelled task stops waiting, but what it has handed over is still sent.
    public func send(contentsOf records: [ProducerRecord]) async throws -> [RecordMetadata] {
        try await enqueue(contentsOf: records).metadata()
    }

    /// Hands a record over and returns as soon as it is in the buffer; waits only for metadata and buffer space.
    ///
    /// The receipt tells when the record is acknowledged; it may be dropped.
    @discardableResult
    public func enqueue(_ record: ProducerRecord) async throws -> SendReceipt {
        try await enqueue(contentsOf: CollectionOfOne(record))
    }

    /// Hands records over, in order, and returns as soon as all are in the buffer.
    ///
    /// Throws at the first record that can't be taken; those before it are sent.
    @discardableResult
    public func enqueue(contentsOf records: [ProducerRecord]) async throws -> SendReceipt {
        try await enqueue(contentsOf: records[...])
    }

    private func enqueue<Records: RandomAccessCollection<ProducerRecord> & Sendable>(
        contentsOf records: Records
    ) async throws -> SendReceipt where Records.Index == Int {
        var receipt = SendReceipt()
        guard !records.isEmpty else { return receipt }
        var metadata = try await metadata(for: records)
        var next = records.startIndex
        while next < records.endIndex {
            try await waitForSpace()
            let taken = append(records, from: next, metadata: metadata, &receipt)
            next = taken.next
            if taken.wantsDrain { drain() }
            guard let failure = taken.failure else { continue }
            // What was taken before this record is on its way; the call as a whole has failed.
            guard failure.isRetriable else { throw failure }
            metadata = try await self.metadata(for: records, fresh: true)
        }
        return receipt
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
    /// `timeout` fails, and an open transaction is aborted. Also works in a cancelled task.
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
        let ending = Task {
            if self.needsAbort { try await self.abortTransaction() } else { try await self.flush() }
        }
        let alarm = eventLoop.scheduleTask(in: TimeAmount(timeout)) { ending.cancel() }
        _ = await ending.result
        alarm.cancel()
        let error = KafkaError.closed("the producer")
        let (ended, tasks, waiters) = state.withLockedValue { state in
            defer { state.spaceWaiters = [] }
            return (
                state.accumulator.failAll(error), [state.refreshTask, state.identityTask, state.registrationTask],
                state.spaceWaiters
            )
        }
        settle(ended)
        for task in tasks { task?.cancel() }
        for waiter in waiters { waiter.finish(.failure(error)) }
        if ownsCluster { cluster.close() }
    }

    // MARK: - Taking records

    private func metadata(
        for records: some Collection<ProducerRecord>, fresh: Bool = false
    ) async throws -> ClusterMetadata {
        var topics: [String] = []
        var last: String?
        for record in records where record.topic != last {
            last = record.topic
            if !topics.contains(record.topic) { topics.append(record.topic) }
        }
        if !fresh {
            let known = cluster.metadata
            if known.isUsable(topics, maxAge: configuration.client.metadataMaxAge) { return known }
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

    private struct Taken {
        /// The first record that was not taken.
        var next: Int
        var wantsDrain = false
        /// Why it can't be.
        var failure: KafkaError?
    }

    /// Takes records from `start` on.
    private func append<Records: RandomAccessCollection<ProducerRecord>>(
        _ records: Records, from start: Int, metadata: ClusterMetadata, _ receipt: inout SendReceipt
    ) -> Taken where Records.Index == Int {
        let now = NIODeadline.now()
        let wallClock = WallClock.now()
        let end = min(start + Self.stride, records.endIndex)
        return state.withLockedValue { state in
            var taken = Taken(next: start)
            guard !state.isClosed else {
                taken.failure = .closed("the producer")
                return taken
            }
            do throws(KafkaError) {
                try state.transaction?.checkOpen()
                while taken.next < end, state.accumulator.bufferedBytes < configuration.bufferMemory {
                    let name = records[taken.next].topic
                    guard let topic = metadata.topics[name] else {
                        throw KafkaError.broker(.unknownTopicOrPartition, "topic \(name)")
                    }
                    let number = state.accumulator.number(of: name)
                    // What does not change from record to record is looked up once: this loop is the producer's cost.
                    while taken.next < end, records[taken.next].topic == name,
                        state.accumulator.bufferedBytes < configuration.bufferMemory
                    {
                        let record = records[taken.next]
                        let run = try state.accumulator.appendRun(
                            of: records[taken.next..<end], topic, number: number,
                            sizeLimit: configuration.maxRequestSize - RecordBatchHeader.size, timestamp: wallClock,
                            now: now)
                        if let run {
                            receipt.add(run, timestamp: record.timestamp ?? wallClock)
                            if run.isNews { taken.wantsDrain = true }
                            taken.next += run.count
                            continue
                        }
                        try append(
                            record, topic, number, &state.accumulator, wallClock: wallClock, now: now, &receipt, &taken)
                    }
                }
            } catch {
                taken.failure = error
            }
            return taken
        }
    }

    private func append(
        _ record: ProducerRecord, _ topic: ClusterMetadata.Topic, _ number: Int,
        _ accumulator: inout RecordAccumulator, wallClock: Int64, now: NIODeadline, _ receipt: inout SendReceipt,
        _ taken: inout Taken
    ) throws(KafkaError) {
        let size = try checkedSize(record)
        let partition = try accumulator.choosePartition(record, topic, number: number, size: size)
        let timestamp = record.timestamp ?? wallClock
        let appended = accumulator.append(
            record, to: partition, number: number, size: size, timestamp: timestamp, now: now)
        receipt.add(appended.delivery, place: appended.place, timestamp: timestamp) {
            TopicPartition(topic: record.topic, partition: partition)
        }
        if appended.isNews { taken.wantsDrain = true }
        taken.next += 1
    }

    private func checkedSize(_ record: ProducerRecord) throws(KafkaError) -> Int {
        let size = record.estimatedSize
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
