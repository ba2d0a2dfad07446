/// The fields of a structure in the order and the spelling that converters write, in memory of its own: reading a row asks
/// for each of them, and counting references to their arrays and plans would cost as much as reading the values.
final class JSONLayout: @unchecked Sendable {
    /// What a value looks like that can be read without its plan.
    enum Shape: UInt8 {
        case int8, int16, int32, int64, string
        /// Anything else.
        case other
    }

    struct Field {
        /// What stands before the value (``JSONPlan/FieldPlan/opening``).
        let opening: UnsafeRawBufferPointer
        let shape: Shape
    }

    let fields: UnsafeBufferPointer<Field>
    private let text: UnsafeMutableRawBufferPointer

    init(_ plans: [JSONPlan.FieldPlan]) {
        text = .allocate(byteCount: plans.reduce(0) { $0 + $1.opening.count }, alignment: 1)
        let fields = UnsafeMutableBufferPointer<Field>.allocate(capacity: plans.count)
        var start = 0
        for (index, plan) in plans.enumerated() {
            let opening = UnsafeMutableRawBufferPointer(rebasing: text[start..<(start + plan.opening.count)])
            opening.copyBytes(from: plan.opening)
            fields.initializeElement(
                at: index, to: Field(opening: UnsafeRawBufferPointer(opening), shape: Shape(plan.plan.kind)))
            start += plan.opening.count
        }
        self.fields = UnsafeBufferPointer(fields)
    }

    deinit {
        fields.deallocate()
        text.deallocate()
    }
}

extension JSONLayout.Shape {
    init(_ kind: JSONPlan.Kind) {
        self =
            switch kind {
            case .int8: .int8
            case .int16: .int16
            case .int32: .int32
            case .int64: .int64
            case .string: .string
            default: .other
            }
    }
}

extension JSONReader {
    /// A value of this shape in its plainest form, with nothing but a comma or a brace behind it; nil leaves the position
    /// where it is, and the value to those who know every form and every mistake.
    @inline(__always)
    mutating func plainValue(_ shape: JSONLayout.Shape) -> ConnectValue? {
        switch shape {
        case .int8: plainInteger().map { .int8($0) }
        case .int16: plainInteger().map { .int16($0) }
        case .int32: plainInteger().map { .int32($0) }
        case .int64: plainInteger().map { .int64($0) }
        case .string: plainString().map { .string($0) }
        case .other: nil
        }
    }

    @inline(__always)
    private mutating func plainInteger<Integer: FixedWidthInteger>() -> Integer? {
        var at = position
        let isNegative = at < end && bytes[at] == UInt8(ascii: "-")
        if isNegative { at += 1 }
        let first = at
        var magnitude: Int64 = 0
        while at < end {
            let digit = bytes[at] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            magnitude = magnitude &* 10 &+ Int64(digit)
            at += 1
        }
        // 18 digits cannot have overflowed.
        guard at > first, at - first <= 18, at - first == 1 || bytes[first] != UInt8(ascii: "0"), isEndOfValue(at),
            let value = Integer(exactly: isNegative ? -magnitude : magnitude)
        else { return nil }
        position = at
        return value
    }

    /// ASCII without escapes, eight bytes at a time.
    @inline(__always)
    private mutating func plainString() -> String? {
        guard position < end, bytes[position] == UInt8(ascii: "\""), let base = bytes.baseAddress else { return nil }
        let start = position + 1
        var at = start
        while at + 8 <= end {
            let word = UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self)
            guard Self.isPlain(word) else { break }
            at += 8
        }
        while at < end {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") { break }
            guard byte >= 0x20, byte < 0x80, byte != UInt8(ascii: "\\") else { return nil }
            at += 1
        }
        guard isEndOfValue(at + 1) else { return nil }
        position = at + 1
        return String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<at]), as: UTF8.self)
    }

    @inline(__always)
    private func isEndOfValue(_ at: Int) -> Bool {
        at < end && (bytes[at] == UInt8(ascii: ",") || bytes[at] == UInt8(ascii: "}"))
    }

    /// Whether eight bytes are all ASCII, and none is a quote, a backslash or a control character.
    @inline(__always)
    private static func isPlain(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        // The top bit of a byte is set where it is zero, or less than 0x20.
        let quote = word ^ (ones &* UInt64(UInt8(ascii: "\"")))
        let backslash = word ^ (ones &* UInt64(UInt8(ascii: "\\")))
        let found = ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | ((word &- ones &* 0x20) & ~word)
        return (found | word) & tops == 0
    }
}
