/// Decimals as Connect carries them: a big-endian two's complement unscaled number, the scale in the schema.
public enum ConnectDecimal {
    /// The most digits that text may stand for. Guards against `1e999999999` in a record.
    public static let maximumDigits = 4096

    /// The digits of an unscaled number, with a minus sign if negative; no fraction.
    public static func integerText(unscaled: [UInt8]) -> String {
        guard let first = unscaled.first else { return "0" }
        if unscaled.count <= 8 {
            var value = Int64(Int8(bitPattern: first))
            for byte in unscaled.dropFirst() { value = value << 8 | Int64(byte) }
            return String(value)
        }
        let isNegative = first & 0x80 != 0
        // Base 10^9 limbs, least significant first.
        var limbs: [UInt64] = [0]
        for byte in isNegative ? negated(unscaled) : unscaled {
            var carry = UInt64(byte)
            for index in limbs.indices {
                let value = limbs[index] << 8 + carry
                limbs[index] = value % 1_000_000_000
                carry = value / 1_000_000_000
            }
            if carry > 0 { limbs.append(carry) }
        }
        var text = String(limbs[limbs.count - 1])
        for limb in limbs.dropLast().reversed() {
            let digits = String(limb)
            text += String(repeating: "0", count: 9 - digits.count) + digits
        }
        return isNegative ? "-" + text : text
    }

    /// The plain decimal text, never with an exponent: `-12.30` for scale 2.
    public static func text(unscaled: [UInt8], scale: Int) -> String {
        let digits = integerText(unscaled: unscaled)
        guard scale != 0 else { return digits }
        let isNegative = digits.hasPrefix("-")
        let magnitude = isNegative ? digits.dropFirst() : digits[...]
        if scale < 0 {
            if magnitude == "0" { return "0" }
            return digits + String(repeating: "0", count: min(-scale, maximumDigits))
        }
        let padding = max(0, scale + 1 - magnitude.count)
        let padded = String(repeating: "0", count: min(padding, maximumDigits)) + magnitude
        let point = padded.index(padded.endIndex, offsetBy: -min(scale, padded.count))
        return "\(isNegative ? "-" : "")\(padded[..<point]).\(padded[point...])"
    }

    /// Java's `BigDecimal.toString`, which Jackson writes for `decimal.format=NUMERIC`: plain where the exponent is
    /// small, scientific where it is not.
    public static func javaText(unscaled: [UInt8], scale: Int) -> String {
        let digits = integerText(unscaled: unscaled)
        let isNegative = digits.hasPrefix("-")
        let magnitude = isNegative ? digits.dropFirst() : digits[...]
        let adjusted = magnitude.count - 1 - scale
        if scale >= 0, adjusted >= -6 { return text(unscaled: unscaled, scale: scale) }
        let rest = magnitude.dropFirst()
        let mantissa = rest.isEmpty ? String(magnitude) : "\(magnitude.prefix(1)).\(rest)"
        return "\(isNegative ? "-" : "")\(mantissa)E\(adjusted > 0 ? "+" : "")\(adjusted)"
    }

    /// The unscaled number of a decimal text (`-12.3`, `1.5e3`) at a scale; nil if it is no number, has more digits
    /// than the scale holds, or is beyond ``maximumDigits``.
    public static func unscaled(text: some StringProtocol, scale: Int) -> [UInt8]? {
        var digits: [UInt8] = []
        var isNegative = false
        var exponent = 0
        var seenPoint = false
        var seenDigit = false
        var bytes = Array(text.utf8)[...]
        if let sign = bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            isNegative = sign == UInt8(ascii: "-")
            bytes.removeFirst()
        }
        while let byte = bytes.popFirst() {
            switch byte {
            case 0x30...0x39:
                seenDigit = true
                if !digits.isEmpty || byte != 0x30 { digits.append(byte - 0x30) }
                if seenPoint { exponent -= 1 }
            case UInt8(ascii: ".") where !seenPoint:
                seenPoint = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                guard let given = Int32(String(decoding: bytes, as: UTF8.self)) else { return nil }
                exponent += Int(given)
                bytes = []
            default: return nil
            }
        }
        guard seenDigit else { return nil }
        if digits.isEmpty { return [0] }
        var shift = exponent + scale
        while shift < 0, digits.last == 0 {
            digits.removeLast()
            shift += 1
        }
        guard shift >= 0, digits.count + shift <= maximumDigits else { return nil }
        digits.append(contentsOf: repeatElement(0, count: shift))
        return twosComplement(decimalDigits: digits, isNegative: isNegative)
    }

    /// The shortest big-endian two's complement form of an integer.
    public static func unscaled(_ value: Int64) -> [UInt8] {
        var bytes = withUnsafeBytes(of: value.bigEndian) { Array($0) }
        trim(&bytes)
        return bytes
    }

    private static func twosComplement(decimalDigits: [UInt8], isNegative: Bool) -> [UInt8] {
        // Little-endian base 256, nine digits at a time.
        var magnitude: [UInt8] = []
        var index = 0
        while index < decimalDigits.count {
            let chunk = decimalDigits[index..<min(index + 7, decimalDigits.count)]
            var carry: UInt32 = 0
            var factor: UInt32 = 1
            for digit in chunk {
                carry = carry * 10 + UInt32(digit)
                factor *= 10
            }
            for position in magnitude.indices {
                let value = UInt64(magnitude[position]) * UInt64(factor) + UInt64(carry)
                magnitude[position] = UInt8(truncatingIfNeeded: value)
                carry = UInt32(value >> 8)
            }
            while carry > 0 {
                magnitude.append(UInt8(truncatingIfNeeded: carry))
                carry >>= 8
            }
            index += chunk.count
        }
        magnitude.append(0)
        var bytes = Array(magnitude.reversed())
        if isNegative { bytes = negated(bytes) }
        trim(&bytes)
        return bytes
    }

    private static func negated(_ bytes: [UInt8]) -> [UInt8] {
        var result = bytes
        var carry = true
        for index in result.indices.reversed() {
            result[index] = ~result[index]
            if carry {
                carry = result[index] == 0xff
                result[index] &+= 1
            }
        }
        return result
    }

    private static func trim(_ bytes: inout [UInt8]) {
        var drop = 0
        while drop < bytes.count - 1 {
            let isSign =
                (bytes[drop] == 0 && bytes[drop + 1] & 0x80 == 0)
                || (bytes[drop] == 0xff && bytes[drop + 1] & 0x80 != 0)
            guard isSign else { break }
            drop += 1
        }
        bytes.removeFirst(drop)
    }
}
