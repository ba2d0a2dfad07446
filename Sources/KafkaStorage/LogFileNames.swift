/// A partition's log, named as its folder is: `<topic>-<partition>`.
public struct LogName: Hashable, Sendable, CustomStringConvertible {
    /// The topic.
    public let topic: String
    /// The partition's number.
    public let partition: Int32

    /// The log of a topic's partition.
    public init(topic: String, partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    /// Reads a folder's name; nil if it is not one of a partition.
    public init?(directoryName: String) {
        guard let dash = directoryName.lastIndex(of: "-"), dash != directoryName.startIndex else { return nil }
        let digits = directoryName[directoryName.index(after: dash)...]
        guard digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int32(digits) else { return nil }
        topic = String(directoryName[..<dash])
        partition = number
    }

    /// The folder's name.
    public var description: String { "\(topic)-\(partition)" }
}

/// Names of the files in a partition's folder.
enum LogFileNames {
    static let log = ".log"
    static let offsetIndex = ".index"
    static let timeIndex = ".timeindex"
    static let snapshot = ".snapshot"
    static let transactionIndex = ".txnindex"
    /// Behind `.log`: a compacted segment that is being written; of no use after a crash.
    static let cleaned = ".log.cleaned"
    /// Behind `.log`: a compacted segment that is complete; it takes the place of those whose offsets it spans.
    static let swap = ".log.swap"

    /// The offset in 20 digits, with a suffix.
    static func name(_ offset: Int64, _ suffix: String) -> String {
        let digits = String(offset)
        return String(repeating: "0", count: max(0, 20 - digits.count)) + digits + suffix
    }

    /// The offset in a name with this suffix; nil for other names.
    static func offset(_ name: String, suffix: String) -> Int64? {
        guard name.hasSuffix(suffix) else { return nil }
        let digits = name.dropLast(suffix.count)
        guard digits.utf8.count == 20, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(digits)
    }
}
