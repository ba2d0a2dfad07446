import NIOCore

/// A JSON text, cut into its values in one pass: what ``JSONDocumentDecoder`` reads.
///
/// Foundation's decoder takes most of a listener's time (docs/benchmarks.md). This one reads what services send every
/// day; at anything unusual it sets ``needsFoundation``, and the text is decoded again by Foundation, whose errors and
/// liberties are then the ones that count.
final class JSONDocument {
    enum Kind: UInt8 {
        case object, array, string, escapedString, number, yes, no, null
    }

    /// A value. Its text is between `start` and `end`, without quotes; behind an object or array follow its members
    /// (in an object each after its name, a string), and `next` is the first node behind all of them.
    struct Node {
        var kind: Kind
        var start: Int
        var end: Int
        var next: Int
    }

    let bytes: [UInt8]
    private(set) var nodes: [Node] = []
    /// Something was met that is Foundation's to judge.
    var needsFoundation = false
    private static let deepest = 100

    /// Reads a text; nil if it is not JSON in UTF-8 as RFC 8259 has it.
    init?(_ buffer: ByteBuffer) {
        bytes = Array(buffer.readableBytesView)
        nodes.reserveCapacity(16)
        var parser = Parser(bytes: bytes)
        guard parser.value(depth: 0, into: &nodes), parser.isAtEnd, parser.isASCII || String(validating: bytes) != nil
        else { return nil }
    }

    /// A string's text; nil for other values, and for escapes that make no character.
    func text(_ node: Node) -> String? {
        switch node.kind {
        case .string: String(decoding: bytes[node.start..<node.end], as: UTF8.self)
        case .escapedString: unescaped(node)
        default: nil
        }
    }

    /// Whether a member's name is `name`. Names with escapes are left to Foundation.
    func isName(_ node: Node, _ name: String) -> Bool {
        if node.kind == .escapedString { needsFoundation = true }
        guard name.utf8.count == node.end - node.start else { return false }
        var index = node.start
        for byte in name.utf8 {
            guard bytes[index] == byte else { return false }
            index += 1
        }
        return true
    }

    private func unescaped(_ node: Node) -> String? {
        var result: [UInt8] = []
        result.reserveCapacity(node.end - node.start)
        var index = node.start
        while index < node.end {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "\\"), index < node.end else {
                result.append(byte)
                continue
            }
            let escape = bytes[index]
            index += 1
            switch escape {
            case UInt8(ascii: "n"): result.append(0x0A)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "r"): result.append(0x0D)
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0C)
            case UInt8(ascii: "u"):
                guard let scalar = scalar(&index, node.end) else { return nil }
                result += Array(String(Character(scalar)).utf8)
            default: result.append(escape)
            }
        }
        return String(validating: result)
    }

    /// The character of `XXXX`, or of `XXXX\uXXXX` for a pair of surrogates.
    private func scalar(_ index: inout Int, _ end: Int) -> Unicode.Scalar? {
        guard let first = hex(&index, end) else { return nil }
        guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) }
        guard index + 1 < end, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u") else {
            return nil
        }
        index += 2
        guard let second = hex(&index, end), (0xDC00..<0xE000).contains(second) else { return nil }
        return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    }

    private func hex(_ index: inout Int, _ end: Int) -> UInt32? {
        guard index + 4 <= end else { return nil }
        defer { index += 4 }
        return UInt32(String(decoding: bytes[index..<(index + 4)], as: UTF8.self), radix: 16)
    }

    // MARK: - Reading

    private struct Parser {
        let bytes: [UInt8]
        var index = 0
        /// Only then need the text not be looked at again.
        var isASCII = true

        /// Whether nothing but white space is left.
        var isAtEnd: Bool {
            mutating get {
                skipSpace()
                return index == bytes.count
            }
        }

        private mutating func skipSpace() {
            while index < bytes.count {
                switch bytes[index] {
                case 0x20, 0x0A, 0x0D, 0x09: index += 1
                default: return
                }
            }
        }

        private mutating func take(_ byte: UInt8) -> Bool {
            guard index < bytes.count, bytes[index] == byte else { return false }
            index += 1
            return true
        }

        mutating func value(depth: Int, into nodes: inout [Node]) -> Bool {
            skipSpace()
            guard index < bytes.count, depth < JSONDocument.deepest else { return false }
            switch bytes[index] {
            case UInt8(ascii: "{"): return members(.object, close: UInt8(ascii: "}"), depth, &nodes)
            case UInt8(ascii: "["): return members(.array, close: UInt8(ascii: "]"), depth, &nodes)
            case UInt8(ascii: "\""): return string(&nodes)
            case UInt8(ascii: "t"): return word("true", .yes, &nodes)
            case UInt8(ascii: "f"): return word("false", .no, &nodes)
            case UInt8(ascii: "n"): return word("null", .null, &nodes)
            default: return number(&nodes)
            }
        }

        private mutating func members(_ kind: Kind, close: UInt8, _ depth: Int, _ nodes: inout [Node]) -> Bool {
            let place = nodes.count
            nodes.append(Node(kind: kind, start: index, end: index, next: 0))
            index += 1
            skipSpace()
            if !take(close) {
                repeat {
                    if kind == .object {
                        skipSpace()
                        guard index < bytes.count, bytes[index] == UInt8(ascii: "\""), string(&nodes) else {
                            return false
                        }
                        skipSpace()
                        guard take(UInt8(ascii: ":")) else { return false }
                    }
                    guard value(depth: depth + 1, into: &nodes) else { return false }
                    skipSpace()
                } while take(UInt8(ascii: ","))
                guard take(close) else { return false }
            }
            nodes[place].end = index
            nodes[place].next = nodes.count
            return true
        }

        private mutating func string(_ nodes: inout [Node]) -> Bool {
            index += 1
            let start = index
            var kind = Kind.string
            while index < bytes.count {
                let byte = bytes[index]
                if byte == UInt8(ascii: "\"") {
                    nodes.append(Node(kind: kind, start: start, end: index, next: nodes.count + 1))
                    index += 1
                    return true
                }
                guard byte >= 0x20 else { return false }
                if byte >= 0x80 { isASCII = false }
                if byte == UInt8(ascii: "\\") {
                    kind = .escapedString
                    index += 1
                    guard index < bytes.count, #""\/bfnrtu"#.utf8.contains(bytes[index]) else { return false }
                }
                index += 1
            }
            return false
        }

        private mutating func word(_ word: StaticString, _ kind: Kind, _ nodes: inout [Node]) -> Bool {
            let start = index
            for offset in 0..<word.utf8CodeUnitCount {
                guard take(word.utf8Start[offset]) else { return false }
            }
            nodes.append(Node(kind: kind, start: start, end: index, next: nodes.count + 1))
            return true
        }

        private mutating func digits() -> Bool {
            let start = index
            while index < bytes.count, (0x30...0x39).contains(bytes[index]) { index += 1 }
            return index > start
        }

        private mutating func number(_ nodes: inout [Node]) -> Bool {
            let start = index
            _ = take(UInt8(ascii: "-"))
            if !take(UInt8(ascii: "0")) { guard digits() else { return false } }
            if take(UInt8(ascii: ".")) { guard digits() else { return false } }
            if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
                if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
                guard digits() else { return false }
            }
            nodes.append(Node(kind: .number, start: start, end: index, next: nodes.count + 1))
            return true
        }
    }
}

extension String {
    /// The text of UTF-8; nil if it is none.
    fileprivate init?(validating bytes: [UInt8]) { self.init(validating: bytes, as: UTF8.self) }
}
