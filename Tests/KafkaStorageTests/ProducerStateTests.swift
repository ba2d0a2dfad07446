import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaStorage

/// The cases are those of Kafka's `ProducerStateManagerTest` and `UnifiedLogTest`.
@Suite struct ProducerStateTests {
    let folder: TemporaryFolder
    let directory: LogDirectory

    init() throws {
        folder = try TemporaryFolder()
        directory = try openDirectory(folder)
    }

    private func send(
        _ log: PartitionLog, sequence: Int32, count: Int = 1, epoch: Int16 = 0, producer: Int64 = 9
    ) throws -> LogAppendInfo {
        let values = (0..<count).map { "\(producer)/\(epoch)/\(Int(sequence) + $0)" }
        return try log.append(try makeBatch(values, producer: producer, epoch: epoch, sequence: sequence))
    }

    private func code(_ body: () throws -> Void) -> ErrorCode? {
        do {
            try body()
            return nil
        } catch {
            return (error as? StorageError)?.errorCode
        }
    }

    @Test func theLastFiveBatchesAreRecognised() throws {
        let log = try directory.openLog(topic: "t", partition: 0)
        for sequence in 0..<7 { _ = try send(log, sequence: Int32(sequence * 2), count: 2) }
        for sequence in 2..<7 {
            let info = try send(log, sequence: Int32(sequence * 2), count: 2)
            #expect(info.isDuplicate)
            #expect(info.baseOffset == Int64(sequence * 2))
            #expect(info.lastOffset == Int64(sequence * 2 + 1))
        }
        #expect(log.logEndOffset == 14)
        #expect(
            code { _ = try send(log, sequence: 2, count: 2) } == .outOfOrderSequenceNumber, "older than five batches")
        #expect(code { _ = try send(log, sequence: 12, count: 1) } == .outOfOrderSequenceNumber, "part of a batch")
        #expect(code { _ = try send(log, sequence: 15) } == .outOfOrderSequenceNumber, "a gap")
        #expect(log.logEndOffset == 14)
        #expect(try send(log, sequence: 14).baseOffset == 14)
    }

    @Test func aNewEpochFencesTheOldOne() throws {
        let log = try directory.openLog(topic: "t", partition: 0)
        _ = try send(log, sequence: 0, epoch: 3)
        #expect(
            code { _ = try send(log, sequence: 5, epoch: 4) } == .outOfOrderSequenceNumber, "a new epoch begins at 0")
        _ = try send(log, sequence: 0, epoch: 4)
        #expect(code { _ = try send(log, sequence: 1, epoch: 3) } == .invalidProducerEpoch)
        #expect(try send(log, sequence: 0, epoch: 4).isDuplicate)
    }

    @Test func anUnknownProducerMayBeginAnywhere() throws {
        let log = try directory.openLog(topic: "t", partition: 0)
        #expect(try send(log, sequence: 500).baseOffset == 0)
        #expect(code { _ = try send(log, sequence: 502) } == .outOfOrderSequenceNumber)
        #expect(try send(log, sequence: 0, producer: 10).baseOffset == 1, "another producer has its own sequence")
    }

    @Test func sequencesWrapAtInt32Max() throws {
        let log = try directory.openLog(topic: "t", partition: 0)
        _ = try send(log, sequence: .max - 1, count: 1)
        // Sequences max, 0 and 1 in one batch.
        _ = try log.append(try makeBatch(["a", "b", "c"], producer: 9, epoch: 0, sequence: .max))
        #expect(try log.append(try makeBatch(["a", "b", "c"], producer: 9, epoch: 0, sequence: .max)).isDuplicate)
        #expect(code { _ = try send(log, sequence: 3) } == .outOfOrderSequenceNumber)
        #expect(try send(log, sequence: 2).baseOffset == 4)
        _ = try directory.close()
        let again = try openDirectory(folder).openLog(topic: "t", partition: 0)
        #expect(try again.append(try makeBatch(["a", "b", "c"], producer: 9, epoch: 0, sequence: .max)).isDuplicate)
    }

    @Test(arguments: [true, false]) func stateSurvivesARestart(_ isClean: Bool) throws {
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments(1000))
        for sequence in 0..<40 { _ = try send(log, sequence: Int32(sequence)) }
        #expect(try folder.names("t-0").filter { $0.hasSuffix(".snapshot") }.count == log.segmentCount - 1)
        if isClean { try directory.close() }
        let copy = try folder.copy()
        if isClean { #expect(copy.exists("t-0/00000000000000000040.snapshot")) }
        let again = try openDirectory(copy).openLog(topic: "t", partition: 0, configuration: smallSegments(1000))
        for sequence in 35..<40 {
            let info = try send(again, sequence: Int32(sequence))
            #expect(info.isDuplicate)
            #expect(info.baseOffset == Int64(sequence))
        }
        #expect(code { _ = try send(again, sequence: 34) } == .outOfOrderSequenceNumber)
        #expect(try send(again, sequence: 40).baseOffset == 40)
    }

    @Test func aDamagedSnapshotIsReplacedByTheOneBefore() throws {
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments(1000))
        for sequence in 0..<40 { _ = try send(log, sequence: Int32(sequence)) }
        try directory.close()
        for name in try folder.names("t-0").filter({ $0.hasSuffix(".snapshot") }).suffix(2) {
            var bytes = try folder.bytes("t-0/\(name)")
            bytes[12] ^= 1
            try folder.write(bytes, to: "t-0/\(name)")
        }
        let again = try openDirectory(folder).openLog(topic: "t", partition: 0, configuration: smallSegments(1000))
        #expect(try send(again, sequence: 39).isDuplicate)
        #expect(try send(again, sequence: 40).baseOffset == 40)
    }

    /// Bytes laid out by hand from Kafka's `ProducerSnapshot.json`; the checksum is CRC32C of what follows it.
    @Test func snapshotFilesAreKafkas() throws {
        var state = ProducerStateManager()
        let batch = try makeBatch(["a", "b"], producer: 0x0102, epoch: 3, sequence: 7)
        state.record(try RecordBatchHeader(parsing: batch), baseOffset: 100)
        var expected: [UInt8] = [0, 0, 0, 1]
        expected += [0, 0, 0, 0, 0, 0, 1, 2] + [0, 3] + [0, 0, 0, 8] + [0, 0, 0, 0, 0, 0, 0, 101] + [0, 0, 0, 1]
        expected += withUnsafeBytes(of: (startOfTests + 1).bigEndian, Array.init)
        expected += [UInt8](repeating: 0xff, count: 12)
        let bytes = state.encodeSnapshot()
        #expect(Array(bytes[..<2]) == [0, 1])
        #expect(Array(bytes[6...]) == expected)
        #expect(ProducerStateManager(snapshot: bytes) == state)
        for place in bytes.indices {
            var damaged = bytes
            damaged[place] ^= 0x10
            #expect(ProducerStateManager(snapshot: damaged) == nil)
        }
        #expect(ProducerStateManager(snapshot: Array(bytes.dropLast())) == nil)
    }

    @Test func idleProducersAreForgotten() throws {
        let log = try directory.openLog(topic: "t", partition: 0)
        _ = try send(log, sequence: 0)
        try log.applyRetention(now: startOfTests + 86_399_999)
        #expect(code { _ = try send(log, sequence: 9) } == .outOfOrderSequenceNumber)
        try log.applyRetention(now: startOfTests + 86_400_000)
        #expect(try send(log, sequence: 9).baseOffset == 1)
    }
}
