import KafkaProtocol
import NIOCore

/// Prints one file of a log, a batch or an entry at a time.
struct SegmentDump {
    private let path: String
    private let file: SegmentFile
    private let isDeep: Bool
    private let printsData: Bool
    private let printsMetadata: Bool
    private let maxBytes: Int
    private let printsIndex: Bool
    /// What is wrong with the file, a sentence each.
    private(set) var faults: [String] = []

    init(
        path: String, isDeep: Bool, printsData: Bool, printsMetadata: Bool, maxBytes: Int, printsIndex: Bool
    ) throws(CommandFailure) {
        self.path = path
        self.isDeep = isDeep
        self.printsData = printsData
        self.printsMetadata = printsMetadata
        self.maxBytes = maxBytes
        self.printsIndex = printsIndex
        file = try SegmentFile(path: path)
    }

    mutating func run() throws(CommandFailure) {
        switch path.split(separator: ".").last {
        case "log": try dumpLog()
        case "index": try dumpIndex()
        case "timeindex": try dumpTimeIndex()
        case "txnindex": try dumpTransactionIndex()
        case "snapshot": try dumpProducers()
        default:
            faults.append("\(path): only .log, .index, .timeindex, .txnindex and .snapshot files are known")
        }
    }

    // MARK: Batches and records

    private mutating func dumpLog() throws(CommandFailure) {
        if let base = file.baseOffset { Terminal.print("Log starting offset: \(base)") }
        var position = 0
        var lastOffset: Int64?
        while position < min(file.length, maxBytes), let batch = try file.batch(at: position) {
            let header = batch.header
            Terminal.print(Self.line(header, position: position, isValid: batch.isChecksumValid))
            if let lastOffset, header.baseOffset <= lastOffset {
                faults.append("\(path): offset \(lastOffset) is followed by \(header.baseOffset)")
            }
            if !batch.isChecksumValid { faults.append("\(path): the checksum at position \(position) is wrong") }
            if isDeep { dumpRecords(batch) }
            lastOffset = header.lastOffset
            position += header.totalSize
        }
        if position < min(file.length, maxBytes) {
            Terminal.print("Found \(file.length - position) invalid bytes at the end of \(file.name)")
        }
    }

    private static func line(_ header: RecordBatchHeader, position: Int, isValid: Bool) -> String {
        let horizon = header.deleteHorizon.map { "OptionalLong[\($0)]" } ?? "OptionalLong.empty"
        return "baseOffset: \(header.baseOffset) lastOffset: \(header.lastOffset) count: \(header.recordCount)"
            + " baseSequence: \(header.baseSequence) lastSequence: \(header.lastSequence)"
            + " producerId: \(header.producerId) producerEpoch: \(header.producerEpoch)"
            + " partitionLeaderEpoch: \(header.partitionLeaderEpoch) isTransactional: \(header.isTransactional)"
            + " isControl: \(header.isControl) deleteHorizonMs: \(horizon)"
            + " position: \(position) \(header.timestampType.name): \(header.maxTimestamp)"
            + " size: \(header.totalSize) magic: \(header.magic)"
            + " compresscodec: \(header.compression.name) crc: \(header.crc) isvalid: \(isValid)"
    }

    private mutating func dumpRecords(_ batch: RecordBatch) {
        do throws(RecordError) {
            for (index, record) in try batch.records().enumerated() {
                Terminal.print("| " + parts(record, index: Int32(clamping: index), of: batch).joined(separator: " "))
            }
        } catch {
            faults.append("\(path): the records at offset \(batch.header.baseOffset) cannot be read: \(error)")
        }
    }

    private func parts(_ record: Record, index: Int32, of batch: RecordBatch) -> [String] {
        let header = batch.header
        var parts: [String] = []
        if printsMetadata {
            let sequence = header.baseSequence < 0 ? -1 : header.baseSequence &+ index
            let headers = record.headers.map(\.key).joined(separator: ",")
            parts.append(
                "offset: \(record.offset) \(header.timestampType.name): \(record.timestamp)"
                    + " keySize: \(record.key?.readableBytes ?? -1) valueSize: \(record.value?.readableBytes ?? -1)"
                    + " sequence: \(sequence) headerKeys: [\(headers)]")
            if header.isControl, let marker = EndTransactionMarker(record) {
                let type = marker.isCommit ? "COMMIT" : "ABORT"
                parts.append("endTxnMarker: \(type) coordinatorEpoch: \(marker.coordinatorEpoch)")
            }
        }
        if printsData, !header.isControl {
            if let key = record.key { parts.append("key: \(String(buffer: key))") }
            if let value = record.value { parts.append("payload: \(String(buffer: value))") }
        }
        return parts
    }

    // MARK: Indexes

    private mutating func dumpIndex() throws(CommandFailure) {
        let base = file.baseOffset ?? 0
        let log = try? SegmentFile(path: file.sibling("log"))
        var last: (offset: Int64, position: Int32)?
        try file.forEachEntry(of: 8) { entry in
            let (offset, position) = (base + Int64(entry.integer(0, Int32.self)), entry.integer(4, Int32.self))
            // Preallocated files end in zeros.
            if offset == base, last != nil { return false }
            if let last, offset <= last.offset || position <= last.position {
                faults.append("\(path): offset \(offset) at \(position) follows \(last.offset) at \(last.position)")
            }
            if let log, (try? log.batch(at: Int(position)))?.header.lastOffset != offset {
                faults.append("\(path): no batch that ends in offset \(offset) begins at position \(position)")
            }
            if printsIndex { Terminal.print("offset: \(offset) position: \(position)") }
            last = (offset, position)
            return true
        }
        summarise(isEmpty: last == nil)
    }

    private mutating func dumpTimeIndex() throws(CommandFailure) {
        let base = file.baseOffset ?? 0
        var last: (timestamp: Int64, offset: Int64)?
        try file.forEachEntry(of: 12) { entry in
            let (timestamp, offset) = (entry.integer(0, Int64.self), base + Int64(entry.integer(8, Int32.self)))
            if offset == base, last != nil { return false }
            if let last, timestamp <= last.timestamp || offset <= last.offset {
                faults.append("\(path): time \(timestamp) at \(offset) follows \(last.timestamp) at \(last.offset)")
            }
            if printsIndex { Terminal.print("timestamp: \(timestamp) offset: \(offset)") }
            last = (timestamp, offset)
            return true
        }
        summarise(isEmpty: last == nil)
    }

    private mutating func dumpTransactionIndex() throws(CommandFailure) {
        try file.forEachEntry(of: 34) { entry in
            Terminal.print(
                "version: \(entry.integer(0, Int16.self)) producerId: \(entry.integer(2, Int64.self))"
                    + " firstOffset: \(entry.integer(10, Int64.self)) lastOffset: \(entry.integer(18, Int64.self))"
                    + " lastStableOffset: \(entry.integer(26, Int64.self))")
            return true
        }
    }

    /// The producers' states: Kafka's `ProducerSnapshot` version 1.
    private mutating func dumpProducers() throws(CommandFailure) {
        let whole = FileEntry(try file.bytes(at: 0, count: file.length))
        guard whole.bytes.count >= 10, whole.integer(0, Int16.self) == 1,
            whole.bytes[6...].withUnsafeBytes({ CRC32C.checksum($0) }) == whole.integer(2, UInt32.self)
        else {
            faults.append("\(path): the snapshot's version or checksum is wrong")
            return
        }
        try file.forEachEntry(of: 46, from: 10) { entry in
            let (last, delta) = (entry.integer(10, Int32.self), entry.integer(22, Int32.self))
            let batch =
                last < 0
                ? ""
                : "firstSequence: \(last &- delta) lastSequence: \(last)"
                    + " lastOffset: \(entry.integer(14, Int64.self)) offsetDelta: \(delta)"
                    + " timestamp: \(entry.integer(26, Int64.self))"
            Terminal.print(
                "producerId: \(entry.integer(0, Int64.self)) producerEpoch: \(entry.integer(8, Int16.self))"
                    + " coordinatorEpoch: \(entry.integer(34, Int32.self))"
                    + " currentTxnFirstOffset: \(entry.integer(38, Int64.self))"
                    + " lastTimestamp: \(entry.integer(26, Int64.self)) \(batch)")
            return true
        }
    }

    private func summarise(isEmpty: Bool) {
        if isEmpty {
            Terminal.print("\(path) is empty.")
        } else if !printsIndex, faults.isEmpty {
            Terminal.print("\(path) passed sanity check.")
        }
    }
}
