/// SHA-256 and SHA-512 with HMAC and PBKDF2 (FIPS 180-4, RFC 2104, RFC 8018): what SCRAM and the requests
/// between Connect workers need.
///
/// Written here and not taken from a cryptography package: docs/decisions/2026-11-22-sasl.md says why.
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
        switch self {
        case .sha256:
            let initial = Self.initialWords.map { UInt32(truncatingIfNeeded: $0 >> 32) }
            return Self.digest(padded(message), initial, Self.compress256)
        case .sha512:
            return Self.digest(padded(message), Self.initialWords, Self.compress512)
        }
    }

    /// The keyed digest of a message.
    public func hmac(key: [UInt8], _ message: [UInt8]) -> [UInt8] {
        var block = key.count > blockBytes ? hash(key) : key
        block += repeatElement(0, count: blockBytes - block.count)
        return hash(block.map { $0 ^ 0x5c } + hash(block.map { $0 ^ 0x36 } + message))
    }

    /// Compares two digests without telling by the time taken where the difference is.
    public static func isEqual(_ first: [UInt8], _ second: [UInt8]) -> Bool {
        guard first.count == second.count else { return false }
        return zip(first, second).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    /// A key of one digest's length from a password (RFC 5802's `Hi`).
    public func derive(password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
        var last = hmac(key: password, salt + [0, 0, 0, 1])
        var result = last
        for _ in 1..<max(1, iterations) {
            last = hmac(key: password, last)
            for index in result.indices { result[index] ^= last[index] }
        }
        return result
    }

    /// The message, a one bit, zeros, and the message's length in bits, to whole blocks.
    private func padded(_ message: [UInt8]) -> [UInt8] {
        var bytes = message
        bytes.append(0x80)
        let lengthBytes = blockBytes / 8
        while bytes.count % blockBytes != blockBytes - lengthBytes { bytes.append(0) }
        let bits = UInt64(message.count) * 8
        bytes += repeatElement(0, count: lengthBytes - 8)
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
        }
        return bytes
    }

    private static func digest<Word: FixedWidthInteger>(
        _ bytes: [UInt8], _ initial: [Word], _ compress: (inout [Word], [Word]) -> Void
    ) -> [UInt8] {
        let width = Word.bitWidth / 8
        var state = initial
        for start in stride(from: 0, to: bytes.count, by: 16 * width) {
            let words = (0..<16).map { index in
                bytes[(start + index * width)..<(start + (index + 1) * width)].reduce(Word(0)) { $0 << 8 | Word($1) }
            }
            compress(&state, words)
        }
        return state.flatMap { word in
            stride(from: Word.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> Word($0)) }
        }
    }

    private static func compress256(_ state: inout [UInt32], _ block: [UInt32]) {
        var w = block
        for index in 16..<64 {
            let (a, b) = (w[index - 15], w[index - 2])
            let s0 = rotate(a, 7) ^ rotate(a, 18) ^ (a >> 3)
            let s1 = rotate(b, 17) ^ rotate(b, 19) ^ (b >> 10)
            w.append(w[index - 16] &+ s0 &+ w[index - 7] &+ s1)
        }
        rounds(&state, w) { e in
            rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
        } small: { a in
            rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
        } constant: {
            UInt32(truncatingIfNeeded: roundWords[$0] >> 32)
        }
    }

    private static func compress512(_ state: inout [UInt64], _ block: [UInt64]) {
        var w = block
        for index in 16..<80 {
            let (a, b) = (w[index - 15], w[index - 2])
            let s0 = rotate(a, 1) ^ rotate(a, 8) ^ (a >> 7)
            let s1 = rotate(b, 19) ^ rotate(b, 61) ^ (b >> 6)
            w.append(w[index - 16] &+ s0 &+ w[index - 7] &+ s1)
        }
        rounds(&state, w) { e in
            rotate(e, 14) ^ rotate(e, 18) ^ rotate(e, 41)
        } small: { a in
            rotate(a, 28) ^ rotate(a, 34) ^ rotate(a, 39)
        } constant: {
            roundWords[$0]
        }
    }

    @inline(__always)
    private static func rounds<Word: FixedWidthInteger>(
        _ state: inout [Word], _ w: [Word], large: (Word) -> Word, small: (Word) -> Word, constant: (Int) -> Word
    ) {
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        for index in w.indices {
            let first = h &+ large(e) &+ ((e & f) ^ (~e & g)) &+ constant(index) &+ w[index]
            let second = small(a) &+ ((a & b) ^ (a & c) ^ (b & c))
            (h, g, f, e) = (g, f, e, d &+ first)
            (d, c, b, a) = (c, b, a, first &+ second)
        }
        for (index, word) in [a, b, c, d, e, f, g, h].enumerated() { state[index] = state[index] &+ word }
    }

    @inline(__always)
    private static func rotate<Word: FixedWidthInteger>(_ word: Word, _ count: Word) -> Word {
        word >> count | word << (Word(Word.bitWidth) - count)
    }

    /// Fractional parts of the square roots of the first 8 primes; SHA-256 takes the upper halves.
    private static let initialWords: [UInt64] = [
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
