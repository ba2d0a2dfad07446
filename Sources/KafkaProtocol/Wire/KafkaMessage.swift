public import NIOCore

/// A struct of the wire protocol that can be read and written at any of its versions.
public protocol KafkaMessage: Sendable {
    /// A message with the protocol's default values.
    init()
    /// Reads the message as `version` lays it out.
    static func decode(from reader: inout WireReader, version: Int16) throws(WireError) -> Self
    /// Writes the message as `version` lays it out; a field that the version lacks and that may not be left out is an
    /// error.
    func encode(into writer: inout WireWriter, version: Int16) throws(WireError)
}

/// A request: knows its API key, its versions and its response.
public protocol KafkaRequest: KafkaMessage {
    /// The message that answers this request.
    associatedtype Response: KafkaMessage
    /// The key that names this API on the wire.
    static var apiKey: APIKey { get }
    /// The versions this code can read and write.
    static var validVersions: ClosedRange<Int16> { get }
    /// The first version with compact types and tagged fields; `Int16.max` if there is none.
    static var firstFlexibleVersion: Int16 { get }
}

/// A response that tells a client how long to wait because it has used more than its quota.
public protocol ThrottledResponse: KafkaMessage {
    /// Milliseconds.
    var throttleTimeMs: Int32 { get set }
}

/// A record of an internal topic, or a group protocol's blob: an int16 version, then the message.
public protocol KafkaVersionedData: KafkaMessage {
    /// The versions this code can read and write.
    static var validVersions: ClosedRange<Int16> { get }
    /// The first version with compact types and tagged fields; `Int16.max` if there is none.
    static var firstFlexibleVersion: Int16 { get }
}

extension KafkaVersionedData {
    /// Reads version and message. A version above ours is read as our highest, as Kafka's consumers do with
    /// subscriptions; below our lowest it is an error.
    public static func decodeVersioned(_ buffer: ByteBuffer) throws(WireError) -> Self {
        var reader = WireReader(buffer)
        let version = try reader.readInt16()
        guard version >= validVersions.lowerBound else {
            throw WireError("version \(version) of \(Self.self) is not supported")
        }
        return try decode(from: &reader, version: min(version, validVersions.upperBound))
    }

    /// The message behind its version.
    public func encodeVersioned(version: Int16) throws(WireError) -> ByteBuffer {
        var writer = WireWriter()
        writer.writeInt16(version)
        try encode(into: &writer, version: version)
        return writer.buffer
    }
}
