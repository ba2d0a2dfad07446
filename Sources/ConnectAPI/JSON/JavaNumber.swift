/// Floating point numbers in the spelling of Java's `Double.toString`: both languages print the shortest digits that
/// read back as the same number, but lay them out differently.
public enum JavaNumber {
    /// Java's spelling of a double: `1.0`, `1.0E10`, `1.0E-5`, `NaN`, `Infinity`.
    public static func text(of number: Double) -> String {
        layOut(number.description, isFinite: number.isFinite, isNegative: number.sign == .minus, isNaN: number.isNaN)
    }

    /// Java's spelling of a float.
    public static func text(of number: Float) -> String {
        layOut(number.description, isFinite: number.isFinite, isNegative: number.sign == .minus, isNaN: number.isNaN)
    }

    private static func layOut(_ swift: String, isFinite: Bool, isNegative: Bool, isNaN: Bool) -> String {
        guard isFinite else { return isNaN ? "NaN" : (isNegative ? "-Infinity" : "Infinity") }
        // Digits and decimal exponent: value = 0.digits × 10^point.
        var digits: [UInt8] = []
        var point = 0
        var seenPoint = false
        var exponent = 0
        let bytes = Array(swift.utf8)
        var index = isNegative ? 1 : 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: ".") {
                seenPoint = true
            } else if byte == UInt8(ascii: "e") {
                exponent = Int(String(decoding: bytes[(index + 1)...], as: UTF8.self)) ?? 0
                break
            } else {
                digits.append(byte)
                if !seenPoint { point += 1 }
            }
            index += 1
        }
        let leading = digits.prefix { $0 == UInt8(ascii: "0") }.count
        digits.removeFirst(leading)
        point += exponent - leading
        while digits.last == UInt8(ascii: "0") { digits.removeLast() }
        let sign = isNegative ? "-" : ""
        if digits.isEmpty { return sign + "0.0" }
        let text = String(decoding: digits, as: UTF8.self)
        // Java: plain between 10^-3 and 10^7, scientific outside.
        if point > 7 || point < -2 {
            let rest = text.dropFirst()
            return "\(sign)\(text.prefix(1)).\(rest.isEmpty ? "0" : rest)E\(point - 1)"
        }
        if point <= 0 { return "\(sign)0.\(String(repeating: "0", count: -point))\(text)" }
        if point >= text.count { return "\(sign)\(text)\(String(repeating: "0", count: point - text.count)).0" }
        return "\(sign)\(text.prefix(point)).\(text.dropFirst(point))"
    }
}
