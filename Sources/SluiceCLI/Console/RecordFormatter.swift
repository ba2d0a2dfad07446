import KafkaProtocol
import NIOCore

/// Writes records as Kafka's `DefaultMessageFormatter` does: timestamp, partition, offset, headers, key, value, of
/// which only the value is on by default.
struct RecordFormatter {
    var printsTimestamp = false
    var printsPartition = false
    var printsOffset = false
    var printsHeaders = false
    var printsKey = false
    var printsValue = true
    var keySeparator = "\t"
    var lineSeparator = "\n"
    var headersSeparator = ","
    var nullLiteral = "null"

    /// The names of Kafka's `--property`.
    private static let names = [
        "print.timestamp", "print.partition", "print.offset", "print.headers", "print.key", "print.value",
        "key.separator", "line.separator", "headers.separator", "null.literal",
    ]

    /// Prints values only.
    init() {}

    /// Reads the values of `--property`.
    init(properties: [String: String]) throws(CommandFailure) {
        if let unknown = properties.keys.sorted().first(where: { !Self.names.contains($0) }) {
            throw CommandFailure(
                "'\(unknown)' is no property of the printer; it has \(Self.names.joined(separator: ", "))",
                status: .usage)
        }
        func flag(_ name: String, _ fallback: Bool) -> Bool {
            properties[name].map { $0.lowercased() == "true" } ?? fallback
        }
        printsTimestamp = flag("print.timestamp", false)
        printsPartition = flag("print.partition", false)
        printsOffset = flag("print.offset", false)
        printsHeaders = flag("print.headers", false)
        printsKey = flag("print.key", false)
        printsValue = flag("print.value", true)
        keySeparator = properties["key.separator"] ?? keySeparator
        lineSeparator = properties["line.separator"] ?? lineSeparator
        headersSeparator = properties["headers.separator"] ?? headersSeparator
        nullLiteral = properties["null.literal"] ?? nullLiteral
    }

    /// Appends one record with its line end.
    func append(_ record: Record, partition: Int32, timestampType: TimestampType, to output: inout ByteBuffer) {
        var isFirst = true
        func separate() {
            if !isFirst { output.writeString(keySeparator) }
            isFirst = false
        }
        if printsTimestamp {
            separate()
            let name = timestampType == .logAppendTime ? "LogAppendTime" : "CreateTime"
            output.writeString(record.timestamp < 0 ? "NO_TIMESTAMP" : "\(name):\(record.timestamp)")
        }
        if printsPartition {
            separate()
            output.writeString("Partition:\(partition)")
        }
        if printsOffset {
            separate()
            output.writeString("Offset:\(record.offset)")
        }
        if printsHeaders {
            separate()
            append(record.headers, to: &output)
        }
        if printsKey {
            separate()
            append(record.key, to: &output)
        }
        if printsValue {
            separate()
            append(record.value, to: &output)
        }
        output.writeString(lineSeparator)
    }

    private func append(_ headers: [RecordHeader], to output: inout ByteBuffer) {
        if headers.isEmpty { output.writeString("NO_HEADERS") }
        for (index, header) in headers.enumerated() {
            if index > 0 { output.writeString(headersSeparator) }
            output.writeString(header.key + ":")
            append(header.value, to: &output)
        }
    }

    private func append(_ bytes: ByteBuffer?, to output: inout ByteBuffer) {
        if let bytes {
            output.writeImmutableBuffer(bytes)
        } else {
            output.writeString(nullLiteral)
        }
    }
}
