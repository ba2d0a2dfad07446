/// SHA-256 and SHA-512 with HMAC and PBKDF2 (FIPS 180-4, RFC 2104, RFC 8018): what SCRAM and the requests
/// between Connect workers need.
///
/// Written here and not taken from a cryptography package: docs/decisions/2026-11-22-sasl.md says why. The rounds work
/// on concrete words through pointers: generic ones cost a debug build a second for each SCRAM login.
public enum SHA2: Sendable {
    /// 32-bit words, digests of 32 bytes.
    case sha256
    /// 64-bit words, digests of 64 bytes.
    case sha512

    /// Length of a digest in bytes.
    public var digestBytes: Int { self == .sha256 ? 32 : 64 }
    private var blockBytes: Int { self == .sha256 ? 64 : 128 }

    /// The digest of a message.
    public func hash(_ message: [UInt8]) -> [UInt8] {
        finish(message, after: Self.initialWords(self), blocks: 0)
    }

    /// The keyed digest of a message.
    public func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        mac(message, keyed(key))
    }

    /// Compares two digests without telling by the time taken where the difference is.
    public static func isEqual(_ first: [UInt8], _ second: [UInt8]) -> Bool {
        guard first.count == second.count else { return false }
        return zip(first, second).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// A key of one digest's length from a password (RFC 5802's `Hi`).
    public func derive(password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
        let key = keyed(password)
        var last = mac(salt + [0, 0, 0, 1], key)
        var result = last
        for _ in 1..<max(1, iterations) {
            last = mac(last, key)
            for index in result.indices { result[index] ^= last[index] }
        }
        return result
    }

    /// The states after the key's two blocks, which are the same for all messages under that key.
    private func keyed(_ key: [UInt8]) -> (inner: [UInt64], outer: [UInt64]) {
        var block = key.count > blockBytes ? hash(key) : key
        block += repeatElement(0, count: blockBytes - block.count)
        func state(_ mask: UInt8) -> [UInt64] {
            var words = Self.initialWords(self)
            compress(&words, block.map { $0 ^ mask })
            return words
        }
        return (state(0x36), state(0x5c))
    }

    private func mac(_ message: [UInt8], _ key: (inner: [UInt64], outer: [UInt64])) -> [UInt8] {
        finish(finish(message, after: key.inner, blocks: 1), after: key.outer, blocks: 1)
    }

    /// The digest of a message that begins with `blocks` blocks which led to the state given.
    private func finish(_ message: [UInt8], after state: [UInt64], blocks: Int) -> [UInt8] {
        var words = state
        compress(&words, padded(message, total: message.count + blocks * blockBytes))
        var digest: [UInt8] = []
        digest.reserveCapacity(digestBytes)
        for word in words {
            var shift = UInt64(self == .sha256 ? 32 : 64)
            while shift > 0 {
                shift -= 8
                digest.append(UInt8(truncatingIfNeeded: word >> shift))
            }
        }
        return digest
    }

    /// The message, a one bit, zeros, and the length of the whole in bits, to whole blocks.
    private func padded(_ message: [UInt8], total: Int) -> [UInt8] {
        let (lengthBytes, used) = (blockBytes / 8, (message.count + 1) % blockBytes)
        let zeros = (2 * blockBytes - lengthBytes - used) % blockBytes
        var bytes = message
        bytes.reserveCapacity(message.count + 1 + zeros + lengthBytes)
        bytes.append(0x80)
        bytes += repeatElement(0, count: zeros + lengthBytes - 8)
        let bits = UInt64(total) * 8
        var shift: UInt64 = 64
        while shift > 0 {
            shift -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
        }
        return bytes
    }

    /// Takes whole blocks into the state: eight words, of which SHA-256 uses the lower halves.
    private func compress(_ state: inout [UInt64], _ blocks: [UInt8]) {
        state.withUnsafeMutableBufferPointer { state in
            blocks.withUnsafeBytes { bytes in
                Self.roundWords.withUnsafeBufferPointer { constants in
                    var start = 0
                    while start < bytes.count {
                        let block = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + blockBytes)])
                        switch self {
                        case .sha256: Self.compress256(state, block, constants)
                        case .sha512: Self.compress512(state, block, constants)
                        }
                        start += blockBytes
                    }
                }
            }
        }
    }

    private static func compress256(
        _ state: UnsafeMutableBufferPointer<UInt64>, _ block: UnsafeRawBufferPointer,
        _ constants: UnsafeBufferPointer<UInt64>
    ) {
        @inline(__always) func rotate(_ word: UInt32, _ count: UInt32) -> UInt32 {
            word &>> count | word &<< (32 &- count)
        }
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { w in
            for index in 0..<16 {
                w[index] = UInt32(bigEndian: block.loadUnaligned(fromByteOffset: index * 4, as: UInt32.self))
            }
            for index in 16..<64 {
                let (a, b) = (w[index - 15], w[index - 2])
                let s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a &>> 3)
                let s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b &>> 10)
                w[index] = w[index - 16] &+ s0 &+ w[index - 7] &+ s1
            }
            func word(_ index: Int) -> UInt32 { UInt32(truncatingIfNeeded: state[index]) }
            var (a, b, c, d) = (word(0), word(1), word(2), word(3))
            var (e, f, g, h) = (word(4), word(5), word(6), word(7))
            for index in 0..<64 {
                let constant = UInt32(truncatingIfNeeded: constants[index] &>> 32)
                let large = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
                let small = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
                let first = h &+ large &+ ((e & f) ^ (~e & g)) &+ constant &+ w[index]
                let second = small &+ ((a & b) ^ (a & c) ^ (b & c))
                (h, g, f, e) = (g, f, e, d &+ first)
                (d, c, b, a) = (c, b, a, first &+ second)
            }
            (state[0], state[1]) = (UInt64(word(0) &+ a), UInt64(word(1) &+ b))
            (state[2], state[3]) = (UInt64(word(2) &+ c), UInt64(word(3) &+ d))
            (state[4], state[5]) = (UInt64(word(4) &+ e), UInt64(word(5) &+ f))
            (state[6], state[7]) = (UInt64(word(6) &+ g), UInt64(word(7) &+ h))
        }
    }

    private static func compress512(
        _ state: UnsafeMutableBufferPointer<UInt64>, _ block: UnsafeRawBufferPointer,
        _ constants: UnsafeBufferPointer<UInt64>
    ) {
        @inline(__always) func rotate(_ word: UInt64, _ count: UInt64) -> UInt64 {
            word &>> count | word &<< (64 &- count)
        }
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 80) { w in
            for index in 0..<16 {
                w[index] = UInt64(bigEndian: block.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
            }
            for index in 16..<80 {
                let (a, b) = (w[index - 15], w[index - 2])
                let s0 = rotate(a, 1) ^ rotate(a, 8) ^ (a &>> 7)
                let s1 = rotate(b, 19) ^ rotate(b, 61) ^ (b &>> 6)
                w[index] = w[index - 16] &+ s0 &+ w[index - 7] &+ s1
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            var (e, f, g, h) = (state[4], state[5], state[6], state[7])
            for index in 0..<80 {
                let large = rotate(e, 14) ^ rotate(e, 18) ^ rotate(e, 41)
                let small = rotate(a, 28) ^ rotate(a, 34) ^ rotate(a, 39)
                let first = h &+ large &+ ((e & f) ^ (~e & g)) &+ constants[index] &+ w[index]
                let second = small &+ ((a & b) ^ (a & c) ^ (b & c))
                (h, g, f, e) = (g, f, e, d &+ first)
                (d, c, b, a) = (c, b, a, first &+ second)
            }
            (state[0], state[1], state[2], state[3]) = (state[0] &+ a, state[1] &+ b, state[2] &+ c, state[3] &+ d)
            (state[4], state[5], state[6], state[7]) = (state[4] &+ e, state[5] &+ f, state[6] &+ g, state[7] &+ h)
        }
    }

    private static func initialWords(_ kind: SHA2) -> [UInt64] {
        kind == .sha256 ? rootWords.map { $0 >> 32 } : rootWords
    }

    /// Fractional parts of the square roots of the first 8 primes; SHA-256 takes the upper halves.
    private static let rootWords: [UInt64] = [
        0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
        0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
    ]

    /// Fractional parts of the cube roots of the first 80 primes; SHA-256 takes the upper halves of the first 64.
    private static let roundWords: [UInt64] = [
        0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
        0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
        0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
        0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
        0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
        0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
        0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
        0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
        0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
        0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
        0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
        0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
        0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
        0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
        0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
        0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
        0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
        0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
        0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
        0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
    ]
}
