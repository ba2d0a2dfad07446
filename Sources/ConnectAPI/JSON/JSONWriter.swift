import OrderedCollections

/// Writes compact JSON as Jackson does: no blanks, only what must be escaped is.
struct JSONWriter {
    /// What has been written.
    var bytes: [UInt8] = []

    private static let hex = Array("0123456789ABCDEF".utf8)

    mutating func write(_ value: JSONValue) {
        switch value {
        case .null: literal("null")
        case .bool(let flag): literal(flag ? "true" : "false")
        case .integer(let number): integer(number)
        case .number(let text): bytes.append(contentsOf: text.utf8)
        case .string(let text): string(text)
        case .array(let elements):
            byte("[")
            for (index, element) in elements.enumerated() {
                if index > 0 { byte(",") }
                write(element)
            }
            byte("]")
        case .object(let members):
            byte("{")
            var isFirst = true
            for (key, member) in members {
                if !isFirst { byte(",") }
                isFirst = false
                string(key)
                byte(":")
                write(member)
            }
            byte("}")
        }
    }

    @inline(__always)
    mutating func byte(_ scalar: Unicode.Scalar) {
        bytes.append(UInt8(ascii: scalar))
    }

    mutating func literal(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func integer(_ number: Int64) {
        if number < 0 { byte("-") }
        var magnitude = number.magnitude
        let start = bytes.count
        repeat {
            bytes.append(UInt8(ascii: "0") + UInt8(magnitude % 10))
            magnitude /= 10
        } while magnitude > 0
        bytes[start...].reverse()
    }

    mutating func float(_ number: Float) {
        let text = JavaNumber.text(of: number)
        if number.isFinite { bytes.append(contentsOf: text.utf8) } else { string(text) }
    }

    mutating func double(_ number: Double) {
        let text = JavaNumber.text(of: number)
        if number.isFinite { bytes.append(contentsOf: text.utf8) } else { string(text) }
    }

    mutating func string(_ text: String) {
        byte("\"")
        var text = text
        text.withUTF8 { utf8 in
            var start = 0
            for index in utf8.indices where Self.mustEscape(utf8[index]) {
                bytes.append(contentsOf: utf8[start..<index])
                escape(utf8[index])
                start = index + 1
            }
            bytes.append(contentsOf: utf8[start...])
        }
        byte("\"")
    }

    @inline(__always)
    private static func mustEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private mutating func escape(_ value: UInt8) {
        byte("\\")
        switch value {
        case UInt8(ascii: "\""): byte("\"")
        case UInt8(ascii: "\\"): byte("\\")
        case 0x08: byte("b")
        case 0x09: byte("t")
        case 0x0a: byte("n")
        case 0x0c: byte("f")
        case 0x0d: byte("r")
        default:
            literal("u00")
            bytes.append(Self.hex[Int(value >> 4)])
            bytes.append(Self.hex[Int(value & 0xf)])
        }
    }

    /// Base64 with padding, in quotes.
    mutating func base64(_ data: [UInt8]) {
        byte("\"")
        Base64.encode(data, into: &bytes)
        byte("\"")
    }
}
