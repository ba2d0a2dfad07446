public import NIOCore

/// Turns the values of headers into bytes and back (Kafka's `HeaderConverter`, option `header.converter`).
public protocol HeaderConverter: AnyObject, Sendable {
    /// The Java class name, such as `org.apache.kafka.connect.storage.SimpleHeaderConverter`.
    static var className: String { get }
    /// Other names that a configuration may use.
    static var aliases: [String] { get }
    /// The converter's options.
    static var configDefinition: ConfigDefinition { get }

    /// Makes a converter with default options.
    init()

    /// Sets the options (without the prefix `header.converter.`, with `converter.type` = `header`), once, before use.
    func configure(headers config: [String: String]) throws(ConnectError)

    /// The bytes of a header's value; nil if it is null on the wire.
    /// - Throws: a data error if the converter has no bytes for the value.
    func fromConnectHeader(
        topic: String, name: String, schema: Schema?, value: ConnectValue
    ) throws(ConnectError) -> ByteBuffer?

    /// The value of a header's bytes; nil bytes are null.
    /// - Throws: a data error if the bytes are no value of the converter.
    func toConnectHeader(topic: String, name: String, bytes: ByteBuffer?) throws(ConnectError) -> SchemaAndValue
}

/// A converter of keys and values that serves headers as well writes them as it writes values. Kafka's all do: it is
/// enough to declare the conformance.
extension HeaderConverter where Self: Converter {
    /// Sets the options as those of a value.
    public func configure(headers config: [String: String]) throws(ConnectError) {
        try configure(config.merging(["converter.type": "header"]) { $1 }, isKey: false)
    }

    /// The bytes of the value.
    public func fromConnectHeader(
        topic: String, name: String, schema: Schema?, value: ConnectValue
    ) throws(ConnectError) -> ByteBuffer? {
        var bytes = ByteBuffer()
        return try fromConnect(topic: topic, schema: schema, value: value, into: &bytes) ? bytes : nil
    }

    /// The value of the bytes.
    public func toConnectHeader(
        topic: String, name: String, bytes: ByteBuffer?
    ) throws(ConnectError) -> SchemaAndValue {
        try toConnect(topic: topic, bytes: bytes)
    }
}

extension JSONConverter: HeaderConverter {}
extension StringConverter: HeaderConverter {}
extension ByteArrayConverter: HeaderConverter {}
extension PrimitiveConverter: HeaderConverter {}
