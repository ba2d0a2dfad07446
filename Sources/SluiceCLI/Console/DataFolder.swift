#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A broker's data folder, looked at from outside and not changed.
struct DataFolder {
    /// What the logs of one topic take.
    struct TopicUsage {
        var partitions = 0
        var segments = 0
        var bytes: Int64 = 0
    }

    let path: String
    private let identity: [String: String]

    /// - Throws: `CommandFailure` if there is no folder, or none that a broker has made.
    init(path: String) throws(CommandFailure) {
        self.path = path
        guard access("\(path)/meta.properties", F_OK) == 0 else {
            throw CommandFailure(
                "\(path) is not a data folder: it has no meta.properties; 'sluice storage format' makes one")
        }
        identity = try PropertiesFile.dictionary(path: "\(path)/meta.properties")
    }

    /// What there is to say, a line each.
    var report: [String] {
        get throws(CommandFailure) {
            let topics = try usage
            let total = topics.values.reduce(Int64(0)) { $0 + $1.bytes }
            var table = TextTable([
                .init(title: "TOPIC", minimumWidth: 30), .init(title: "PARTITIONS", minimumWidth: 12),
                .init(title: "SEGMENTS", minimumWidth: 10), .init(title: "SIZE", minimumWidth: 0),
            ])
            for (name, topic) in topics.sorted(by: { ($1.value.bytes, $0.key) < ($0.value.bytes, $1.key) }) {
                table.add([name, String(topic.partitions), String(topic.segments), Self.size(topic.bytes)])
            }
            return [
                "Data folder   \(path)",
                "Cluster id    \(identity["cluster.id"] ?? "unknown")",
                "Node id       \(identity["node.id"] ?? identity["broker.id"] ?? "unknown")",
                "State         \(state)",
                "Topics        \(topics.count) with \(topics.values.reduce(0) { $0 + $1.partitions }) partitions, "
                    + Self.size(total),
                "",
            ] + (topics.isEmpty ? ["No topic has been written to."] : table.lines)
        }
    }

    /// Whether a broker holds the folder, and how the last one left it.
    private var state: String {
        if isInUse { return "in use by a running broker" }
        return access("\(path)/.kafka_cleanshutdown", F_OK) == 0
            ? "stopped in order" : "not stopped in order; the next start recovers what was not flushed"
    }

    private var isInUse: Bool {
        let lock = open("\(path)/.lock", O_RDONLY | O_CLOEXEC)
        guard lock >= 0 else { return false }
        defer { close(lock) }
        return flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    private var usage: [String: TopicUsage] {
        get throws(CommandFailure) {
            var topics: [String: TopicUsage] = [:]
            for name in try Self.entries(path) {
                guard let dash = name.lastIndex(of: "-"), dash > name.startIndex,
                    Int32(name[name.index(after: dash)...]) != nil
                else { continue }
                var topic = topics[String(name[..<dash])] ?? TopicUsage()
                topic.partitions += 1
                // A topic may be deleted while it is looked at.
                for file in (try? Self.entries("\(path)/\(name)")) ?? [] {
                    var status = stat()
                    guard stat("\(path)/\(name)/\(file)", &status) == 0 else { continue }
                    topic.bytes += Int64(status.st_blocks) * 512
                    if file.hasSuffix(".log") { topic.segments += 1 }
                }
                topics[String(name[..<dash])] = topic
            }
            return topics
        }
    }

    private static func entries(_ path: String) throws(CommandFailure) -> [String] {
        guard let folder = opendir(path) else {
            throw CommandFailure("cannot read \(path): \(Descriptor.lastError)")
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    /// Bytes with a unit that keeps the number short.
    static func size(_ bytes: Int64) -> String {
        var (value, unit) = (Double(bytes), 0)
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(bytes) B" : "\(value.fixed(1)) \(units[unit])"
    }
}
