#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

import OrderedCollections

/// Reads JSON (RFC 8259) token by token from borrowed memory, so that a caller that knows what comes, as the converter
/// does, makes no tree. Every method leaves `position` behind what it has read.
struct JSONReader {
    let bytes: UnsafeBufferPointer<UInt8>
    var position: Int
    let end: Int
    private var depth = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>, from position: Int = 0, to end: Int? = nil) {
        self.bytes = bytes
        self.position = position
        self.end = min(end ?? bytes.count, bytes.count)
    }

    /// What a number token is.
    enum Number {
        case integer(Int64)
        /// Has a fraction or an exponent, or does not fit.
        case other(Range<Int>)
    }

    func fault(_ message: String) -> JSONError { JSONError(message: message, offset: position) }

    // MARK: Structure

    @inline(__always)
    mutating func skipBlanks() {
        while position < end {
            switch bytes[position] {
            case 0x20, 0x0a, 0x0d, 0x09: position += 1
            default: return
            }
        }
    }

    /// The next byte that is not blank, not consumed; nil at the end.
    @inline(__always)
    mutating func peek() -> UInt8? {
        skipBlanks()
        return position < end ? bytes[position] : nil
    }

    /// Consumes the byte if it comes next.
    @inline(__always)
    mutating func skip(_ scalar: Unicode.Scalar) -> Bool {
        guard peek() == UInt8(ascii: scalar) else { return false }
        position += 1
        return true
    }

    @inline(__always)
    mutating func expect(_ scalar: Unicode.Scalar) throws(JSONError) {
        guard skip(scalar) else {
            throw fault(position < end ? "Expected '\(scalar)'" : "Unexpected end, expected '\(scalar)'")
        }
    }

    mutating func expectEnd() throws(JSONError) {
        if peek() != nil { throw fault("Unexpected text after the end of the document") }
    }

    mutating func enter() throws(JSONError) {
        depth += 1
        if depth > JSONValue.maximumDepth { throw fault("Nested deeper than \(JSONValue.maximumDepth) levels") }
    }

    mutating func leave() { depth -= 1 }

    // MARK: Scalars

    /// Consumes `null` if it comes next.
    mutating func skipNull() throws(JSONError) -> Bool {
        guard peek() == UInt8(ascii: "n") else { return false }
        try literal("null")
        return true
    }

    mutating func literal(_ text: StaticString) throws(JSONError) {
        let count = text.utf8CodeUnitCount
        let expected = UnsafeBufferPointer(start: text.utf8Start, count: count)
        guard count <= end - position, bytes[position..<(position + count)].elementsEqual(expected) else {
            throw fault("Unrecognized token, expected '\(text)'")
        }
        position += count
        if position < end, Self.isWord(bytes[position]) { throw fault("Unrecognized token") }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
    }

    mutating func readString() throws(JSONError) -> String {
        let (range, hasEscapes, isASCII) = try readRawString()
        if hasEscapes { return try unescape(range) }
        let bytes = UnsafeBufferPointer(rebasing: bytes[range])
        if isASCII { return String(decoding: bytes, as: UTF8.self) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw fault("Invalid UTF-8") }
        return text
    }

    /// The bytes between the quotes, whether there are escapes among them, and whether all are ASCII.
    mutating func readRawString() throws(JSONError) -> (range: Range<Int>, hasEscapes: Bool, isASCII: Bool) {
        try expect("\"")
        let start = position
        var hasEscapes = false
        var all: UInt8 = 0
        while position < end {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return (start..<(position - 1), hasEscapes, all < 0x80)
            }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                position += 1
                if position >= end { break }
            } else if byte < 0x20 {
                throw fault("Unescaped control character in a string")
            }
            all |= byte
            position += 1
        }
        throw fault("Unexpected end in a string")
    }

    /// Consumes these bytes if they come next, blanks and all.
    @inline(__always)
    mutating func skip(exactly expected: UnsafeRawBufferPointer) -> Bool {
        guard expected.count <= end - position, let own = expected.baseAddress, let other = bytes.baseAddress,
            memcmp(own, other + position, expected.count) == 0
        else { return false }
        position += expected.count
        return true
    }

    func unescape(_ range: Range<Int>) throws(JSONError) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                output.append(byte)
                continue
            }
            // A raw string never ends in a backslash.
            let kind = bytes[index]
            index += 1
            switch kind {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(kind)
            case UInt8(ascii: "b"): output.append(0x08)
            case UInt8(ascii: "t"): output.append(0x09)
            case UInt8(ascii: "n"): output.append(0x0a)
            case UInt8(ascii: "f"): output.append(0x0c)
            case UInt8(ascii: "r"): output.append(0x0d)
            case UInt8(ascii: "u"): try unescapeUnicode(&index, range.upperBound, &output)
            default: throw JSONError(message: "Unrecognized escape in a string", offset: index - 1)
            }
        }
        guard let text = String(validating: output, as: UTF8.self) else {
            throw JSONError(message: "Invalid UTF-8", offset: range.lowerBound)
        }
        return text
    }

    private func unescapeUnicode(_ index: inout Int, _ limit: Int, _ output: inout [UInt8]) throws(JSONError) {
        var code = UInt32(try hexUnit(&index, limit))
        if (0xd800..<0xdc00).contains(code), index + 1 < limit, bytes[index] == UInt8(ascii: "\\"),
            bytes[index + 1] == UInt8(ascii: "u")
        {
            var next = index + 2
            let low = UInt32(try hexUnit(&next, limit))
            if (0xdc00..<0xe000).contains(low) {
                code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
                index = next
            }
        }
        // A lone surrogate has no UTF-8; Java writes it as '?'.
        output.append(contentsOf: String(Unicode.Scalar(code) ?? "?").utf8)
    }

    private func hexUnit(_ index: inout Int, _ limit: Int) throws(JSONError) -> UInt16 {
        guard limit - index >= 4 else { throw JSONError(message: "Bad \\u escape", offset: index) }
        var unit: UInt16 = 0
        for byte in bytes[index..<(index + 4)] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw JSONError(message: "Bad \\u escape", offset: index)
            }
            unit = unit << 4 | UInt16(digit)
        }
        index += 4
        return unit
    }

    mutating func readNumber() throws(JSONError) -> Number {
        skipBlanks()
        let start = position
        let isNegative = position < end && bytes[position] == UInt8(ascii: "-")
        if isNegative { position += 1 }
        let firstDigit = position
        var magnitude: UInt64 = 0
        var fits = true
        while position < end, (0x30...0x39).contains(bytes[position]) {
            let (product, overflow) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(bytes[position] &- 0x30))
            if overflow || carry { fits = false }
            magnitude = sum
            position += 1
        }
        guard position > firstDigit else { throw fault("Unrecognized token") }
        if bytes[firstDigit] == 0x30, position - firstDigit > 1 { throw fault("Leading zeros are not allowed") }
        var isInteger = true
        if position < end, bytes[position] == UInt8(ascii: ".") {
            isInteger = false
            position += 1
            try digits()
        }
        if position < end, bytes[position] | 0x20 == UInt8(ascii: "e") {
            isInteger = false
            position += 1
            if position < end, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            try digits()
        }
        if position < end, Self.isWord(bytes[position]) { throw fault("Unrecognized token") }
        if isInteger, fits {
            if isNegative, magnitude <= Int64.min.magnitude {
                return .integer(Int64(truncatingIfNeeded: 0 &- magnitude))
            }
            if !isNegative, magnitude <= UInt64(Int64.max) { return .integer(Int64(magnitude)) }
        }
        return .other(start..<position)
    }

    private mutating func digits() throws(JSONError) {
        let start = position
        while position < end, (0x30...0x39).contains(bytes[position]) { position += 1 }
        if position == start { throw fault("Expected a digit") }
    }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    // MARK: Whole values

    mutating func readValue() throws(JSONError) -> JSONValue {
        guard let byte = peek() else { throw fault("Unexpected end of the document") }
        switch byte {
        case UInt8(ascii: "{"):
            var members: OrderedDictionary<String, JSONValue> = [:]
            try enter()
            position += 1
            if !skip("}") {
                repeat {
                    if peek() != UInt8(ascii: "\"") { throw fault("Expected a name in quotes") }
                    let key = try readString()
                    try expect(":")
                    members[key] = try readValue()
                } while skip(",")
                try expect("}")
            }
            leave()
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            try enter()
            position += 1
            if !skip("]") {
                repeat { elements.append(try readValue()) } while skip(",")
                try expect("]")
            }
            leave()
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try readString())
        case UInt8(ascii: "t"):
            try literal("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try literal("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try literal("null")
            return .null
        default:
            switch try readNumber() {
            case .integer(let number): return .integer(number)
            case .other(let range): return .number(text(range))
            }
        }
    }

    /// Reads over a value; returns where it is.
    mutating func skipValue() throws(JSONError) -> Range<Int> {
        guard let byte = peek() else { throw fault("Unexpected end of the document") }
        let start = position
        switch byte {
        case UInt8(ascii: "{"):
            try enter()
            position += 1
            if !skip("}") {
                repeat {
                    _ = try readRawString()
                    try expect(":")
                    _ = try skipValue()
                } while skip(",")
                try expect("}")
            }
            leave()
        case UInt8(ascii: "["):
            try enter()
            position += 1
            if !skip("]") {
                repeat { _ = try skipValue() } while skip(",")
                try expect("]")
            }
            leave()
        case UInt8(ascii: "\""): _ = try readRawString()
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        default: _ = try readNumber()
        }
        return start..<position
    }
}
