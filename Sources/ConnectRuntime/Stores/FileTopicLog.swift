import ConnectAPI
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections

/// The offsets of a standalone worker in one file: a line per offset, `<key JSON>\t<value JSON>\n`. (Connect's own
/// file is a Java-serialised map, which nothing but Java reads.) JSON has no raw tabs or line ends, so lines are safe.
///
/// Every change replaces the whole file in one step: a crash leaves the old file or the new one, never a part.
struct FileTopicLog: TopicLog {
    private let path: String
    private let gate = SerialGate()
    private let entries = NIOLockedValueBox<OrderedDictionary<ByteBuffer, ByteBuffer>>([:])

    init(path: String) {
        self.path = path
    }

    func open(_ apply: @escaping @Sendable (LogEntry, LogPosition) -> Void) async throws {
        var number = 0
        for line in try DurableFile.bytes(of: path).split(separator: UInt8(ascii: "\n")) {
            number += 1
            guard let tab = line.firstIndex(of: UInt8(ascii: "\t")) else {
                throw ConnectError.config(
                    "\(path) line \(number) is not an offset: is it another program's file? "
                        + "(offset.storage.file.filename)")
            }
            let entry = LogEntry(
                key: ByteBuffer(bytes: line[..<tab]), value: ByteBuffer(bytes: line[line.index(after: tab)...]))
            entries.withLockedValue { $0[entry.key] = entry.value }
            apply(entry, LogPosition(partition: 0, offset: Int64(number)))
        }
    }

    @discardableResult
    func append(_ new: [LogEntry]) async throws -> [LogPosition] {
        try await gate.run {
            var changed = entries.withLockedValue { $0 }
            for entry in new { changed[entry.key] = entry.value }
            var bytes: [UInt8] = []
            for (key, value) in changed {
                bytes += key.readableBytesView
                bytes.append(UInt8(ascii: "\t"))
                bytes += value.readableBytesView
                bytes.append(UInt8(ascii: "\n"))
            }
            try DurableFile.replace(path, with: bytes)
            entries.withLockedValue { $0 = changed }
        }
        return []
    }

    func close() async {}
}
