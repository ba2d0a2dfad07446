import Foundation
import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaStorage

@Suite struct RecoveryTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A folder as a killed process leaves it: written to, flushed or not, without checkpoint and mark.
    private func crashed(_ write: (PartitionLog, LogDirectory) throws -> Void) throws -> TemporaryFolder {
        let directory = try openDirectory(folder)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments())
        try write(log, directory)
        return try folder.copy()
    }

    @Test func cleanShutdownLeavesKafkasMarkAndIsReadBack() throws {
        let directory = try openDirectory(folder)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments())
        for index in 0..<100 { _ = try log.append(try makeBatch(["v\(index)"])) }
        let segments = log.segmentCount
        try directory.close()
        #expect(folder.exists(".kafka_cleanshutdown"))
        #expect(
            try String(decoding: folder.bytes("recovery-point-offset-checkpoint"), as: UTF8.self) == "0\n1\nt 0 100\n")
        #expect(throws: StorageError.self) { try log.append(try makeBatch(["late"])) }

        let again = try openDirectory(folder)
        #expect(again.wasCleanShutdown)
        #expect(!folder.exists(".kafka_cleanshutdown"), "a crash from here on must not pass for a clean stop")
        let reopened = try again.openLog(topic: "t", partition: 0, configuration: smallSegments())
        #expect(reopened.recovery == LogRecoveryReport())
        #expect(reopened.logEndOffset == 100)
        #expect(reopened.flushedOffset == 100)
        #expect(reopened.segmentCount == segments)
        #expect(try reopened.append(try makeBatch(["v100"])).baseOffset == 100)
        #expect(try reopened.values() == (0...100).map { "v\($0)" })
    }

    @Test func unflushedRecordsSurviveAKilledProcess() throws {
        let copy = try crashed { log, _ in
            for index in 0..<100 { _ = try log.append(try makeBatch(["v\(index)"])) }
        }
        let log = try openDirectory(copy).openLog(topic: "t", partition: 0, configuration: smallSegments())
        #expect(try log.values() == (0..<100).map { "v\($0)" })
        #expect(log.flushedOffset == 0, "in the page cache is not on the device")
        try log.flush()
        #expect(log.flushedOffset == 100)
    }

    @Test func tornTailIsCutAtEveryByteOfTheLastBatch() throws {
        let last = try makeBatch(["the last one"])
        let copy = try crashed { log, _ in
            for index in 0..<3 { _ = try log.append(try makeBatch(["v\(index)"])) }
            _ = try log.append(last)
        }
        let name = "t-0/00000000000000000000.log"
        let whole = try copy.bytes(name)
        let intact = whole.count - last.readableBytes
        for length in intact..<whole.count {
            try copy.write(whole.prefix(length), to: name)
            let directory = try openDirectory(copy)
            let log = try directory.openLog(topic: "t", partition: 0)
            #expect(log.logEndOffset == 3, "cut at \(length)")
            #expect(log.recovery.truncatedBytes == Int64(length - intact))
            #expect(try copy.bytes(name).count == intact)
            #expect(try log.append(try makeBatch(["new"])).baseOffset == 3)
            #expect(try log.values() == ["v0", "v1", "v2", "new"])
        }
    }

    @Test func everyFlippedByteOfTheLastBatchIsFound() throws {
        let last = try makeBatch(["the last one"])
        let copy = try crashed { log, _ in
            for index in 0..<3 { _ = try log.append(try makeBatch(["v\(index)"])) }
            _ = try log.append(last)
        }
        let name = "t-0/00000000000000000000.log"
        let whole = try copy.bytes(name)
        let intact = whole.count - last.readableBytes
        // Offset and leader epoch (bytes 0-7 and 12-15) are outside the checksum. A somewhat larger offset passes for a gap as
        // compaction leaves it.
        for place in Array(0..<4) + Array(8..<12) + Array(16..<last.readableBytes) {
            var damaged = whole
            damaged[intact + place] ^= 0x5a
            try copy.write(damaged, to: name)
            let log = try openDirectory(copy).openLog(topic: "t", partition: 0)
            #expect(log.logEndOffset == 3, "byte \(place)")
            #expect(log.recovery.truncationReason != nil)
        }
    }

    @Test func segmentsBehindADamagedOneAreRemoved() throws {
        let copy = try crashed { log, _ in
            for index in 0..<100 { _ = try log.append(try makeBatch(["v\(index)"])) }
        }
        let logs = try copy.names("t-0").filter { $0.hasSuffix(".log") }
        let second = "t-0/\(logs[1])"
        let base = try #require(LogFileNames.offset(logs[1], suffix: ".log"))
        var bytes = try copy.bytes(second)
        let size = try makeBatch(["v50"]).readableBytes
        bytes[size * (bytes.count / size / 2) + size - 3] ^= 1
        try copy.write(bytes, to: second)
        let log = try openDirectory(copy).openLog(topic: "t", partition: 0, configuration: smallSegments())
        #expect(log.recovery.removedSegments == logs.count - 2)
        #expect(log.logEndOffset > base)
        #expect(try log.values() == (0..<log.logEndOffset).map { "v\($0)" })
        #expect(try copy.names("t-0").filter { $0.hasSuffix(".log") } == Array(logs[0...1]))
    }

    @Test func onlyWhatComesAfterTheCheckpointIsScanned() throws {
        var configuration = LogConfiguration()
        configuration.indexIntervalBytes = 200
        let directory = try openDirectory(folder)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        for index in 0..<500 { _ = try log.append(try makeBatch(["v\(index)"])) }
        try log.flush()
        try directory.checkpoint()
        for index in 500..<510 { _ = try log.append(try makeBatch(["v\(index)"])) }
        let copy = try folder.copy()
        let recovered = try openDirectory(copy).openLog(topic: "t", partition: 0, configuration: configuration)
        #expect(recovered.logEndOffset == 510)
        let size = try makeBatch(["v500"]).readableBytes
        #expect(recovered.recovery.scannedBytes >= size * 10)
        #expect(
            recovered.recovery.scannedBytes < size * 10 + 600, "no more than an index interval before the checkpoint")
        #expect(try recovered.values() == (0..<510).map { "v\($0)" })
        #expect(recovered.flushedOffset == 500)
    }

    @Test(arguments: ["missing", "garbage", "zeros", "short", "empty", "foreign"])
    func damagedIndexesAreMadeAnew(_ damage: String) throws {
        let directory = try openDirectory(folder)
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments())
        for index in 0..<200 {
            _ = try log.append(try makeBatch(["v\(index)"], timestamp: startOfTests + Int64(index) * 10))
        }
        try directory.close()
        var before: [String: [UInt8]] = [:]
        for name in try folder.names("t-0") where name.hasSuffix("index") {
            let bytes = try folder.bytes("t-0/\(name)")
            before[name] = bytes
            switch damage {
            case "missing": try folder.remove("t-0/\(name)")
            case "garbage": try folder.write(bytes.map { $0 ^ 0xa5 }, to: "t-0/\(name)")
            case "zeros": try folder.write(bytes.map { _ in 0 }, to: "t-0/\(name)")
            case "short": try folder.write(bytes.dropLast(3), to: "t-0/\(name)")
            case "empty": try folder.write([], to: "t-0/\(name)")
            default:
                // Plausible entries that lead between the batches.
                var foreign = bytes
                if name.hasSuffix(".index") {
                    for place in stride(from: 7, to: bytes.count, by: 8) { foreign[place] ^= 1 }
                }
                try folder.write(foreign, to: "t-0/\(name)")
            }
        }
        let again = try openDirectory(folder)
        let reopened = try again.openLog(topic: "t", partition: 0, configuration: smallSegments())
        #expect(reopened.logEndOffset == 200)
        for offset in stride(from: Int64(0), to: 200, by: 7) {
            #expect(try reopened.records(from: offset, maxBytes: 100).first?.offset == offset)
            #expect(try reopened.offset(forTimestamp: startOfTests + offset * 10)?.offset == offset)
        }
        try again.close()
        for (name, bytes) in before {
            #expect(try folder.bytes("t-0/\(name)") == bytes, "\(name)")
        }
    }

    @Test func indexFilesHaveKafkasEntries() throws {
        let directory = try openDirectory(folder)
        var configuration = LogConfiguration()
        configuration.indexIntervalBytes = 150
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        let size = try makeBatch(["x", "y"]).readableBytes
        #expect(size > 75 && size < 150, "two batches make an interval")
        for time in [50, 40, 30, 60, 20, 70, 10] {
            _ = try log.append(try makeBatch(["x", "y"], timestamp: startOfTests + Int64(time)))
        }
        try directory.close()
        let index = try folder.bytes("t-0/00000000000000000000.index")
        let entries = stride(from: 0, to: index.count, by: 8).map { start in
            index[start..<start + 8].withUnsafeBytes { OffsetIndexEntry(bytes: $0) }
        }
        // The third, fifth and seventh batch: last offset and position, as Kafka's LogSegment.append puts them.
        #expect(entries == [2, 4, 6].map { OffsetIndexEntry(relativeOffset: $0 * 2 + 1, position: $0 * Int32(size)) })
        let timeIndex = try folder.bytes("t-0/00000000000000000000.timeindex")
        let times = stride(from: 0, to: timeIndex.count, by: 12).map { start in
            timeIndex[start..<start + 12].withUnsafeBytes { TimeIndexEntry(bytes: $0) }
        }
        // Largest timestamp so far (a batch's second record is one later) and the last offset of its batch.
        #expect(
            times == [
                TimeIndexEntry(timestamp: startOfTests + 51, relativeOffset: 1),
                TimeIndexEntry(timestamp: startOfTests + 61, relativeOffset: 7),
                TimeIndexEntry(timestamp: startOfTests + 71, relativeOffset: 11),
            ])
    }
}
