/// A 128-bit identifier as Kafka uses it for topics, clusters and directories (KIP-516).
public struct KafkaUUID: Sendable, Hashable, CustomStringConvertible {
    /// The first eight bytes, big-endian.
    public var high: UInt64
    /// The last eight bytes, big-endian.
    public var low: UInt64

    /// An identifier from its two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The identifier that means "none".
    public static let zero = KafkaUUID(high: 0, low: 0)

    /// A random identifier (version 4) whose text does not begin with "-", as Kafka makes them, so that it can be
    /// given on a command line.
    public static func random() -> KafkaUUID {
        while true {
            let high = UInt64.random(in: .min ... .max) & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
            let low = UInt64.random(in: .min ... .max) & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
            let candidate = KafkaUUID(high: high, low: low)
            if !candidate.description.hasPrefix("-") { return candidate }
        }
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    /// The 22 characters of URL-safe base64 without padding, as Kafka prints ids.
    public var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(22)
        // 128 bits are 21 characters of 6 bits and one of 2 bits, which is filled up with zeros.
        for index in 0..<21 {
            text.append(Self.alphabet[Int(bits(at: index * 6, count: 6))])
        }
        text.append(Self.alphabet[Int(bits(at: 126, count: 2) << 4)])
        return String(decoding: text, as: UTF8.self)
    }

    /// Parses what `description` prints; nil for anything else. Padding and the standard alphabet are accepted too.
    public init?(base64 text: String) {
        var bytes = Array(text.utf8)
        while bytes.last == UInt8(ascii: "=") { bytes.removeLast() }
        guard bytes.count == 22 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, byte) in bytes.enumerated() {
            let character =
                byte == UInt8(ascii: "+") ? UInt8(ascii: "-") : byte == UInt8(ascii: "/") ? UInt8(ascii: "_") : byte
            guard let digit = Self.alphabet.firstIndex(of: character) else { return nil }
            let width: UInt64 = index == 21 ? 2 : 6
            let value = index == 21 ? UInt64(digit) >> 4 : UInt64(digit)
            high = high << width | low >> (64 - width)
            low = low << width | value
        }
        self.init(high: high, low: low)
    }

    private func bits(at offset: Int, count: Int) -> UInt64 {
        let shift = 128 - offset - count
        let mask = (UInt64(1) << UInt64(count)) - 1
        if shift >= 64 { return high >> UInt64(shift - 64) & mask }
        let lower = low >> UInt64(shift)
        return (shift == 0 ? lower : lower | high << UInt64(64 - shift)) & mask
    }
}
