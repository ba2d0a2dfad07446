import ConnectAPI
import Foundation
import Logging
import OrderedCollections
import Synchronization

@testable import ConnectSQL

/// A context that keeps offsets in memory.
final class SourceContext: SourceTaskContext, ConnectorContext {
    let connectorName = "test"
    let taskID = 0
    let logger = Logger(label: "test")
    let stored: [OffsetMap: OffsetMap]
    let reconfigurations = Mutex(0)

    init(_ stored: [OffsetMap: OffsetMap] = [:]) {
        self.stored = stored
    }

    var offsetReader: (any OffsetReader)? { self }

    func offsets(for partitions: [OffsetMap]) async throws -> [OffsetMap: OffsetMap] {
        stored.filter { partitions.contains($0.key) }
    }

    func requestTaskReconfiguration() {
        reconfigurations.withLock { $0 += 1 }
    }

    func raiseError(_ error: ConnectError) {}
}

/// A context that remembers what the sink asked for and reported.
final class SinkContext: SinkTaskContext {
    let connectorName = "test"
    let taskID = 0
    let logger = Logger(label: "test")
    let errantRecordReporter: (any ErrantRecordReporter)?
    let delays = Mutex<[Duration]>([])

    init(_ reporter: Reporter? = nil) {
        errantRecordReporter = reporter
    }

    func requestRetry(after delay: Duration) {
        delays.withLock { $0.append(delay) }
    }
}

/// Keeps what is reported.
final class Reporter: ErrantRecordReporter {
    let reported = Mutex<[(offset: Int64, message: String)]>([])

    func report(_ record: SinkRecord, error: ConnectError) async throws {
        reported.withLock { $0.append((record.offset, error.message)) }
    }
}

/// `../shared` of the project; nil where it is not at hand.
let sharedFolder: String? = {
    var url = URL(fileURLWithPath: #filePath)
    while url.path != "/" {
        url.deleteLastPathComponent()
        if FileManager.default.fileExists(atPath: url.appendingPathComponent("Package.swift").path) {
            let shared = url.deletingLastPathComponent().appendingPathComponent("shared").path
            return FileManager.default.fileExists(atPath: shared + "/golden") ? shared : nil
        }
    }
    return nil
}()

/// A recorded file.
func golden(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: (sharedFolder ?? "") + "/golden/" + path))
}

/// Polls until there are as many records, or too long has passed.
func poll(_ task: any SourceTask, for count: Int, limit: Duration = .seconds(20)) async throws -> [SourceBatch] {
    let deadline = ContinuousClock.now + limit
    var batches: [SourceBatch] = []
    while batches.reduce(0, { $0 + $1.records.count }) < count, ContinuousClock.now < deadline {
        batches += try await task.poll()
    }
    return batches
}

extension [SourceBatch] {
    var records: [SourceRecord] { flatMap(\.records) }
}

extension SourceRecord {
    /// The named field of the record's value.
    subscript(field: String) -> ConnectValue? { value.structValue?[field] }
}

/// A SQLite file in a folder of its own, removed with this object.
final class SQLiteFile {
    let path: String

    init() throws {
        let folder = NSTemporaryDirectory() + "sluice-sqlite-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        path = folder + "/test.db"
    }

    deinit {
        try? FileManager.default.removeItem(atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path)
    }

    var url: String { "jdbc:sqlite:\(path)" }

    func connect() throws -> SQLiteConnection {
        try SQLiteConnection(.init(path: path))
    }

    @discardableResult
    func sql(_ statements: String...) throws -> [[String?]] {
        let connection = try connect()
        defer { connection.close() }
        for statement in statements.dropLast() { try connection.execute(statement) }
        guard let last = statements.last else { return [] }
        if last.uppercased().hasPrefix("SELECT") || last.uppercased().hasPrefix("PRAGMA") {
            return try connection.rows(last)
        }
        try connection.execute(last)
        return []
    }
}
