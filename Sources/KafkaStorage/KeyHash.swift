/// SipHash-2-4 with 128 bits of output (Aumasson, Bernstein), keyed.
///
/// Compaction takes two record keys for the same if their hashes are. The hash key is drawn anew for every pass, so nobody
/// can make keys that collide; by chance, a billion keys do with a probability of 2⁻⁶⁹.
struct KeyHash: Sendable {
    /// A hash.
    struct Value: Sendable, Hashable {
        var low: UInt64
        var high: UInt64
    }

    private let key: (UInt64, UInt64)

    init(key: (UInt64, UInt64)) { self.key = key }

    /// With a key of the system's random bytes.
    init() {
        var random = SystemRandomNumberGenerator()
        key = (random.next(), random.next())
    }

    func hash(_ bytes: UnsafeRawBufferPointer) -> Value {
        var state = State(key)
        let end = bytes.count & ~7
        for start in stride(from: 0, to: end, by: 8) {
            state.absorb(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self)))
        }
        var last = UInt64(truncatingIfNeeded: bytes.count) << 56
        for index in end..<bytes.count { last |= UInt64(bytes[index]) << UInt64(8 * (index - end)) }
        state.absorb(last)
        return state.finish()
    }

    private struct State {
        var v0, v1, v2, v3: UInt64

        init(_ key: (UInt64, UInt64)) {
            v0 = key.0 ^ 0x736f_6d65_7073_6575
            v1 = key.1 ^ 0x646f_7261_6e64_6f6d ^ 0xee
            v2 = key.0 ^ 0x6c79_6765_6e65_7261
            v3 = key.1 ^ 0x7465_6462_7974_6573
        }

        @inline(__always)
        mutating func round() {
            v0 = v0 &+ v1
            v1 = (v1 << 13 | v1 >> 51) ^ v0
            v0 = v0 << 32 | v0 >> 32
            v2 = v2 &+ v3
            v3 = (v3 << 16 | v3 >> 48) ^ v2
            v0 = v0 &+ v3
            v3 = (v3 << 21 | v3 >> 43) ^ v0
            v2 = v2 &+ v1
            v1 = (v1 << 17 | v1 >> 47) ^ v2
            v2 = v2 << 32 | v2 >> 32
        }

        @inline(__always)
        mutating func absorb(_ word: UInt64) {
            v3 ^= word
            round()
            round()
            v0 ^= word
        }

        mutating func finish() -> Value {
            v2 ^= 0xee
            for _ in 0..<4 { round() }
            let low = v0 ^ v1 ^ v2 ^ v3
            v1 ^= 0xdd
            for _ in 0..<4 { round() }
            return Value(low: low, high: v0 ^ v1 ^ v2 ^ v3)
        }
    }
}
