import KafkaProtocol
import NIOCore

/// Records of one partition that travel together.
struct ProducerBatch: Sendable {
    /// Grows with time: the order within a partition.
    let id: UInt64
    /// How many ids from `id` on belong to this batch, for the parts it may have to be split into.
    let idSpan: UInt64
    let partition: TopicPartition
    let created: NIODeadline
    /// Whom to tell, and the place of the first record in it.
    let delivery: BatchDelivery
    let firstPlace: Int32
    private(set) var builder: RecordBatchBuilder
    private(set) var count: Int32 = 0
    private(set) var size = RecordBatchHeader.size
    /// The finished batch, once it has been sent.
    var buffer: ByteBuffer?
    /// A full batch takes no more records and need not linger.
    var isClosed = false
    var attempts = 0
    /// Set when it is sent for the first time, and again after the producer got a new id.
    var identity: ProducerIdentity?
    var baseSequence: Int32 = -1
    var lastError: KafkaError?

    init(
        id: UInt64, idSpan: UInt64 = 1, partition: TopicPartition, created: NIODeadline, compression: CompressionType,
        isTransactional: Bool = false, delivery: BatchDelivery = BatchDelivery(), firstPlace: Int32 = 0
    ) {
        self.id = id
        self.idSpan = idSpan
        self.partition = partition
        self.created = created
        self.delivery = delivery
        self.firstPlace = firstPlace
        builder = RecordBatchBuilder(compression: compression, isTransactional: isTransactional)
    }

    /// Takes a record, and returns its place in the delivery.
    @discardableResult
    mutating func append(_ record: ProducerRecord, timestamp: Int64) -> Int32 {
        let before = builder.estimatedSize
        builder.append(timestamp: timestamp, key: record.key, value: record.value, headers: record.headers)
        size += builder.estimatedSize - before
        defer { count += 1 }
        return firstPlace + count
    }

    /// Takes a record if the batch is open and has room for it, and closes the batch otherwise. To be called in place: a
    /// batch that is held twice would be copied.
    ///
    /// - Returns: Whom to tell, the record's place in the delivery, and by how many bytes the batch has grown.
    mutating func appendIfOpen(
        _ record: ProducerRecord, size bytes: Int, timestamp: Int64, limit: Int
    ) -> (delivery: BatchDelivery, place: Int32, growth: Int)? {
        guard !isClosed, attempts == 0, size + bytes <= limit else {
            isClosed = true
            return nil
        }
        let before = size
        let place = append(record, timestamp: timestamp)
        return (delivery, place, size - before)
    }

    /// The bytes to send. Compresses when called for the first time.
    mutating func finish() throws(RecordError) -> ByteBuffer {
        var bytes: ByteBuffer
        if let buffer {
            bytes = buffer
        } else {
            bytes = try builder.build()
        }
        buffer = nil
        if let identity {
            try RecordBatches.patchProducer(
                &bytes, producerId: identity.id, producerEpoch: identity.epoch, baseSequence: baseSequence)
        }
        buffer = bytes
        return bytes
    }

    /// Two batches of half the records each, for a broker that found this one too large.
    func split(compression: CompressionType) throws(RecordError) -> (Self, Self) {
        guard let buffer, count > 1, idSpan > 1 else {
            throw RecordError(.tooLarge, "a batch of one record can't be split")
        }
        let records = try RecordBatch(buffer).records()
        let middle = count / 2
        var halves = (
            half(id: id, idSpan: idSpan / 2, compression, firstPlace: firstPlace),
            half(id: id + idSpan / 2, idSpan: idSpan - idSpan / 2, compression, firstPlace: firstPlace + middle)
        )
        for (index, record) in records.enumerated() {
            let copy = ProducerRecord(
                topic: partition.topic, key: record.key, value: record.value, headers: record.headers)
            if index < Int(middle) {
                halves.0.append(copy, timestamp: record.timestamp)
            } else {
                halves.1.append(copy, timestamp: record.timestamp)
            }
        }
        return halves
    }

    private func half(id: UInt64, idSpan: UInt64, _ compression: CompressionType, firstPlace: Int32) -> Self {
        var half = Self(
            id: id, idSpan: idSpan, partition: partition, created: created, compression: compression,
            isTransactional: builder.isTransactional, delivery: delivery, firstPlace: firstPlace)
        half.isClosed = true
        half.attempts = attempts
        return half
    }

    /// Tells those who wait.
    func settle(_ result: BatchDelivery.Outcome) {
        delivery.finish(firstPlace..<(firstPlace + count), result)
    }
}

/// The id and epoch under which an idempotent producer writes.
struct ProducerIdentity: Hashable, Sendable {
    var id: Int64
    var epoch: Int16
}
