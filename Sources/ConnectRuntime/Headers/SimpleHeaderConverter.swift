import ConnectAPI
import NIOCore

/// Headers as text, whose types are found again from the text: see ``Values``. Connect's default.
///
/// Bytes that are no UTF-8 arrive as bytes (in Java as text with replacement characters).
final class SimpleHeaderConverter: HeaderConverter {
    static let className = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
    static let aliases = ["Simple"]
    static let configDefinition = ConfigDefinition()

    init() {}

    func configure(headers config: [String: String]) throws(ConnectError) {}

    func fromConnectHeader(
        topic: String, name: String, schema: Schema?, value: ConnectValue
    ) throws(ConnectError) -> ByteBuffer? {
        value.isNull ? nil : ByteBuffer(string: Values.text(value, schema))
    }

    func toConnectHeader(topic: String, name: String, bytes: ByteBuffer?) throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return .null }
        guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            return SchemaAndValue(schema: .bytes, value: .bytes(Array(bytes.readableBytesView)))
        }
        return Values.parse(text)
    }
}
