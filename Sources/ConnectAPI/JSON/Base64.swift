/// RFC 4648 base64 with padding, as Jackson writes bytes.
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 0xff, count: 256)
        for (value, byte) in alphabet.enumerated() { table[Int(byte)] = UInt8(value) }
        return table
    }()

    /// Appends the text of some bytes.
    public static func encode(_ data: [UInt8], into output: inout [UInt8]) {
        output.reserveCapacity(output.count + (data.count + 2) / 3 * 4)
        var index = 0
        while index + 2 < data.count {
            let group = UInt32(data[index]) << 16 | UInt32(data[index + 1]) << 8 | UInt32(data[index + 2])
            for shift in [UInt32(18), 12, 6, 0] { output.append(alphabet[Int(group >> shift & 0x3f)]) }
            index += 3
        }
        let left = data.count - index
        guard left > 0 else { return }
        let group = UInt32(data[index]) << 16 | (left == 2 ? UInt32(data[index + 1]) << 8 : 0)
        output.append(alphabet[Int(group >> 18 & 0x3f)])
        output.append(alphabet[Int(group >> 12 & 0x3f)])
        output.append(left == 2 ? alphabet[Int(group >> 6 & 0x3f)] : UInt8(ascii: "="))
        output.append(UInt8(ascii: "="))
    }

    /// The text of some bytes.
    public static func text(_ data: [UInt8]) -> String {
        var output: [UInt8] = []
        encode(data, into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// The bytes of a base64 text, or nil if it is none. Padding may be missing.
    public static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        var output: [UInt8] = []
        output.reserveCapacity(text.count / 4 * 3 + 3)
        var group: UInt32 = 0
        var count = 0
        var padding = 0
        for byte in text {
            if byte == UInt8(ascii: "=") {
                padding += 1
                continue
            }
            let value = values[Int(byte)]
            guard value != 0xff, padding == 0 else { return nil }
            group = group << 6 | UInt32(value)
            count += 1
            if count == 4 {
                output.append(UInt8(truncatingIfNeeded: group >> 16))
                output.append(UInt8(truncatingIfNeeded: group >> 8))
                output.append(UInt8(truncatingIfNeeded: group))
                group = 0
                count = 0
            }
        }
        guard padding <= 2, count != 1, padding == 0 || count + padding == 4 else { return nil }
        if count == 2 { output.append(UInt8(truncatingIfNeeded: group >> 4)) }
        if count == 3 {
            output.append(UInt8(truncatingIfNeeded: group >> 10))
            output.append(UInt8(truncatingIfNeeded: group >> 2))
        }
        return output
    }
}
