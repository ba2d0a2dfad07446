/// A file with one offset per partition: Kafka's `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint` and
/// `cleaner-offset-checkpoint`.
///
/// First line the version 0, second the number of entries, then one line `topic partition offset` for each.
enum CheckpointFile {
    static let recoveryPoint = "recovery-point-offset-checkpoint"
    /// The offset up to which a compacted log has been cleaned.
    static let cleaner = "cleaner-offset-checkpoint"
    static let logStart = "log-start-offset-checkpoint"

    static func encode(_ offsets: [LogName: Int64]) -> [UInt8] {
        var text = "0\n\(offsets.count)\n"
        let names = offsets.keys.sorted { ($0.topic, $0.partition) < ($1.topic, $1.partition) }
        for name in names { text += "\(name.topic) \(name.partition) \(offsets[name] ?? 0)\n" }
        return Array(text.utf8)
    }

    /// Nil if the file is damaged; it is then as good as absent: everything is recovered from offset 0.
    static func decode(_ bytes: [UInt8]) -> [LogName: Int64]? {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: true)
        guard lines.count >= 2, lines[0] == "0", let count = Int(lines[1]), count == lines.count - 2 else { return nil }
        var offsets: [LogName: Int64] = [:]
        for line in lines[2...] {
            let fields = line.split(separator: " ")
            guard fields.count == 3, let partition = Int32(fields[1]), let offset = Int64(fields[2]), offset >= 0 else {
                return nil
            }
            offsets[LogName(topic: String(fields[0]), partition: partition)] = offset
        }
        return offsets
    }
}
