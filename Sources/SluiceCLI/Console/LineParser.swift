import KafkaProtocol
import NIOCore

/// Makes records of typed lines as Kafka's `LineMessageReader` does: `headers<TAB>key<TAB>value`, of which only the
/// value is on by default.
struct LineParser {
    /// What a line says.
    struct Line: Equatable {
        var key: ByteBuffer?
        var value: ByteBuffer?
        var headers: [RecordHeader] = []
    }

    var parsesKey = false
    var keySeparator: [UInt8] = [0x09]
    var parsesHeaders = false
    var headersDelimiter: [UInt8] = [0x09]
    var headersSeparator: [UInt8] = [0x2C]
    var headersKeySeparator: [UInt8] = [0x3A]
    var nullMarker: [UInt8]?
    var ignoresErrors = false

    private static let names = [
        "parse.key", "key.separator", "parse.headers", "headers.delimiter", "headers.separator",
        "headers.key.separator", "null.marker", "ignore.error",
    ]

    /// The whole line is the value.
    init() {}

    /// Reads the values of `--property`.
    init(properties: [String: String]) throws(CommandFailure) {
        if let unknown = properties.keys.sorted().first(where: { !Self.names.contains($0) }) {
            throw CommandFailure(
                "'\(unknown)' is no property of the line reader; it has \(Self.names.joined(separator: ", "))",
                status: .usage)
        }
        func bytes(_ name: String) -> [UInt8]? { properties[name].map { Array($0.utf8) } }
        for name in Self.names where name.hasSuffix("separator") || name == "headers.delimiter" {
            if properties[name]?.isEmpty == true { throw CommandFailure("\(name) must not be empty", status: .usage) }
        }
        parsesKey = properties["parse.key"]?.lowercased() == "true"
        parsesHeaders = properties["parse.headers"]?.lowercased() == "true"
        ignoresErrors = properties["ignore.error"]?.lowercased() == "true"
        keySeparator = bytes("key.separator") ?? keySeparator
        headersDelimiter = bytes("headers.delimiter") ?? headersDelimiter
        headersSeparator = bytes("headers.separator") ?? headersSeparator
        headersKeySeparator = bytes("headers.key.separator") ?? headersKeySeparator
        nullMarker = bytes("null.marker")
    }

    /// Parses a line without its end.
    ///
    /// - Parameters:
    ///   - line: The bytes.
    ///   - number: Its number from 1, for the error message.
    func parse(_ line: ByteBuffer, number: Int) throws(CommandFailure) -> Line {
        var rest = line
        var result = Line()
        if parsesHeaders, let text = try part(of: &rest, upTo: headersDelimiter, "headers.delimiter", number) {
            if !isNull(text) { result.headers = try headers(in: text, number) }
        }
        if parsesKey, let key = try part(of: &rest, upTo: keySeparator, "key.separator", number) {
            result.key = isNull(key) ? nil : key
        }
        result.value = isNull(rest) ? nil : rest
        return result
    }

    private func part(
        of rest: inout ByteBuffer, upTo separator: [UInt8], _ name: String, _ number: Int
    ) throws(CommandFailure) -> ByteBuffer? {
        guard let index = Self.find(separator, in: rest) else {
            if ignoresErrors { return nil }
            let shown = String(decoding: separator, as: UTF8.self).replacing("\t", with: "TAB")
            throw CommandFailure("line \(number) has no \(name) (\(shown)): '\(String(buffer: rest))'")
        }
        let head = rest.readSlice(length: index)
        rest.moveReaderIndex(forwardBy: separator.count)
        return head
    }

    private func headers(in text: ByteBuffer, _ number: Int) throws(CommandFailure) -> [RecordHeader] {
        var rest = text
        var headers: [RecordHeader] = []
        while rest.readableBytes > 0 {
            let length = Self.find(headersSeparator, in: rest)
            guard var pair = rest.readSlice(length: length ?? rest.readableBytes) else { break }
            if length != nil { rest.moveReaderIndex(forwardBy: headersSeparator.count) }
            guard let index = Self.find(headersKeySeparator, in: pair), let key = pair.readString(length: index) else {
                if ignoresErrors { continue }
                throw CommandFailure("line \(number) has a header without a value: '\(String(buffer: pair))'")
            }
            pair.moveReaderIndex(forwardBy: headersKeySeparator.count)
            headers.append(RecordHeader(key: key, value: isNull(pair) ? nil : pair))
        }
        return headers
    }

    private func isNull(_ bytes: ByteBuffer) -> Bool {
        guard let nullMarker else { return false }
        return bytes.readableBytesView.elementsEqual(nullMarker)
    }

    /// Where a separator begins, from the reader index.
    private static func find(_ separator: [UInt8], in buffer: ByteBuffer) -> Int? {
        let view = buffer.readableBytesView
        guard let first = separator.first else { return nil }
        var start = view.startIndex
        while let index = view[start...].firstIndex(of: first) {
            if view[index...].starts(with: separator) { return index - view.startIndex }
            start = index + 1
        }
        return nil
    }
}
