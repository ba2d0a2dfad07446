import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaStorage

/// What compaction leaves, worked out by hand after Kafka's documentation of log compaction and KIP-534.
@Suite struct CompactionTests {
    let now = startOfTests
    let folder: TemporaryFolder
    let directory: LogDirectory

    init() throws {
        folder = try TemporaryFolder()
        directory = try openDirectory(folder)
    }

    private func open(_ configuration: LogConfiguration = eager()) throws -> PartitionLog {
        try directory.openLog(topic: "t", partition: 0, configuration: configuration)
    }

    @Test func theLastValueOfEveryKeyStaysWithItsOffset() throws {
        let log = try open()
        try log.append([Keyed("k1", "a", now), Keyed("k2", "b", now + 5), Keyed("k1", "c", now + 9)])
        try log.append([Keyed("k3", "d", now + 11)])
        try log.append([Keyed("k3", "e", now + 12), Keyed("k1", "f", now + 10)])
        #expect(directory.maintain(now: now).isEmpty)
        #expect(try log.contents() == ["1:k2=b", "4:k3=e", "5:k1=f"])
        let batches = try log.batches()
        // The batch of offset 3 is gone; that of 0...2 keeps its bounds.
        #expect(batches.map(\.header.baseOffset) == [0, 4])
        #expect(batches.map(\.header.lastOffset) == [2, 5])
        #expect(batches.map(\.header.recordCount) == [1, 2])
        #expect(batches[0].header.baseTimestamp == now + 5)
        #expect(batches[0].header.maxTimestamp == now + 5)
        let record = try batches[0].records()[0]
        #expect(record.timestamp == now + 5)
        #expect(record.headers == [RecordHeader(key: "h", value: ByteBuffer(string: "k2"))])
        #expect(batches.map(\.isChecksumValid) == [true, true])
        #expect(log.logEndOffset == 6)
        #expect(try folder.bytes("cleaner-offset-checkpoint") == Array("0\n1\nt 0 6\n".utf8))
        // Offsets that are gone lead to the next that is there.
        #expect(try log.records(from: 2).map(\.offset) == [4, 5])
        #expect(try log.records(from: 3).map(\.offset) == [4, 5])
        #expect(try log.offset(forTimestamp: now + 6)?.offset == 4)
    }

    @Test func aTombstoneStaysUntilItsDeleteHorizon() throws {
        var configuration = eager()
        configuration.deleteRetentionMs = 1000
        let log = try open(configuration)
        try log.append([Keyed("k", "a"), Keyed("x", "1"), Keyed("k", nil, now + 3)])
        directory.maintain(now: now + 10)
        #expect(try log.contents() == ["1:x=1", "2:k"])
        var header = try log.batches()[0].header
        #expect(header.attributes == 1 << 6)
        #expect(header.deleteHorizon == now + 10 + 1000)
        #expect(header.maxTimestamp == now + 3)
        #expect(try log.records().map(\.timestamp) == [now, now + 3])
        // One millisecond before the horizon it is still there, and the horizon has not moved.
        try log.append([Keyed("y", "1")])
        directory.maintain(now: now + 1009)
        #expect(try log.contents() == ["1:x=1", "2:k", "3:y=1"])
        try log.append([Keyed("y", "2")])
        directory.maintain(now: now + 1010)
        #expect(try log.contents() == ["1:x=1", "4:y=2"])
        header = try log.batches()[0].header
        #expect(header.deleteHorizon == now + 1010, "a horizon that is set stays, as in Kafka")
    }

    @Test func recordsWithoutKeyGo() throws {
        let log = try open()
        try log.append([Keyed(nil, "a"), Keyed("k", "b")])
        directory.maintain(now: now)
        #expect(try log.contents() == ["1:k=b"])
    }

    @Test func theActiveSegmentIsNotCleanedAndSmallNewDataDoesNotSealIt() throws {
        var configuration = eager()
        configuration.compactionRollBytes = 16 << 20
        configuration.segmentMs = 10_000
        let log = try open(configuration)
        try log.append([Keyed("k", "a"), Keyed("k", "b")])
        directory.maintain(now: now + 10_000)
        #expect(try log.contents() == ["0:k=a", "1:k=b"])
        #expect(log.segmentCount == 1)
        directory.maintain(now: now + 10_001)
        #expect(try log.contents() == ["1:k=b"])
        directory.maintain(now: now + 90_000)
        #expect(log.segmentCount == 2, "an empty active segment is not sealed")
    }

    @Test func minCompactionLagAndDirtyRatioAreHeeded() throws {
        var configuration = eager()
        configuration.minCompactionLagMs = 500
        configuration.minCleanableDirtyRatio = 0.5
        let log = try open(configuration)
        try log.append([Keyed("k", "a"), Keyed("k", "b"), Keyed("l", String(repeating: "x", count: 1000))])
        directory.maintain(now: now + 499)
        #expect(try log.contents().count == 3)
        directory.maintain(now: now + 500)
        #expect(try log.contents().count == 2)
        // A little more is less than half of the log.
        log.configuration.minCompactionLagMs = 0
        try log.append([Keyed("k", "c")])
        directory.maintain(now: now + 5000)
        #expect(try log.contents().count == 3)
        log.configuration.maxCompactionLagMs = 1000
        directory.maintain(now: now + 5000)
        // max.compaction.lag.ms overrules the ratio.
        #expect(try log.contents().map { $0.prefix(5) } == ["2:l=x", "3:k=c"])
    }

    @Test func smallSegmentsAreMerged() throws {
        var configuration = eager()
        configuration.segmentBytes = 2000
        let log = try open(configuration)
        for index in 0..<100 { try log.append([Keyed("k\(index % 5)", "value \(index)")]) }
        let before = log.segmentCount
        directory.maintain(now: now)
        #expect(before > 3)
        // Each group keeps its last batch, without the record if that is obsolete.
        let expected = (95..<100).map { "\($0):k\($0 % 5)=value \($0)" }
        #expect(try log.contents() == expected)
        directory.maintain(now: now)
        try log.append([Keyed("z", "1")])
        directory.maintain(now: now)
        #expect(log.segmentCount == 2)
        #expect(try log.contents() == expected + ["100:z=1"])
        let names = try folder.names("t-0").filter { $0.hasSuffix(".log") || $0.hasSuffix(".swap") }
        #expect(names == ["00000000000000000000.log", "00000000000000000101.log"])
        try directory.close()
        let again = try openDirectory(folder).openLog(topic: "t", partition: 0, configuration: configuration)
        #expect(try again.contents() == expected + ["100:z=1"])
        #expect(again.logEndOffset == 101)
    }

    @Test(arguments: [CompressionType.gzip, .snappy, .lz4, .zstd]) func theCodecStays(_ codec: CompressionType) throws {
        let log = try open()
        let filler = String(repeating: "abc", count: 100)
        try log.append([Keyed("k1", filler), Keyed("k2", filler), Keyed("k1", filler + "!")], compression: codec)
        directory.maintain(now: now)
        #expect(try log.contents() == ["1:k2=\(filler)", "2:k1=\(filler)!"])
        #expect(try log.batches().map(\.header.compression) == [codec])
    }

    @Test func aProducersLastBatchStaysEmptyAndItsSequenceSurvives() throws {
        let log = try open()
        for sequence in 0..<3 {
            let batch = try keyedBatch([Keyed("k", "\(sequence)")], producer: 9, epoch: 1, sequence: Int32(sequence))
            _ = try log.append(batch)
        }
        try log.append([Keyed("k", "last")])
        try log.append([Keyed("l", "1")])
        directory.maintain(now: now)
        #expect(try log.contents() == ["3:k=last", "4:l=1"])
        let batch = try #require(try log.batches().first)
        #expect(batch.header.baseOffset == 2)
        #expect(batch.header.recordCount == 0)
        #expect(batch.header.baseSequence == 2)
        #expect(batch.header.producerEpoch == 1)
        try log.flush()
        // A crash that takes the snapshots: only the log can tell.
        let copy = try folder.copy()
        for name in try copy.names("t-0") where name.hasSuffix(".snapshot") { try copy.remove("t-0/\(name)") }
        let again = try openDirectory(copy).openLog(topic: "t", partition: 0, configuration: eager())
        let duplicate = try keyedBatch([Keyed("k", "2")], producer: 9, epoch: 1, sequence: 2)
        #expect(try again.append(duplicate).isDuplicate)
        let next = try again.append(try keyedBatch([Keyed("k", "3")], producer: 9, epoch: 1, sequence: 3))
        #expect(next.baseOffset == 5)
        #expect(!next.isDuplicate)
    }

    @Test func retentionAndCompactionLiveTogether() throws {
        var configuration = eager()
        configuration.cleanupPolicy = [.compact, .delete]
        configuration.retentionMs = 10_000
        let log = try open(configuration)
        try log.append([Keyed("old", "1"), Keyed("k", "a")])
        try log.append([Keyed("k", "b")])
        directory.maintain(now: now + 1)
        #expect(try log.contents() == ["0:old=1", "2:k=b"])
        try log.append([Keyed("k", "c", now + 8000)])
        directory.maintain(now: now + 9000)
        // Both are one segment now, which is as old as its newest record.
        #expect(try log.contents() == ["0:old=1", "3:k=c"])
        directory.maintain(now: now + 18_001)
        #expect(try log.contents().isEmpty)
        #expect(log.logStartOffset == 4)
        try log.append([Keyed("k", "d", now + 18_001), Keyed("k", "e", now + 18_001)])
        directory.maintain(now: now + 18_002)
        #expect(try log.contents() == ["5:k=e"])
    }
}
