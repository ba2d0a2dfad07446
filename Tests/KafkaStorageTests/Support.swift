import Foundation
import KafkaProtocol
import Logging
import NIOCore

@testable import KafkaStorage

/// A folder on the real disk that goes away with the object.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "sluice-storage-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: "\(path)/\(name)"))) }

    func write(_ bytes: some Sequence<UInt8>, to name: String) throws {
        try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(name)") }

    func names(_ name: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(name)").sorted()
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/\(name)") }

    /// A copy as a process would find it that starts after a crash: with what is in the files, not with the lock.
    func copy() throws -> TemporaryFolder {
        let copy = try TemporaryFolder()
        for name in try names() where name != ".lock" {
            try FileManager.default.copyItem(atPath: "\(path)/\(name)", toPath: "\(copy.path)/\(name)")
        }
        return copy
    }
}

/// The time that tests begin at, in milliseconds since 1970.
let startOfTests: Int64 = 1_700_000_000_000

/// One batch; record `i` has timestamp `timestamp + i` and the value given.
func makeBatch(
    _ values: [String], timestamp: Int64 = startOfTests, compression: CompressionType = .none, producer: Int64 = -1,
    epoch: Int16 = -1, sequence: Int32 = -1
) throws -> ByteBuffer {
    var builder = RecordBatchBuilder(
        compression: compression, producerId: producer, producerEpoch: epoch, baseSequence: sequence)
    for (index, value) in values.enumerated() {
        builder.append(
            timestamp: timestamp + Int64(index), key: ByteBuffer(string: "k\(index)"), value: ByteBuffer(string: value))
    }
    return try builder.build()
}

/// Options with a clock that stands still and a silent logger.
func testOptions(now: Int64 = startOfTests) -> LogDirectory.Options {
    var options = LogDirectory.Options()
    options.clock = { now }
    options.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    return options
}

func openDirectory(
    _ folder: TemporaryFolder, _ fileSystem: any FileSystem = DiskFileSystem()
) throws -> LogDirectory {
    try LogDirectory.open(path: folder.path, fileSystem: fileSystem, options: testOptions())
}

/// Small segments and an index entry for nearly every batch.
func smallSegments(_ bytes: Int = 4000, indexInterval: Int = 200) -> LogConfiguration {
    var configuration = LogConfiguration()
    configuration.segmentBytes = bytes
    configuration.indexIntervalBytes = indexInterval
    return configuration
}

extension PartitionLog {
    /// The values of all records from `offset` on, read as a consumer reads: slice by slice.
    func values(from offset: Int64 = 0, maxBytes: Int = 1 << 20) throws -> [String] {
        try records(from: offset, maxBytes: maxBytes).map { $0.value.map { String(buffer: $0) } ?? "" }
    }

    func records(from offset: Int64 = 0, maxBytes: Int = 1 << 20) throws -> [Record] {
        var records: [Record] = []
        var next = offset
        while let slice = try read(from: next, maxBytes: maxBytes).slice {
            for batch in try RecordBatches.records(in: try slice.readBytes(), from: next) {
                records += try batch.records().filter { $0.offset >= next }
                next = batch.header.nextOffset
            }
        }
        return records
    }
}
