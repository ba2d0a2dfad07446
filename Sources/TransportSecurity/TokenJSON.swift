/// The JSON of tokens and key sets (RFC 8259), read strictly: what is not well-formed is no token.
enum TokenJSON: Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([TokenJSON])
    case object([String: TokenJSON])

    subscript(name: String) -> TokenJSON? {
        if case .object(let members) = self { members[name] } else { nil }
    }
    var text: String? { if case .string(let text) = self { text } else { nil } }
    var number: Double? { if case .number(let number) = self { number } else { nil } }
    var items: [TokenJSON]? { if case .array(let items) = self { items } else { nil } }

    /// Nil if the bytes are not one JSON value, or a member is there twice.
    init?(parsing bytes: [UInt8]) {
        var reader = Reader(bytes: bytes[...])
        guard let value = reader.value(depth: 0) else { return nil }
        reader.skipBlanks()
        guard reader.bytes.isEmpty else { return nil }
        self = value
    }

    private struct Reader {
        var bytes: ArraySlice<UInt8>

        mutating func skipBlanks() { bytes = bytes.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) } }

        mutating func take(_ text: StaticString) -> Bool {
            let matches = text.withUTF8Buffer { bytes.starts(with: $0) }
            if matches { bytes = bytes.dropFirst(text.utf8CodeUnitCount) }
            return matches
        }

        mutating func value(depth: Int) -> TokenJSON? {
            skipBlanks()
            guard depth < 16, let first = bytes.first else { return nil }
            switch first {
            case UInt8(ascii: "\""): return string().map { .string($0) }
            case UInt8(ascii: "{"): return object(depth)
            case UInt8(ascii: "["): return array(depth)
            case UInt8(ascii: "t"): return take("true") ? .bool(true) : nil
            case UInt8(ascii: "f"): return take("false") ? .bool(false) : nil
            case UInt8(ascii: "n"): return take("null") ? .null : nil
            default:
                let text = bytes.prefix { "+-.eE0123456789".utf8.contains($0) }
                guard first == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
                    let number = Double(String(decoding: text, as: UTF8.self)), number.isFinite
                else { return nil }
                bytes = bytes.dropFirst(text.count)
                return .number(number)
            }
        }

        private mutating func object(_ depth: Int) -> TokenJSON? {
            bytes = bytes.dropFirst()
            var members: [String: TokenJSON] = [:]
            skipBlanks()
            if take("}") { return .object(members) }
            while true {
                skipBlanks()
                guard bytes.first == UInt8(ascii: "\""), let name = string() else { return nil }
                skipBlanks()
                guard take(":"), let value = value(depth: depth + 1), members.updateValue(value, forKey: name) == nil
                else { return nil }
                skipBlanks()
                if take("}") { return .object(members) }
                guard take(",") else { return nil }
            }
        }

        private mutating func array(_ depth: Int) -> TokenJSON? {
            bytes = bytes.dropFirst()
            var items: [TokenJSON] = []
            skipBlanks()
            if take("]") { return .array(items) }
            while true {
                guard let item = value(depth: depth + 1) else { return nil }
                items.append(item)
                skipBlanks()
                if take("]") { return .array(items) }
                guard take(",") else { return nil }
            }
        }

        private mutating func string() -> String? {
            bytes = bytes.dropFirst()
            var text: [UInt8] = []
            while let byte = bytes.popFirst() {
                switch byte {
                case UInt8(ascii: "\""): return String(validating: text, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let scalar = escape() else { return nil }
                    text += Array(String(Character(scalar)).utf8)
                case 0..<0x20: return nil
                default: text.append(byte)
                }
            }
            return nil
        }

        private mutating func escape() -> Unicode.Scalar? {
            switch bytes.popFirst() {
            case UInt8(ascii: "\""): return "\""
            case UInt8(ascii: "\\"): return "\\"
            case UInt8(ascii: "/"): return "/"
            case UInt8(ascii: "b"): return "\u{8}"
            case UInt8(ascii: "f"): return "\u{C}"
            case UInt8(ascii: "n"): return "\n"
            case UInt8(ascii: "r"): return "\r"
            case UInt8(ascii: "t"): return "\t"
            case UInt8(ascii: "u"):
                guard let first = unit() else { return nil }
                guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) }
                guard take("\\u"), let second = unit(), (0xDC00..<0xE000).contains(second) else { return nil }
                return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + second - 0xDC00)
            default: return nil
            }
        }

        private mutating func unit() -> UInt32? {
            let digits = bytes.prefix(4)
            guard digits.count == 4 else { return nil }
            bytes = bytes.dropFirst(4)
            return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        }
    }
}
