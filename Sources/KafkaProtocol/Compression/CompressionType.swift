/// How the records of a batch are compressed; the raw value is the one in the batch's attributes.
public enum CompressionType: Int8, Sendable, CaseIterable {
    /// Not at all.
    case none = 0
    /// RFC 1952.
    case gzip = 1
    /// Snappy, in the framing of the Java library (xerial).
    case snappy = 2
    /// LZ4 frames of independent blocks.
    case lz4 = 3
    /// RFC 8878 (KIP-110).
    case zstd = 4

    /// Kafka's name in `compression.type`.
    public var name: String {
        switch self {
        case .none: "none"
        case .gzip: "gzip"
        case .snappy: "snappy"
        case .lz4: "lz4"
        case .zstd: "zstd"
        }
    }

    /// The type of that name in `compression.type`; nil for other names (`producer`, `uncompressed` are the broker's).
    public init?(name: String) {
        guard let type = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = type
    }
}
