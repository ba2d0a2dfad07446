/// Decimal numbers between a database's text (`-12.340`) and Connect's form (big-endian two's complement of the
/// unscaled number, as Java's `BigInteger.toByteArray`).
enum DecimalText {
    /// The unscaled number of `text` at `scale`, shortest form.
    /// - Returns: nil if the text is no decimal number, or has more digits after the point than `scale` and not all of
    ///   the rest are zero.
    static func unscaled(_ text: UnsafeRawBufferPointer, scale: Int) -> [UInt8]? {
        guard let parts = Parts(text, scale: scale) else { return nil }
        if parts.count <= 18 {
            var value: Int64 = 0
            parts.forEachDigit { value = value * 10 + Int64($0) }
            return minimal(parts.isNegative ? -value : value)
        }
        var magnitude: [UInt32] = []  // little-endian
        parts.forEachDigit { digit in
            var carry = UInt64(digit)
            for index in magnitude.indices {
                let product = UInt64(magnitude[index]) * 10 + carry
                magnitude[index] = UInt32(truncatingIfNeeded: product)
                carry = product >> 32
            }
            if carry > 0 { magnitude.append(UInt32(carry)) }
        }
        return twosComplement(magnitude, isNegative: parts.isNegative)
    }

    /// Appends the text of an unscaled number.
    static func append(_ unscaled: [UInt8], scale: Int, to text: inout [UInt8]) {
        let isNegative = (unscaled.first ?? 0) >= 0x80
        var digits = decimalDigits(unscaled, isNegative: isNegative)
        if scale < 0 {
            if digits != [0] { digits.append(contentsOf: repeatElement(0, count: -scale)) }
        } else if digits.count <= scale {
            digits.insert(contentsOf: repeatElement(0, count: scale - digits.count + 1), at: 0)
        }
        if isNegative { text.append(UInt8(ascii: "-")) }
        for (index, digit) in digits.enumerated() {
            if scale > 0, index == digits.count - scale { text.append(UInt8(ascii: ".")) }
            text.append(UInt8(ascii: "0") + digit)
        }
    }

    /// The shortest two's complement of a number.
    static func minimal(_ value: Int64) -> [UInt8] {
        var count = 8
        while count > 1, value >> Int64((count - 1) * 8 - 1) == (value < 0 ? -1 : 0) { count -= 1 }
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            for index in 0..<count {
                buffer[index] = UInt8(truncatingIfNeeded: value >> Int64((count - 1 - index) * 8))
            }
            initialized = count
        }
    }

    private static func twosComplement(_ magnitude: [UInt32], isNegative: Bool) -> [UInt8] {
        var bytes: [UInt8] = [0]
        for limb in magnitude.reversed() {
            for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: limb >> UInt32(shift))) }
        }
        if isNegative {
            var carry = true
            for index in bytes.indices.reversed() {
                bytes[index] = ~bytes[index]
                guard carry else { continue }
                let (sum, overflow) = bytes[index].addingReportingOverflow(1)
                bytes[index] = sum
                carry = overflow
            }
        }
        var start = 0
        while start + 1 < bytes.count,
            (bytes[start] == 0 && bytes[start + 1] < 0x80) || (bytes[start] == 0xFF && bytes[start + 1] >= 0x80)
        {
            start += 1
        }
        return Array(bytes[start...])
    }

    private static func decimalDigits(_ unscaled: [UInt8], isNegative: Bool) -> [UInt8] {
        var magnitude = unscaled
        if isNegative {
            var carry = true
            for index in magnitude.indices.reversed() {
                magnitude[index] = ~magnitude[index]
                guard carry else { continue }
                let (sum, overflow) = magnitude[index].addingReportingOverflow(1)
                magnitude[index] = sum
                carry = overflow
            }
            if carry { magnitude.insert(1, at: 0) }
        }
        var digits: [UInt8] = []
        var start = 0
        while start < magnitude.count {
            var remainder = 0
            for index in start..<magnitude.count {
                let value = remainder << 8 | Int(magnitude[index])
                magnitude[index] = UInt8(value / 10)
                remainder = value % 10
            }
            digits.append(UInt8(remainder))
            while start < magnitude.count, magnitude[start] == 0 { start += 1 }
        }
        return digits.isEmpty ? [0] : digits.reversed()
    }

    /// A decimal text taken apart without copying.
    private struct Parts {
        let text: UnsafeRawBufferPointer
        let isNegative: Bool
        let digits: Range<Int>
        let padding: Int
        /// How many digits ``forEachDigit(_:)`` gives.
        let count: Int

        init?(_ text: UnsafeRawBufferPointer, scale: Int) {
            var start = 0
            var isNegative = false
            if let first = text.first, first == UInt8(ascii: "-") || first == UInt8(ascii: "+") {
                isNegative = first == UInt8(ascii: "-")
                start = 1
            }
            var point: Int?
            var digitCount = 0
            for index in start..<text.count {
                if text[index] == UInt8(ascii: "."), point == nil {
                    point = index
                } else if text[index] &- 48 < 10 {
                    digitCount += 1
                } else {
                    return nil
                }
            }
            guard digitCount > 0 else { return nil }
            var end = text.count
            var fraction = point.map { end - $0 - 1 } ?? 0
            while fraction > max(scale, 0) {
                guard text[end - 1] == UInt8(ascii: "0") else { return nil }
                end -= 1
                fraction -= 1
                digitCount -= 1
            }
            guard scale >= fraction else { return nil }
            self.text = text
            self.isNegative = isNegative
            self.digits = start..<end
            self.padding = scale - fraction
            self.count = digitCount + padding
        }

        func forEachDigit(_ body: (UInt8) -> Void) {
            for index in digits where text[index] != UInt8(ascii: ".") { body(text[index] - 48) }
            for _ in 0..<padding { body(0) }
        }
    }
}
