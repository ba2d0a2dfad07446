public import NIOCore

/// The 32-bit MurmurHash2 with the seed of Kafka's Java client (`org.apache.kafka.common.utils.Utils.murmur2`): the
/// hash of the default partitioner, so that every client puts a key in the same partition.
public enum Murmur2 {
    /// The hash of `bytes`.
    public static func hash(_ bytes: UnsafeRawBufferPointer) -> Int32 {
        let multiplier: UInt32 = 0x5bd1_e995
        let count = bytes.count
        var hash: UInt32 = 0x9747_b28c ^ UInt32(truncatingIfNeeded: count)
        var position = 0
        while count - position >= 4 {
            var word = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self))
            word &*= multiplier
            word ^= word >> 24
            word &*= multiplier
            hash &*= multiplier
            hash ^= word
            position += 4
        }
        if position < count {
            var shift: UInt32 = 0
            while position < count {
                hash ^= UInt32(bytes[position]) << shift
                shift += 8
                position += 1
            }
            hash &*= multiplier
        }
        hash ^= hash >> 13
        hash &*= multiplier
        hash ^= hash >> 15
        return Int32(bitPattern: hash)
    }

    /// The hash of a buffer's readable bytes.
    public static func hash(_ buffer: ByteBuffer) -> Int32 {
        buffer.withUnsafeReadableBytes { hash($0) }
    }

    /// The partition of a key among `count` partitions, as Java's default partitioner picks it; 0 if `count` is not
    /// positive.
    public static func partition(forKey key: ByteBuffer, count: Int32) -> Int32 {
        count > 0 ? (hash(key) & Int32.max) % count : 0
    }
}
