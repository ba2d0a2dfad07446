import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaStorage

@Suite struct RetentionTests {
    let folder: TemporaryFolder
    let directory: LogDirectory
    let size: Int

    init() throws {
        folder = try TemporaryFolder()
        directory = try openDirectory(folder)
        size = try makeBatch(["value"]).readableBytes
    }

    /// A log with ten batches in each segment, one batch every second.
    private func makeLog(batches: Int, _ change: (inout LogConfiguration) -> Void = { _ in }) throws -> PartitionLog {
        var configuration = smallSegments(size * 10)
        change(&configuration)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        for index in 0..<batches {
            _ = try log.append(try makeBatch(["value"], timestamp: startOfTests + Int64(index) * 1000))
        }
        return log
    }

    @Test func segmentsOlderThanRetentionMsGo() throws {
        let log = try makeLog(batches: 45) { $0.retentionMs = 20_000 }
        // Segment 0 ends at second 9, segment 10 at second 19.
        #expect(try log.applyRetention(now: startOfTests + 29_000) == 0)
        #expect(try log.applyRetention(now: startOfTests + 29_001) == 1)
        #expect(log.logStartOffset == 10)
        #expect(try log.applyRetention(now: startOfTests + 39_001) == 1)
        #expect(log.logStartOffset == 20)
        #expect(throws: StorageError.self) { try log.read(from: 19, maxBytes: 1) }
        #expect(try log.values(from: 20).count == 25)
        #expect(try folder.names("t-0").first?.hasPrefix("00000000000000000020") == true)
    }

    @Test func anIdleLogEmptiesAndKeepsItsEnd() throws {
        let log = try makeLog(batches: 25) { $0.retentionMs = 1000 }
        #expect(try log.applyRetention(now: startOfTests + 1_000_000) == 3)
        #expect(log.logStartOffset == 25)
        #expect(log.logEndOffset == 25)
        #expect(try log.applyRetention(now: startOfTests + 2_000_000) == 0)
        try directory.close()
        let again = try openDirectory(folder).openLog(topic: "t", partition: 0)
        #expect(again.logStartOffset == 25)
        #expect(again.logEndOffset == 25)
    }

    @Test func retentionBytesKeepsAtLeastThatMuch() throws {
        let log = try makeLog(batches: 45) { [size] in
            $0.retentionMs = -1
            $0.retentionBytes = Int64(size * 21)
        }
        #expect(try log.applyRetention(now: startOfTests) == 2)
        #expect(log.size == Int64(size * 25))
        #expect(try log.applyRetention(now: startOfTests) == 0)
    }

    @Test func compactedLogsAreNotDeletedByAge() throws {
        let log = try makeLog(batches: 25) {
            $0.retentionMs = 1000
            $0.cleanupPolicy = .compact
        }
        #expect(try log.applyRetention(now: startOfTests + 1_000_000) == 0)
    }

    @Test func deletedRecordsStayDeleted() throws {
        let log = try makeLog(batches: 45)
        #expect(try log.deleteRecords(before: 23) == 23)
        #expect(log.segmentCount == 3)
        #expect(try log.values(from: 23).count == 22)
        #expect(throws: StorageError.self) { try log.read(from: 22, maxBytes: 1) }
        #expect(throws: StorageError.self) { try log.deleteRecords(before: 46) }
        #expect(try log.deleteRecords(before: 5) == 23, "the start does not go back")
        #expect(try String(decoding: folder.bytes("log-start-offset-checkpoint"), as: UTF8.self) == "0\n1\nt 0 23\n")
        let again = try openDirectory(try folder.copy()).openLog(topic: "t", partition: 0)
        #expect(again.logStartOffset == 23)
        #expect(try log.deleteRecords(before: -1) == 45)
        #expect(log.segmentCount == 1)
    }

    @Test func aSliceOutlivesItsSegment() throws {
        let log = try makeLog(batches: 45) { $0.retentionMs = 1 }
        let slice = try #require(try log.read(from: 0, maxBytes: 1 << 20).slice)
        #expect(try log.applyRetention(now: startOfTests + 1_000_000) == 5)
        try directory.deleteLog(topic: "t", partition: 0)
        #expect(try folder.names().contains { $0.hasPrefix("t-0") } == false)
        #expect(try RecordBatches.records(in: try slice.readBytes(), from: 0).count == 10)
        #expect(throws: StorageError.self) { try log.append(try makeBatch(["late"])) }
        #expect(try directory.openLog(topic: "t", partition: 0).logEndOffset == 0)
    }

    // MARK: Timestamps

    @Test(arguments: [CompressionType.none, .gzip, .zstd]) func offsetsByTime(_ compression: CompressionType) throws {
        let log = try directory.openLog(
            topic: "t", partition: 0, configuration: smallSegments(1000, indexInterval: 100))
        // Three records in a batch, 1 ms apart; the batches' times go up and down.
        let times: [Int64] = [100, 50, 200, 150, 120, 300, 10, 290, 400, 350, 20, 30, 500]
        var records: [(offset: Int64, timestamp: Int64)] = []
        for time in times {
            let info = try log.append(
                try makeBatch(["a", "b", "c"], timestamp: startOfTests + time, compression: compression))
            for delta in Int64(0)..<3 { records.append((info.baseOffset + delta, startOfTests + time + delta)) }
        }
        #expect(log.segmentCount > 1)
        // Known answers: the first record in offset order that is not older.
        for timestamp in (0...505).map({ startOfTests + $0 }) {
            let expected = records.first { $0.timestamp >= timestamp }
            let found = try log.offset(forTimestamp: timestamp)
            #expect(found?.offset == expected?.offset, "\(timestamp - startOfTests)")
            #expect(found?.timestamp == expected?.timestamp)
        }
        #expect(try log.maxTimestampOffset()?.offset == 38)
        #expect(try log.maxTimestampOffset()?.timestamp == startOfTests + 502)
        try log.deleteRecords(before: 2)
        #expect(try log.offset(forTimestamp: 0)?.offset == 2, "not before the log's start")
    }

    @Test func anEmptyLogHasNoOffsetForAnyTime() throws {
        let log = try directory.openLog(topic: "t", partition: 0)
        #expect(try log.offset(forTimestamp: 0) == nil)
        #expect(try log.maxTimestampOffset() == nil)
    }
}
