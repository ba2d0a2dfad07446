import ConnectAPI
import Foundation
import KafkaTesting
import Logging
import OrderedCollections
import Testing

@testable import ConnectFiles

/// The connectors of Kafka's own examples.
@Suite(.timeLimit(.minutes(1)))
struct FileStreamTests {
    private struct Context: SourceTaskContext, SinkTaskContext {
        var stored: [OffsetMap: OffsetMap] = [:]
        let connectorName = "c"
        let taskID = 0
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let errantRecordReporter: (any ErrantRecordReporter)? = nil
        func requestRetry(after delay: Duration) {}
        func offsets(for partitions: [OffsetMap]) async throws -> [OffsetMap: OffsetMap] { stored }
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }

    private func inFolder(_ body: (String) async throws -> Void) async throws {
        let folder = try TestBroker.makeTemporaryDirectory()
        defer { TestBroker.removeDirectory(folder) }
        try await body(folder)
    }

    private func started(_ path: String, position: Int64? = nil, batch: Int = 2000) async throws -> FileStreamSourceTask
    {
        let task = FileStreamSourceTask()
        var context = Context()
        if let position { context.stored[["filename": .string(path)]] = ["position": .int64(position)] }
        try await task.start(["file": path, "topic": "t", "batch.size": "\(batch)"], context: context)
        return task
    }

    private func texts(_ batches: [SourceBatch]) -> [String] {
        batches.flatMap { $0.records.compactMap(\.value.stringValue) }
    }

    @Test func linesAndOffsetsAreKafkas() async throws {
        try await inFolder { folder in
            let path = folder + "/in.txt"
            try "one\ntwo\npart".write(toFile: path, atomically: false, encoding: .utf8)
            let task = try await started(path)
            let batches = try await task.poll()
            #expect(texts(batches) == ["one", "two"])
            #expect(batches.first?.records.first?.topic == "t")
            #expect(batches.first?.records.first?.valueSchema == .string)
            #expect(batches.first?.sourcePartition == ["filename": .string(path)])
            #expect(batches.first?.sourceOffset == ["position": .int64(8)])
            #expect(try await task.poll().isEmpty)
            try write("ial\n", to: path)
            #expect(texts(try await task.poll()) == ["partial"])
            await task.stop()
            // A new task goes on where the former stopped.
            try write("more\n", to: path)
            let second = try await started(path, position: 16)
            #expect(texts(try await second.poll()) == ["more"])
        }
    }

    /// The suite for all connectors.
    @Test func bothConform() async throws {
        try await inFolder { folder in
            let path = folder + "/in.txt"
            try "1\n2\n3\n4\n".write(toFile: path, atomically: false, encoding: .utf8)
            let source = try await ConnectorConformance.problems(
                of: FileStreamSourceConnector.self, config: ["file": path, "topic": "t", "batch.size": "2"],
                expecting: 4)
            #expect(source == [])
            let records = (0..<3 as Range<Int64>).map { offset in
                SinkRecord(topic: "t", partition: 0, offset: offset, value: .string("line \(offset)"))
            }
            let sink = try await ConnectorConformance.problems(
                of: FileStreamSinkConnector.self, config: ["file": folder + "/out.txt"], records: records)
            #expect(sink == [])
        }
    }

    @Test func aBatchHasItsSize() async throws {
        try await inFolder { folder in
            let path = folder + "/in.txt"
            try "1\n2\n3\n".write(toFile: path, atomically: false, encoding: .utf8)
            let task = try await started(path, batch: 2)
            let first = try await task.poll()
            #expect(texts(first) == ["1", "2"])
            #expect(first.first?.sourceOffset == ["position": .int64(4)])
            #expect(texts(try await task.poll()) == ["3"])
        }
    }

    @Test func aFileThatComesLaterIsRead() async throws {
        try await inFolder { folder in
            let path = folder + "/in.txt"
            let task = try await started(path)
            #expect(try await task.poll().isEmpty)
            try "late\n".write(toFile: path, atomically: false, encoding: .utf8)
            #expect(texts(try await task.poll()) == ["late"])
        }
    }

    /// logrotate: the file is renamed and a new one takes its place.
    @Test func nothingIsLostWhenTheFileIsReplaced() async throws {
        try await inFolder { folder in
            let path = folder + "/in.txt"
            try "a long first line\n".write(toFile: path, atomically: false, encoding: .utf8)
            let task = try await started(path)
            #expect(texts(try await task.poll()) == ["a long first line"])
            try write("written before the rename\nwithout an end", to: path)
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            try "new\n".write(toFile: path, atomically: false, encoding: .utf8)
            var all: [String] = []
            var offsets: [OffsetMap] = []
            while all.last != "new" {
                let batches = try await task.poll()
                all += texts(batches)
                offsets += batches.compactMap(\.sourceOffset)
            }
            #expect(all == ["written before the rename", "without an end", "new"])
            // Were the worker killed in between, the new file would be read from its start.
            #expect(offsets.suffix(2) == [["position": .int64(0)], ["position": .int64(4)]])
        }
    }

    @Test func aTruncatedFileIsReadFromItsStart() async throws {
        try await inFolder { folder in
            let path = folder + "/in.txt"
            try "a long first line\n".write(toFile: path, atomically: false, encoding: .utf8)
            let task = try await started(path)
            _ = try await task.poll()
            try FileHandle(forWritingTo: URL(fileURLWithPath: path)).truncate(atOffset: 0)
            try write("new\n", to: path)
            var all: [String] = []
            while all.isEmpty { all += texts(try await task.poll()) }
            #expect(all == ["new"])
            // It happened while no task ran.
            let second = try await started(path, position: 500)
            #expect(texts(try await second.poll()) == ["new"])
        }
    }

    @Test func theSinkAppendsAndFollowsARotation() async throws {
        try await inFolder { folder in
            let path = folder + "/out.txt"
            let task = FileStreamSinkTask()
            try await task.start(["file": path], context: Context())
            func record(_ value: ConnectValue, _ schema: Schema? = nil) -> SinkRecord {
                SinkRecord(topic: "t", partition: 0, offset: 0, valueSchema: schema, value: value)
            }
            let schema = Schema.structure(fields: [Field("a", .int32), Field("b", .string)])
            let row = try Struct(schema: schema, values: [.int32(1), .string("x")])
            try await task.put([record(.string("text")), record(.null), record(.structure(row), schema)])
            let offsets = [TopicPartitionName(topic: "t", partition: 0): Int64(3)]
            #expect(try await task.preCommit(offsets) == offsets)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "text\nnull\nStruct{a=1,b=x}\n")
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            try await task.put([record(.float64(1.5))])
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "1.5\n")
            await task.stop()
        }
    }
}
