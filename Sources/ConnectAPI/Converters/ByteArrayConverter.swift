public import NIOCore

/// Bytes as they are.
public final class ByteArrayConverter: Converter {
    /// Kafka's class name.
    public static let className = "org.apache.kafka.connect.converters.ByteArrayConverter"
    /// Short names.
    public static let aliases = ["ByteArrayConverter", "ByteArray"]
    /// The options.
    public static let configDefinition = ConfigDefinition([.converterType])

    /// Makes a converter with default options.
    public init() {}

    /// Sets the options.
    public func configure(_ config: [String: String], isKey: Bool) throws(ConnectError) {}

    /// Appends the bytes; any other type is a data error.
    public func fromConnect(
        topic: String, schema: Schema?, value: ConnectValue, into buffer: inout ByteBuffer
    ) throws(ConnectError) -> Bool {
        if let schema, schema.type != .bytes {
            throw .data("Invalid schema type for ByteArrayConverter: \(schema.type.rawValue)")
        }
        switch value {
        case .null: return false
        case .bytes(let data):
            buffer.writeBytes(data)
            return true
        default:
            throw .data("ByteArrayConverter is not compatible with values of type \(value.type?.rawValue ?? "null")")
        }
    }

    /// Reads optional bytes.
    public func toConnect(topic: String, bytes: ByteBuffer?) throws(ConnectError) -> SchemaAndValue {
        SchemaAndValue(
            schema: .optionalBytes, value: bytes.map { .bytes(Array($0.readableBytesView)) } ?? .null)
    }
}
