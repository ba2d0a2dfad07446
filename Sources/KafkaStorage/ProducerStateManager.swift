internal import KafkaProtocol

/// What a partition knows of its idempotent producers (Kafka's `ProducerStateManager`): enough to recognise a repeated
/// batch, a gap, and a producer that a newer one has fenced. Pure state; the log feeds it with batch headers.
struct ProducerStateManager: Sendable, Equatable {
    /// What is remembered of one appended batch.
    struct Batch: Sendable, Equatable {
        var lastSequence: Int32
        var lastOffset: Int64
        var offsetDelta: Int32
        var timestamp: Int64

        var firstOffset: Int64 { lastOffset - Int64(offsetDelta) }
        var firstSequence: Int32 {
            let first = Int64(lastSequence) - Int64(offsetDelta)
            return Int32(first >= 0 ? first : first + Int64(Int32.max) + 1)
        }
    }

    /// One producer's last batches, oldest first.
    struct Producer: Sendable, Equatable {
        var epoch: Int16
        var batches: [Batch] = []
        var lastTimestamp: Int64
        var coordinatorEpoch: Int32 = -1
        var currentTransactionFirstOffset: Int64?

        /// A producer may have this many batches in flight (`max.in.flight.requests.per.connection` with idempotence).
        static let rememberedBatches = 5
    }

    /// What to do with a batch.
    enum Verdict: Equatable {
        /// It continues the producer's sequence, or no producer id is set.
        case append
        /// It is in the log already, as this batch.
        case duplicate(Batch)
    }

    /// A transaction that has ended in this partition. One without records there leaves no trace.
    struct CompletedTransaction: Sendable, Equatable {
        var producerID: Int64
        var firstOffset: Int64
        /// Offset of the marker.
        var lastOffset: Int64
        var isCommit: Bool
    }

    private(set) var producers: [Int64: Producer] = [:]
    /// First offsets of the open transactions, by producer.
    private var openTransactions: [Int64: Int64] = [:]
    /// The first offset of the oldest open transaction.
    private(set) var firstUnstableOffset: Int64?

    /// Whether this epoch of the producer has an open transaction here.
    func hasOpenTransaction(_ header: RecordBatchHeader) -> Bool {
        openTransactions[header.producerId] != nil && producers[header.producerId]?.epoch == header.producerEpoch
    }

    private mutating func setTransaction(_ id: Int64, firstOffset: Int64?) {
        guard openTransactions[id] != firstOffset else { return }
        openTransactions[id] = firstOffset
        firstUnstableOffset = openTransactions.values.min()
    }

    /// Judges a batch before it is appended.
    ///
    /// A producer that is not known may start with any sequence: its records may have been deleted by retention (Kafka's
    /// `ProducerAppendInfo.checkSequence`).
    /// - Parameter isTrusted: the batch comes from a coordinator of this broker and may have no sequence number.
    func check(_ header: RecordBatchHeader, isTrusted: Bool = false) throws(StorageError) -> Verdict {
        let isFree = header.isControl || (isTrusted && header.baseSequence < 0)
        guard header.producerId >= 0, let producer = producers[header.producerId] else {
            guard header.producerId < 0 || isFree || header.baseSequence >= 0 else {
                throw StorageError(
                    .invalidRecord, "Producer \(header.producerId) sent a batch without a sequence number")
            }
            return .append
        }
        guard header.producerEpoch >= producer.epoch else {
            throw StorageError(
                .invalidProducerEpoch,
                "Producer \(header.producerId) has epoch \(header.producerEpoch), fenced by epoch \(producer.epoch)")
        }
        if isFree { return .append }
        guard header.isTransactional || producer.currentTransactionFirstOffset == nil else {
            throw StorageError(
                .invalidTransactionState,
                "Producer \(header.producerId) sent a batch outside of the transaction that it has open")
        }
        let lastSequence = Self.lastSequence(header)
        if header.producerEpoch == producer.epoch,
            let known = producer.batches.first(where: {
                $0.firstSequence == header.baseSequence && $0.lastSequence == lastSequence
            })
        {
            return .duplicate(known)
        }
        let expected: Int32
        if header.producerEpoch == producer.epoch, let last = producer.batches.last {
            expected = last.lastSequence == .max ? 0 : last.lastSequence + 1
        } else {
            expected = 0
        }
        guard header.baseSequence == expected else {
            throw StorageError(
                .outOfOrderSequence,
                "Producer \(header.producerId) epoch \(header.producerEpoch): sequence \(header.baseSequence) arrived "
                    + "where \(expected) is next")
        }
        return .append
    }

    /// Takes note of a batch that has been appended at `baseOffset`; a control batch comes with its marker, unless it is
    /// another kind of control batch.
    /// - Returns: the transaction that the marker has ended, if it had records here.
    @discardableResult
    mutating func record(
        _ header: RecordBatchHeader, baseOffset: Int64, marker: EndTransactionMarker? = nil
    ) -> CompletedTransaction? {
        guard header.producerId >= 0, !header.isControl || marker != nil else { return nil }
        let id = header.producerId
        var producer = producers[id] ?? Producer(epoch: header.producerEpoch, lastTimestamp: header.maxTimestamp)
        if producer.epoch != header.producerEpoch {
            producer.epoch = header.producerEpoch
            producer.batches = []
        }
        producer.lastTimestamp = header.maxTimestamp
        var completed: CompletedTransaction?
        if let marker {
            if let first = producer.currentTransactionFirstOffset {
                completed = CompletedTransaction(
                    producerID: id, firstOffset: first, lastOffset: baseOffset, isCommit: marker.isCommit)
            }
            producer.currentTransactionFirstOffset = nil
            producer.coordinatorEpoch = marker.coordinatorEpoch
        } else {
            if header.baseSequence >= 0 {
                if producer.batches.count == Producer.rememberedBatches { producer.batches.removeFirst() }
                producer.batches.append(
                    Batch(
                        lastSequence: Self.lastSequence(header),
                        lastOffset: baseOffset + Int64(header.lastOffsetDelta),
                        offsetDelta: header.lastOffsetDelta, timestamp: header.maxTimestamp))
            }
            // A batch that compaction has emptied belongs to a transaction that has ended, whose marker may be gone.
            if header.isTransactional, header.recordCount > 0, producer.currentTransactionFirstOffset == nil {
                producer.currentTransactionFirstOffset = baseOffset
            }
        }
        producers[id] = producer
        setTransaction(id, firstOffset: producer.currentTransactionFirstOffset)
        return completed
    }

    /// Forgets producers that have been idle for `age` milliseconds and have no open transaction.
    mutating func expire(now: Int64, age: Int64) {
        producers = producers.filter { _, producer in
            producer.currentTransactionFirstOffset != nil || now - producer.lastTimestamp < age
        }
    }

    /// The sequence of the batch's last record; the number after `Int32.max` is 0.
    static func lastSequence(_ header: RecordBatchHeader) -> Int32 {
        let last = Int64(header.baseSequence) + Int64(header.lastOffsetDelta)
        return Int32(last <= Int64(Int32.max) ? last : last - Int64(Int32.max) - 1)
    }
}

// MARK: Snapshot files

extension ProducerStateManager {
    private static let headerSize = 10
    private static let entrySize = 46

    /// The content of a `.snapshot` file: Kafka's `ProducerSnapshot` version 1.
    ///
    /// Kafka writes one entry for a producer, of its last batch. Here every remembered batch gets one, the last one last:
    /// Kafka, which keeps the last entry of an id, reads the same from both.
    func encodeSnapshot() -> [UInt8] {
        var entries: [UInt8] = []
        var count: Int32 = 0
        for (id, producer) in producers.sorted(by: { $0.key < $1.key }) {
            let batches = producer.batches.isEmpty ? [nil] : producer.batches.map(Optional.some)
            for (index, batch) in batches.enumerated() {
                let isLast = index == batches.count - 1
                entries.appendBigEndian(id)
                entries.appendBigEndian(producer.epoch)
                entries.appendBigEndian(batch?.lastSequence ?? -1)
                entries.appendBigEndian(batch?.lastOffset ?? -1)
                entries.appendBigEndian(batch?.offsetDelta ?? 0)
                entries.appendBigEndian(batch?.timestamp ?? producer.lastTimestamp)
                entries.appendBigEndian(producer.coordinatorEpoch)
                entries.appendBigEndian(isLast ? producer.currentTransactionFirstOffset ?? -1 : Int64(-1))
                count += 1
            }
        }
        var body: [UInt8] = []
        body.appendBigEndian(count)
        body += entries
        var bytes: [UInt8] = []
        bytes.appendBigEndian(Int16(1))
        bytes.appendBigEndian(body.withUnsafeBytes { CRC32C.checksum($0) })
        return bytes + body
    }

    /// Reads a `.snapshot` file; nil if its version, checksum or length is wrong.
    init?(snapshot bytes: [UInt8]) {
        guard bytes.count >= Self.headerSize else { return nil }
        let isValid = bytes.withUnsafeBytes { raw in
            let version = Int16(bigEndian: raw.loadUnaligned(fromByteOffset: 0, as: Int16.self))
            let checksum = UInt32(bigEndian: raw.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
            let count = Int32(bigEndian: raw.loadUnaligned(fromByteOffset: 6, as: Int32.self))
            return version == 1 && count >= 0 && raw.count == Self.headerSize + Int(count) * Self.entrySize
                && CRC32C.checksum(UnsafeRawBufferPointer(rebasing: raw[6...])) == checksum
        }
        guard isValid else { return nil }
        bytes.withUnsafeBytes { raw in
            for start in stride(from: Self.headerSize, to: raw.count, by: Self.entrySize) {
                readEntry(UnsafeRawBufferPointer(rebasing: raw[start..<start + Self.entrySize]))
            }
        }
    }

    private mutating func readEntry(_ raw: UnsafeRawBufferPointer) {
        func integer<T: FixedWidthInteger>(_ offset: Int, _ type: T.Type) -> T {
            T(bigEndian: raw.loadUnaligned(fromByteOffset: offset, as: type))
        }
        let id = integer(0, Int64.self)
        let timestamp = integer(26, Int64.self)
        var producer = producers[id] ?? Producer(epoch: integer(8, Int16.self), lastTimestamp: timestamp)
        if producer.epoch != integer(8, Int16.self) { producer.batches = [] }
        producer.epoch = integer(8, Int16.self)
        producer.lastTimestamp = timestamp
        producer.coordinatorEpoch = integer(34, Int32.self)
        let transaction = integer(38, Int64.self)
        producer.currentTransactionFirstOffset = transaction >= 0 ? transaction : nil
        let batch = Batch(
            lastSequence: integer(10, Int32.self), lastOffset: integer(14, Int64.self),
            offsetDelta: integer(22, Int32.self), timestamp: timestamp)
        if batch.lastOffset >= 0, producer.batches.count < Producer.rememberedBatches { producer.batches.append(batch) }
        producers[id] = producer
        setTransaction(id, firstOffset: producer.currentTransactionFirstOffset)
    }
}
