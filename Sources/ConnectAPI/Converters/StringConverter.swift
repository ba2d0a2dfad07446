public import NIOCore

/// Text in UTF-8. Writing any other value writes its text; reading gives an optional string.
public final class StringConverter: Converter {
    /// Kafka's class name.
    public static let className = "org.apache.kafka.connect.storage.StringConverter"
    /// Short names.
    public static let aliases = ["StringConverter", "String"]
    /// The options.
    public static let configDefinition = ConfigDefinition([
        .converterType,
        ConfigDefinition.Key(
            "converter.encoding", .string, default: .value("UTF-8"), importance: .high,
            doc: "The character set. Only UTF-8 is supported.", width: .medium, displayName: "Encoding"),
    ])

    /// Makes a converter with default options.
    public init() {}

    /// Sets the options.
    public func configure(_ config: [String: String], isKey: Bool) throws(ConnectError) {
        let encoding = config["converter.encoding"] ?? "UTF-8"
        guard ["UTF-8", "UTF8", "US-ASCII", "ASCII"].contains(encoding.uppercased()) else {
            throw .config("converter.encoding \(encoding) is not supported; use UTF-8")
        }
    }

    /// Appends the text of a value.
    public func fromConnect(
        topic: String, schema: Schema?, value: ConnectValue, into buffer: inout ByteBuffer
    ) throws(ConnectError) -> Bool {
        if value.isNull { return false }
        buffer.writeString(value.javaText(schema))
        return true
    }

    /// Reads an optional string.
    public func toConnect(topic: String, bytes: ByteBuffer?) throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return SchemaAndValue(schema: .optionalString, value: .null) }
        guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            throw .data("The bytes of a record of \(topic) are no UTF-8 text")
        }
        return SchemaAndValue(schema: .optionalString, value: .string(text))
    }
}
