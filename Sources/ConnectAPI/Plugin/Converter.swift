public import NIOCore

/// Turns values into bytes of a topic and back.
public protocol Converter: AnyObject, Sendable {
    /// The Java class name, such as `org.apache.kafka.connect.json.JsonConverter`.
    static var className: String { get }
    /// Other names that a configuration may use.
    static var aliases: [String] { get }
    /// The converter's options.
    static var configDefinition: ConfigDefinition { get }

    /// Makes a converter with default options.
    init()

    /// Sets the options (without the prefix `key.converter.` or `value.converter.`), once, before use.
    func configure(_ config: [String: String], isKey: Bool) throws(ConnectError)

    /// Appends the bytes of a value.
    /// - Returns: false if the value is null on the wire; nothing has been appended then.
    func fromConnect(
        topic: String, schema: Schema?, value: ConnectValue, into buffer: inout ByteBuffer
    ) throws(ConnectError) -> Bool

    /// The value of some bytes; nil bytes are a tombstone.
    func toConnect(topic: String, bytes: ByteBuffer?) throws(ConnectError) -> SchemaAndValue
}

/// A converter that takes many rows at once.
public protocol RowConverter: Converter {
    /// Appends the bytes of all rows, one after the other, and to `ends` where those of each row end, in the buffer.
    /// - Returns: false, with nothing appended, if there is a row that must be converted as a record (because it is
    ///   bad, for example).
    func fromConnect(rows: RecordRows, into buffer: inout ByteBuffer, ends: inout [Int]) -> Bool
}
