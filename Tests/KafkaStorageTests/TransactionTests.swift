import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaStorage

/// Transactions in a partition's log, by the rules of KIP-98 and the layout of Kafka's `.txnindex`.
@Suite struct TransactionTests {
    let folder: TemporaryFolder
    let directory: LogDirectory

    init() throws {
        folder = try TemporaryFolder()
        directory = try openDirectory(folder)
    }

    private func open(_ configuration: LogConfiguration = LogConfiguration()) throws -> PartitionLog {
        try directory.openLog(topic: "t", partition: 0, configuration: configuration)
    }

    @Test func theLastStableOffsetIsWhereTheOldestOpenTransactionBegins() throws {
        let log = try open()
        try log.append(["plain"])
        try log.append(["a"], producer: 1, sequence: 0)
        try log.append(["b"], producer: 2, sequence: 0)
        try log.append(["behind"])
        #expect(log.lastStableOffset == 1)
        #expect(log.logEndOffset == 4)
        try log.end(1, commits: true)
        #expect(log.lastStableOffset == 2, "producer 2 is open")
        try log.end(2, commits: false)
        #expect(log.lastStableOffset == 6)
        #expect(try log.committed() == ["plain", "a", "behind"])
    }

    @Test func readCommittedEndsBeforeTheFirstOpenRecordAndNamesTheAborted() throws {
        let log = try open(smallSegments(300))
        for number in 0..<30 {
            try log.append(["\(number)"], producer: Int64(number % 3), sequence: Int32(number / 3))
            if number % 3 == 2 {
                for producer: Int64 in 0..<3 { try log.end(producer, commits: producer != 1) }
            }
        }
        try log.append(["open"], producer: 9, sequence: 0)
        try log.append(["hidden"])
        #expect(log.segmentCount > 5)
        let expected = (0..<30).filter { $0 % 3 != 1 }.map(String.init)
        for maxBytes in [1, 200, 1 << 20] { #expect(try log.committed(maxBytes: maxBytes) == expected) }
        let stable = log.lastStableOffset
        #expect(try log.readCommitted(from: stable, maxBytes: 1000).slice == nil)
        #expect(try log.readCommitted(from: stable + 1, maxBytes: 1000).slice == nil)
        // From within a transaction on, it is still named.
        let within = try log.readCommitted(from: 2, maxBytes: 1)
        #expect(within.aborted.map(\.producerID) == [1] && within.aborted.map(\.firstOffset) == [1])
    }

    @Test func theIndexFileIsKafkas() throws {
        let log = try open()
        try log.append(["a", "b"], producer: 7, sequence: 0)
        try log.append(["c"], producer: 8, sequence: 0)
        try log.end(7, commits: false)
        try directory.close()
        // Version, producer, first offset, last offset (the marker's), last stable offset.
        var expected: [UInt8] = [0, 0]
        for value: UInt8 in [7, 0, 3, 2] { expected += [0, 0, 0, 0, 0, 0, 0, value] }
        #expect(try folder.bytes("t-0/00000000000000000000.txnindex") == expected)
    }

    @Test func aCrashLosesNeitherOpenNorAbortedTransactions() throws {
        let log = try open(smallSegments(400))
        for number in 0..<12 {
            try log.append(["\(number)"], producer: 5, sequence: Int32(number))
            try log.end(5, commits: number % 2 == 0)
            if number == 6 { try directory.checkpoint() }
        }
        try log.append(["open"], producer: 6, sequence: 0)
        try log.flush()
        let expected = (0..<12).filter { $0 % 2 == 0 }.map(String.init)
        let crashed = try folder.copy()
        for name in try crashed.names("t-0") where name.hasSuffix(".snapshot") && Bool.random() {
            try crashed.remove("t-0/\(name)")
        }
        let again = try openDirectory(crashed)
        let recovered = try again.openLog(topic: "t", partition: 0, configuration: smallSegments(400))
        #expect(recovered.lastStableOffset == 24)
        #expect(try recovered.committed() == expected)
        try recovered.end(6, commits: true)
        #expect(try recovered.committed() == expected + ["open"])
        try again.close()
        let third = try openDirectory(crashed)
        let closed = try third.openLog(topic: "t", partition: 0, configuration: smallSegments(400))
        #expect(try closed.committed() == expected + ["open"])
    }

    @Test func onlyTheCoordinatorBeginsATransactionAndAFencedProducerIsRefused() throws {
        let log = try open()
        let batch = try keyedBatch([Keyed("k", "v")], producer: 3, epoch: 4, sequence: 0, isTransactional: true)
        let header = try RecordBatchHeader(parsing: batch)
        var error = #expect(throws: StorageError.self) { try log.append(batch, validated: header) }
        #expect(error?.code == .unverifiedTransaction)
        _ = try log.append(batch, validated: header, isVerified: true)
        #expect(log.hasOpenTransaction(header))
        // Outside of the open transaction.
        let plain = try keyedBatch([Keyed("k", "v")], producer: 3, epoch: 4, sequence: 1)
        error = #expect(throws: StorageError.self) {
            try log.append(plain, validated: try RecordBatchHeader(parsing: plain))
        }
        #expect(error?.code == .invalidTransactionState)
        // The marker of the newer protocol bumps the epoch: what comes late is refused, the next begins at 0.
        _ = try log.appendMarker(
            producerID: 3, producerEpoch: 5, EndTransactionMarker(isCommit: true, coordinatorEpoch: 0))
        let late = try keyedBatch([Keyed("k", "v")], producer: 3, epoch: 4, sequence: 1, isTransactional: true)
        error = #expect(throws: StorageError.self) {
            try log.append(late, validated: try RecordBatchHeader(parsing: late), isVerified: true)
        }
        #expect(error?.code == .invalidProducerEpoch)
        let next = try keyedBatch([Keyed("k", "v")], producer: 3, epoch: 5, sequence: 0, isTransactional: true)
        _ = try log.append(next, validated: try RecordBatchHeader(parsing: next), isVerified: true)
        #expect(log.producerStates.map(\.transactionStartOffset) == [2])
    }

    @Test func compactionDropsAbortedRecordsAndKeepsWhatIsOpen() throws {
        var configuration = eager()
        configuration.deleteRetentionMs = 1000
        let log = try open(configuration)
        try log.append([Keyed("k", "old"), Keyed("a", "kept")])
        try log.appendKeyed([Keyed("k", "aborted"), Keyed("x", "aborted")], producer: 1, sequence: 0)
        try log.end(1, commits: false)
        try log.appendKeyed([Keyed("k", "committed")], producer: 2, sequence: 0)
        try log.end(2, commits: true)
        try log.appendKeyed([Keyed("a", "open")], producer: 3, sequence: 0)
        try log.append([Keyed("k", "behind the open one")])
        directory.maintain(now: startOfTests)
        // An aborted value hides nothing, an open one not yet.
        #expect(try log.dataContents() == ["1:a=kept", "5:k=committed", "7:a=open", "8:k=behind the open one"])
        #expect(log.lastStableOffset == 7)
        #expect(try log.committed() == ["kept", "committed"])
        try log.end(3, commits: true)
        try log.append([Keyed("z", "last")])
        directory.maintain(now: startOfTests + 1)
        #expect(try log.dataContents() == ["7:a=open", "8:k=behind the open one", "10:z=last"])
        #expect(try log.committed() == ["open", "behind the open one", "last"])
        // The markers of transactions without records go after delete.retention.ms, that of the one with a record stays.
        // Those that are all that is left of a producer's epoch or data stay as empty batches.
        try log.append([Keyed("z", "newest")])
        directory.maintain(now: startOfTests + 5000)
        try log.append([Keyed("z", "newer still")])
        directory.maintain(now: startOfTests + 9000)
        #expect(try log.controlOffsets() == [9])
        let crashed = try folder.copy()
        let recovered = try openDirectory(crashed)
        let again = try recovered.openLog(topic: "t", partition: 0, configuration: configuration)
        let (found, expected) = (try again.contents(), try log.contents())
        #expect(found == expected)
        #expect(try again.committed() == ["open", "behind the open one", "newer still"])
        #expect(again.lastStableOffset == again.logEndOffset)
    }
}

extension PartitionLog {
    fileprivate func append(_ values: [String], producer: Int64? = nil, sequence: Int32 = -1) throws {
        try appendKeyed(values.map { Keyed("k", $0) }, producer: producer, sequence: sequence)
    }

    fileprivate func appendKeyed(_ records: [Keyed], producer: Int64? = nil, sequence: Int32) throws {
        let batch = try keyedBatch(
            records, producer: producer ?? -1, epoch: producer == nil ? -1 : 0, sequence: sequence,
            isTransactional: producer != nil)
        _ = try append(batch, validated: try RecordBatchHeader(parsing: batch), isVerified: true)
    }

    fileprivate func end(_ producer: Int64, commits: Bool) throws {
        _ = try appendMarker(
            producerID: producer, producerEpoch: 0, EndTransactionMarker(isCommit: commits, coordinatorEpoch: 0))
    }

    /// What a read_committed consumer shows, who drops the records of aborted transactions as Kafka's client does.
    fileprivate func committed(maxBytes: Int = 1 << 20) throws -> [String] {
        var values: [String] = []
        var next = logStartOffset
        while true {
            let read = try readCommitted(from: next, maxBytes: maxBytes)
            guard let slice = read.slice else { return values }
            var aborted = read.aborted[...]
            var active: Set<Int64> = []
            for batch in try RecordBatches.records(in: try slice.readBytes(), from: next) {
                let header = batch.header
                while let first = aborted.first, first.firstOffset <= header.lastOffset {
                    active.insert(first.producerID)
                    aborted.removeFirst()
                }
                let records = try batch.records()
                if header.isControl {
                    if let marker = records.first.flatMap(EndTransactionMarker.init), !marker.isCommit {
                        active.remove(header.producerId)
                    }
                } else if !header.isTransactional || !active.contains(header.producerId) {
                    values += records.filter { $0.offset >= next }.map { String(buffer: $0.value ?? ByteBuffer()) }
                }
                next = header.nextOffset
            }
        }
    }

    fileprivate func controlOffsets() throws -> [Int64] {
        try batches().filter { $0.header.isControl && $0.header.recordCount > 0 }.map(\.header.baseOffset)
    }

    fileprivate func dataContents() throws -> [String] {
        let control = Set(try controlOffsets())
        return try contents().filter { line in !control.contains(Int64(line.prefix { $0 != ":" }) ?? -1) }
    }
}
