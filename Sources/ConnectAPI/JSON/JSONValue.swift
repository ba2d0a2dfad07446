public import NIOCore
public import OrderedCollections

/// A JSON document. Keys keep their order; integers that fit stay integers; other numbers keep their spelling.
public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    /// A number with a fraction, an exponent, or beyond Int64, as it is spelt.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object(OrderedDictionary<String, JSONValue>)

    /// How deep documents from outside may nest.
    public static let maximumDepth = 200

    /// A floating point number in Java's spelling; NaN and infinities become strings, as Jackson writes them.
    public static func double(_ value: Double) -> JSONValue {
        value.isFinite ? .number(JavaNumber.text(of: value)) : .string(JavaNumber.text(of: value))
    }

    /// Parses a whole document.
    /// - Throws: ``JSONError`` with the position of the first fault.
    public init(parsing bytes: some Sequence<UInt8>) throws(JSONError) {
        let contiguous = ContiguousArray(bytes)
        let result = contiguous.withUnsafeBufferPointer { Self.parse($0) }
        self = try result.get()
    }

    /// Parses the readable bytes of a buffer as one document.
    public init(parsing buffer: ByteBuffer) throws(JSONError) {
        let result = buffer.withUnsafeReadableBytes { Self.parse($0.bindMemory(to: UInt8.self)) }
        self = try result.get()
    }

    private static func parse(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<JSONValue, JSONError> {
        do throws(JSONError) {
            var reader = JSONReader(bytes)
            let value = try reader.readValue()
            try reader.expectEnd()
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    /// The member of an object; nil for anything else.
    public subscript(key: String) -> JSONValue? {
        if case .object(let members) = self { members[key] } else { nil }
    }

    /// The element of an array; nil if there is none.
    public subscript(index: Int) -> JSONValue? {
        if case .array(let elements) = self, elements.indices.contains(index) { elements[index] } else { nil }
    }

    /// The string, if it is one.
    public var stringValue: String? {
        if case .string(let text) = self { text } else { nil }
    }

    /// The integer, if it is one.
    public var integerValue: Int64? {
        if case .integer(let number) = self { number } else { nil }
    }

    /// The boolean, if it is one.
    public var boolValue: Bool? {
        if case .bool(let flag) = self { flag } else { nil }
    }

    /// Any number as a double.
    public var doubleValue: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .number(let text): Double(text)
        default: nil
        }
    }

    /// The members, if it is an object.
    public var objectValue: OrderedDictionary<String, JSONValue>? {
        if case .object(let members) = self { members } else { nil }
    }

    /// The elements, if it is an array.
    public var arrayValue: [JSONValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    /// The compact text, as bytes.
    public var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.write(self)
        return writer.bytes
    }

    /// The compact text.
    public var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// A fault in a JSON document.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is wrong.
    public let message: String
    /// The byte at which it is wrong, counted from 0.
    public let offset: Int

    /// Makes a fault.
    public init(message: String, offset: Int) {
        self.message = message
        self.offset = offset
    }

    /// The message and the place.
    public var description: String { "\(message) at byte \(offset)" }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// A boolean.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
}
