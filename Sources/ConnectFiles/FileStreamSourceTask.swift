import ConnectAPI
import Logging
import OrderedCollections

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Reads one file, or standard input, from where it was left.
final class FileStreamSourceTask: SourceTask {
    /// How long a poll waits before it looks at the file again.
    private static let wait = Duration.milliseconds(200)

    private var path: String?
    private var topic = ""
    private var batchSize = 2000
    private var partition: OffsetMap = [:]
    private var file: ReadFile?
    private var lines = LineSplitter(position: 0)
    /// Where to go on in a file that is not open yet.
    private var storedPosition: Int64 = 0
    private var hasWarned = false
    private var logger: Logger?

    func start(_ config: [String: String], context: any SourceTaskContext) async throws {
        let options = try FileStreamSourceConnector.configDefinition.parse(config)
        path = FileOptions.path(config)
        topic = options.string("topic")
        batchSize = max(1, options.int("batch.size"))
        logger = context.logger
        guard let path else {
            file = ReadFile.standardInput
            return
        }
        partition = ["filename": .string(path)]
        storedPosition = try await context.offsets(for: [partition])[partition]?["position"]?.integer ?? 0
    }

    func poll() async throws -> [SourceBatch] {
        if let path, file == nil, try !open(path) {
            try await Task.sleep(for: .seconds(1))
            return []
        }
        guard let file else { return [] }
        var found: [LineSplitter.Line] = []
        var hasRestarted = false
        while found.count < batchSize {
            if let line = lines.next() {
                found.append(line)
                continue
            }
            guard !lines.isFull else {
                throw ConnectError.fatal(
                    "\(path ?? "standard input") has a line of more than \(LineSplitter.limit) bytes at position "
                        + "\(lines.position): is it a text file?")
            }
            let bytes = try file.read(at: lines.readPosition)
            if bytes.isEmpty {
                hasRestarted = try follow(file, &found)
                break
            }
            lines.append(bytes)
        }
        var batches = found.isEmpty ? [] : [batch(found)]
        if hasRestarted {
            // Stored at once: a worker that is killed now must not go on in the new file where the old one ended.
            batches.append(
                SourceBatch(records: [], sourcePartition: partition, sourceOffset: ["position": .int64(0)]))
        }
        if batches.isEmpty { try await Task.sleep(for: Self.wait) }
        return batches
    }

    private func batch(_ found: [LineSplitter.Line]) -> SourceBatch {
        let records = found.map { SourceRecord(topic: topic, valueSchema: .string, value: .string($0.text)) }
        guard path != nil, let end = found.last?.end else { return SourceBatch(records: records) }
        return SourceBatch(
            records: records, sourcePartition: partition, sourceOffset: ["position": .int64(end)])
    }

    /// False while there is no such file.
    private func open(_ path: String) throws -> Bool {
        guard let opened = try ReadFile(path: path) else {
            if !hasWarned {
                hasWarned = true
                logger?.warning("the file is not there; waiting for it", metadata: ["file": "\(path)"])
            }
            return false
        }
        hasWarned = false
        let size = try opened.size()
        if storedPosition > size {
            logger?.warning(
                "the file is shorter than what has been read of it; reading it from its start",
                metadata: ["file": "\(path)", "position": "\(storedPosition)", "size": "\(size)"])
            storedPosition = 0
        }
        file = opened
        lines = LineSplitter(position: storedPosition)
        return true
    }

    /// The end of the file has been reached. Another file may have taken its place, or it may have been cut.
    ///
    /// - Returns: whether reading begins anew.
    private func follow(_ file: ReadFile, _ found: inout [LineSplitter.Line]) throws -> Bool {
        guard let path else { return false }
        if try file.isReplaced(at: path) {
            // What was written between the last read and the rename is read first.
            guard try file.size() <= lines.readPosition else { return false }
            // No end will come for the last line of the old file.
            if let rest = lines.rest() { found.append(rest) }
            logger?.info("the file was replaced; reading the new one", metadata: ["file": "\(path)"])
            self.file = nil
            storedPosition = 0
            return true
        }
        if try file.size() < lines.readPosition {
            logger?.info("the file was truncated; reading it from its start", metadata: ["file": "\(path)"])
            lines = LineSplitter(position: 0)
            return true
        }
        return false
    }

    func stop() async { file = nil }
}
