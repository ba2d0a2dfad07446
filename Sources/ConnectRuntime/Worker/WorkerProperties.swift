import ConnectAPI

/// Reads typed values out of a worker's properties and remembers the names that nobody asked for.
struct WorkerProperties {
    private let values: [String: String]
    private(set) var unused: Set<String>

    init(_ values: [String: String]) {
        self.values = values
        unused = Set(values.keys)
    }

    /// The trimmed text; nil if absent or empty.
    mutating func string(_ name: String) -> String? {
        unused.remove(name)
        guard let text = values[name]?.trimmed, !text.isEmpty else { return nil }
        return text
    }

    mutating func required(_ name: String) throws(ConnectError) -> String {
        guard let text = string(name) else {
            throw .config("\(name) is missing in the worker's configuration, and has no default")
        }
        return text
    }

    mutating func integer(_ name: String, _ range: ClosedRange<Int>) throws(ConnectError) -> Int? {
        guard let text = string(name) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw .config("\(name)=\(text): a whole number from \(range.lowerBound) to \(range.upperBound) is needed")
        }
        return value
    }

    mutating func milliseconds(_ name: String) throws(ConnectError) -> Duration? {
        try integer(name, 0...Int(Int32.max)).map { .milliseconds($0) }
    }

    mutating func boolean(_ name: String) throws(ConnectError) -> Bool? {
        guard let text = string(name) else { return nil }
        switch text.lowercased() {
        case "true": return true
        case "false": return false
        default: throw .config("\(name)=\(text): true or false is needed")
        }
    }

    mutating func list(_ name: String) -> [String]? {
        string(name)?.split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
    }

    /// `<kind>.storage.topic`, `.partitions`, `.replication.factor`; every other `<kind>.storage.*` is a topic setting.
    mutating func topic(
        _ kind: String, partitions: Int32
    ) throws(ConnectError) -> WorkerConfiguration.InternalTopic {
        let prefix = kind + ".storage."
        var topic = WorkerConfiguration.InternalTopic(name: try required(prefix + "topic"), partitions: partitions)
        if let count = try integer(prefix + "partitions", -1...Int(Int32.max)) {
            guard kind != "config" || count == 1 else {
                throw .config("config.storage.partitions=\(count): the config topic always has one partition")
            }
            guard count != 0 else { throw .config("\(prefix)partitions=0: 1 or more, or -1, is needed") }
            topic.partitions = Int32(count)
        }
        if let factor = try integer(prefix + "replication.factor", -1...Int(Int16.max)) {
            guard factor != 0 else { throw .config("\(prefix)replication.factor=0: 1 or more, or -1, is needed") }
            topic.replicationFactor = Int16(factor)
        }
        for name in unused where name.hasPrefix(prefix) {
            let setting = String(name.dropFirst(prefix.count))
            guard setting != "file.filename" else { continue }
            guard setting != "cleanup.policy" else {
                throw .config("\(name) must not be set: the topic is always compacted")
            }
            topic.settings[setting] = string(name)
        }
        return topic
    }
}

extension String {
    /// Without white space at both ends.
    var trimmed: String {
        var rest = Substring(self)
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}
