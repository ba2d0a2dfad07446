public import NIOCore

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Turns values into the bytes of a record's value, and back.
///
/// `decode` throws for bytes that are not such a value; the listener then sends the record to the dead letter topic
/// with its bytes and the error's text, and never tries it again.
public protocol Serde<Value>: Sendable {
    /// What travels.
    associatedtype Value: Sendable
    /// The bytes of a value.
    func encode(_ value: Value) throws -> ByteBuffer
    /// The value of bytes.
    func decode(_ bytes: ByteBuffer) throws -> Value
}

/// JSON, with dates as ISO 8601 in UTC. Unknown fields are ignored, missing ones are an error that names the field.
public struct JSONSerde<Value: Codable & Sendable>: Serde {
    /// Makes the serde of a type.
    public init(_ type: Value.Type = Value.self) {}

    /// The value as compact JSON.
    public func encode(_ value: Value) throws -> ByteBuffer {
        try JSONText.encode(value)
    }

    /// The value of a JSON text.
    public func decode(_ bytes: ByteBuffer) throws -> Value {
        try JSONText.decode(Value.self, from: bytes)
    }
}

/// Text as UTF-8.
public struct StringSerde: Serde {
    /// Makes the serde.
    public init() {}

    /// The text's UTF-8.
    public func encode(_ value: String) -> ByteBuffer { ByteBuffer(string: value) }

    /// The text; throws if the bytes are not UTF-8.
    public func decode(_ bytes: ByteBuffer) throws -> String {
        guard let text = String(validating: bytes.readableBytesView, as: UTF8.self) else {
            throw KafkaServiceError(.serde, "the value is not UTF-8")
        }
        return text
    }
}

/// Bytes as they are.
public struct BytesSerde: Serde {
    /// Makes the serde.
    public init() {}

    /// The bytes.
    public func encode(_ value: ByteBuffer) -> ByteBuffer { value }

    /// The bytes.
    public func decode(_ bytes: ByteBuffer) -> ByteBuffer { bytes }
}

/// JSON by Foundation's coders, and by our own decoder where that comes to the same.
enum JSONText {
    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        // The same value gives the same bytes, whatever the process.
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }()

    private static let decoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return decoder
    }()

    static func encode(_ value: some Encodable) throws -> ByteBuffer {
        do {
            return ByteBuffer(bytes: try encoder.encode(value))
        } catch {
            throw KafkaServiceError(
                .serde, "\(type(of: value)) can't be written as JSON: \(describe(error))", cause: error)
        }
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: ByteBuffer) throws -> Value {
        if let document = JSONDocument(bytes), let value = JSONDocumentDecoder.decode(type, document) { return value }
        do {
            return try decoder.decode(type, from: Data(bytes.readableBytesView))
        } catch {
            throw KafkaServiceError(.serde, "the value is no JSON of \(type): \(describe(error))", cause: error)
        }
    }

    /// What is wrong, in a line, without the value itself: it may hold what logs must not.
    private static func describe(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            "field \(path(context.codingPath + [key])) is missing"
        case DecodingError.typeMismatch(let type, let context):
            "field \(path(context.codingPath)) is not a \(type)"
        case DecodingError.valueNotFound(_, let context):
            "field \(path(context.codingPath)) is null"
        case DecodingError.dataCorrupted(let context):
            context.codingPath.isEmpty
                ? context.debugDescription : "field \(path(context.codingPath)): \(context.debugDescription)"
        case EncodingError.invalidValue(_, let context):
            "field \(path(context.codingPath)): \(context.debugDescription)"
        default: "\(error)"
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String {
        keys.isEmpty
            ? "(the whole)" : keys.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    }
}
