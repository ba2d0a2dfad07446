import KafkaProtocol
import NIOCore
import Testing

@testable import KafkaStorage

@Suite struct PartitionLogTests {
    let folder: TemporaryFolder
    let directory: LogDirectory

    init() throws {
        folder = try TemporaryFolder()
        directory = try openDirectory(folder)
    }

    @Test func appendAssignsOffsetsAndLeavesTheRequestAlone() throws {
        let log = try directory.openLog(topic: "t", partition: 3)
        let batch = try makeBatch(["a", "b", "c"])
        let before = Array(batch.readableBytesView)
        #expect(try log.append(batch, leaderEpoch: 7).baseOffset == 0)
        let second = try log.append(try makeBatch(["d"]))
        #expect(second.baseOffset == 3)
        #expect(second.lastOffset == 3)
        #expect(log.logEndOffset == 4)
        #expect(log.highWatermark == 4)
        #expect(Array(batch.readableBytesView) == before)
        #expect(try log.values() == ["a", "b", "c", "d"])
        let file = try folder.bytes("t-3/00000000000000000000.log")
        #expect(
            Array(file[16..<before.count]) == Array(before[16...]), "only offset and epoch differ from what was sent")
        #expect(Array(file[12..<16]) == [0, 0, 0, 7])
        #expect(Array(file[before.count..<before.count + 8]) == [0, 0, 0, 0, 0, 0, 0, 3])
    }

    @Test func readsReturnWholeBatches() throws {
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments(100_000))
        let size = try makeBatch(["value-000"]).readableBytes
        for index in 0..<200 {
            _ = try log.append(try makeBatch(["value-" + String(String(1000 + index).suffix(3))]))
        }
        for (offset, maxBytes, batches) in [
            (0, size * 3, 3), (17, size * 3 + size - 1, 3), (190, 1 << 20, 10), (5, 1, 1),
        ] {
            let slice = try #require(try log.read(from: Int64(offset), maxBytes: maxBytes).slice)
            #expect(slice.length == batches * size, "offset \(offset)")
            let first = try RecordBatchHeader(parsing: try slice.readBytes())
            #expect(first.baseOffset == Int64(offset))
        }
        #expect(try log.read(from: 5, maxBytes: 1, minOneBatch: false).slice == nil)
        #expect(try log.read(from: 200, maxBytes: 100).slice == nil)
        #expect(throws: StorageError.self) { try log.read(from: 201, maxBytes: 100) }
        #expect(throws: StorageError.self) { try log.read(from: -1, maxBytes: 100) }
        do {
            _ = try log.read(from: 201, maxBytes: 100)
        } catch {
            #expect(error.errorCode == .offsetOutOfRange)
        }
    }

    @Test func readInTheMiddleOfABatchReturnsTheWholeBatch() throws {
        let log = try directory.openLog(topic: "t", partition: 0)
        _ = try log.append(try makeBatch(["a", "b", "c"]))
        _ = try log.append(try makeBatch(["d", "e"], compression: .gzip))
        let slice = try #require(try log.read(from: 4, maxBytes: 1 << 20).slice)
        #expect(try RecordBatchHeader(parsing: try slice.readBytes()).baseOffset == 3)
        #expect(try log.values(from: 1) == ["b", "c", "d", "e"])
    }

    @Test func refusesWhatIsNotOneIntactBatch() throws {
        var configuration = LogConfiguration()
        configuration.maxMessageBytes = 200
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        func code(_ batch: ByteBuffer) -> StorageError.Code? {
            do {
                _ = try log.append(batch)
                return nil
            } catch {
                return error.code
            }
        }
        var flipped = try makeBatch(["a"])
        flipped.setInteger(UInt8(0xff), at: flipped.writerIndex - 2)
        #expect(code(flipped) == .corruptRecord)
        var two = try makeBatch(["a"])
        two.writeImmutableBuffer(try makeBatch(["b"]))
        #expect(code(two) == .invalidRecord)
        #expect(code(try makeBatch([String(repeating: "x", count: 300)])) == .messageTooLarge)
        #expect(code(ByteBuffer(bytes: [1, 2, 3])) == .corruptRecord)
        #expect(code(try makeBatch(["a"], timestamp: startOfTests + 3_600_001)) == .invalidTimestamp)
        #expect(log.logEndOffset == 0)
        #expect(try folder.bytes("t-0/00000000000000000000.log").isEmpty)
        #expect(code(try makeBatch(["a"], timestamp: startOfTests + 3_599_000)) == nil)
    }

    @Test func logAppendTimeReplacesTheProducersClock() throws {
        let configuration = try LogConfiguration(topicConfig: ["message.timestamp.type": "LogAppendTime"])
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        #expect(try log.append(try makeBatch(["a", "b"], timestamp: 5)).logAppendTime == startOfTests)
        #expect(try log.records().map(\.timestamp) == [startOfTests, startOfTests])
    }

    @Test func segmentsRollBySize() throws {
        let log = try directory.openLog(topic: "t", partition: 0, configuration: smallSegments(1000))
        let size = try makeBatch(["value"]).readableBytes
        for _ in 0..<40 { _ = try log.append(try makeBatch(["value"])) }
        let perSegment = 1000 / size
        let expected = stride(from: 0, to: 40, by: perSegment).map { LogFileNames.name(Int64($0), ".log") }
        #expect(try folder.names("t-0").filter { $0.hasSuffix(".log") } == expected)
        #expect(try log.values().count == 40)
        #expect(try log.values(from: 25, maxBytes: 1).count == 15)
    }

    @Test func segmentsRollByTimeOfRecords() throws {
        var configuration = LogConfiguration()
        configuration.segmentMs = 1000
        let log = try directory.openLog(topic: "t", partition: 0, configuration: configuration)
        for time in [0, 400, 1000, 1001, 1500, 2002] {
            _ = try log.append(try makeBatch(["v"], timestamp: startOfTests + Int64(time)))
        }
        let logs = try folder.names("t-0").filter { $0.hasSuffix(".log") }
        #expect(logs == ["00000000000000000000.log", "00000000000000000003.log", "00000000000000000005.log"])
    }

    @Test func configurationReadsKafkasNames() throws {
        let configuration = try LogConfiguration(topicConfig: [
            "cleanup.policy": "compact,delete", "retention.ms": "-1", "segment.bytes": "1048576", "flush.messages": "1",
            "compression.type": "producer",
        ])
        #expect(configuration.cleanupPolicy == [.compact, .delete])
        #expect(configuration.retentionMs == -1)
        #expect(configuration.segmentBytes == 1_048_576)
        #expect(configuration.maxMessageBytes == 1_048_588)
        #expect(throws: StorageError.self) { try LogConfiguration(topicConfig: ["retention.ms": "-2"]) }
        #expect(throws: StorageError.self) { try LogConfiguration(topicConfig: ["cleanup.policy": "shred"]) }
        #expect(throws: StorageError.self) { try LogConfiguration(topicConfig: ["segment.bytes": "big"]) }
    }
}
