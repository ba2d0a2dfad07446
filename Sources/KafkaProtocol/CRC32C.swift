import CCRC32C
public import NIOCore

/// CRC32C (Castagnoli): the checksum of record batches v2.
///
/// Uses the processor's instruction (SSE4.2, ARMv8 CRC) where there is one, else tables; see `CCRC32C`.
public enum CRC32C {
    /// The checksum of `bytes`, continuing from `seed`: the checksum of the bytes before them, 0 at the start.
    @inline(__always)
    public static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
        ccrc32c(seed, bytes.baseAddress, bytes.count)
    }

    /// The checksum of a buffer's readable bytes, continuing from `seed`.
    public static func checksum(_ buffer: ByteBuffer, seed: UInt32 = 0) -> UInt32 {
        buffer.withUnsafeReadableBytes { checksum($0, seed: seed) }
    }

    /// True if the checksum is computed by a processor instruction on this machine.
    public static var isAccelerated: Bool { ccrc32c_is_accelerated() }
}
