import KafkaProtocol
import NIOCore

/// Records of one partition that travel together.
struct ProducerBatch: Sendable {
    /// Which records of which call are in the batch.
    struct Segment: Sendable {
        let call: SendCall
        var indexes: [Int32]
        var deltas: [Int32]
    }

    /// Grows with time: the order within a partition.
    let id: UInt64
    /// How many ids from `id` on belong to this batch, for the parts it may have to be split into.
    let idSpan: UInt64
    let partition: TopicPartition
    let created: NIODeadline
    private(set) var builder: RecordBatchBuilder
    private(set) var segments: [Segment] = []
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
        id: UInt64, idSpan: UInt64 = 1, partition: TopicPartition, created: NIODeadline, compression: CompressionType
    ) {
        self.id = id
        self.idSpan = idSpan
        self.partition = partition
        self.created = created
        builder = RecordBatchBuilder(compression: compression)
    }

    mutating func append(_ record: ProducerRecord, timestamp: Int64, call: SendCall, index: Int32) {
        let before = builder.estimatedSize
        builder.append(timestamp: timestamp, key: record.key, value: record.value, headers: record.headers)
        size += builder.estimatedSize - before
        if let last = segments.indices.last, segments[last].call === call {
            segments[last].indexes.append(index)
            segments[last].deltas.append(count)
        } else {
            segments.append(Segment(call: call, indexes: [index], deltas: [count]))
        }
        count += 1
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
        let middle = Int(count) / 2
        var halves = (
            Self(
                id: id, idSpan: idSpan / 2, partition: partition, created: created, compression: compression),
            Self(
                id: id + idSpan / 2, idSpan: idSpan - idSpan / 2, partition: partition, created: created,
                compression: compression)
        )
        for (delta, record) in records.enumerated() {
            guard let (call, index) = owner(ofDelta: Int32(delta)) else { continue }
            let copy = ProducerRecord(
                topic: partition.topic, key: record.key, value: record.value, headers: record.headers)
            if delta < middle {
                halves.0.append(copy, timestamp: record.timestamp, call: call, index: index)
            } else {
                halves.1.append(copy, timestamp: record.timestamp, call: call, index: index)
            }
        }
        halves.0.isClosed = true
        halves.1.isClosed = true
        halves.0.attempts = attempts
        halves.1.attempts = attempts
        return halves
    }

    private func owner(ofDelta delta: Int32) -> (SendCall, Int32)? {
        for segment in segments {
            // Deltas ascend within a segment.
            var low = 0
            var high = segment.deltas.count
            while low < high {
                let middle = (low + high) / 2
                if segment.deltas[middle] < delta { low = middle + 1 } else { high = middle }
            }
            if low < segment.deltas.count, segment.deltas[low] == delta {
                return (segment.call, segment.indexes[low])
            }
        }
        return nil
    }

    /// Tells the calls that their records are in the log.
    func succeed(baseOffset: Int64, logAppendTime: Int64) {
        for segment in segments {
            segment.call.succeed(
                segment.indexes, deltas: segment.deltas, baseOffset: baseOffset, logAppendTime: logAppendTime)
        }
    }

    /// Tells the calls that their records will not be.
    func fail(_ error: KafkaError) {
        for segment in segments { segment.call.fail(segment.indexes.count, error) }
    }
}

/// The id and epoch under which an idempotent producer writes.
struct ProducerIdentity: Hashable, Sendable {
    var id: Int64
    var epoch: Int16
}
