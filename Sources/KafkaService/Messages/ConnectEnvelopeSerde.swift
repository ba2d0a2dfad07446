public import NIOCore

/// Rows in Kafka Connect's JSON envelope, `{"schema":…,"payload":…}`, which a SQL sink connector writes to a table.
///
/// The value's own Codable gives the payload, so its field names must be those of the schema; the schema is constant
/// text. Names, types and order of the fields become the table's columns when the sink has `auto.create`.
public struct ConnectEnvelopeSerde<Value: Codable & Sendable>: Serde {
    /// A field of the schema.
    public struct Field: Sendable, Hashable {
        /// Connect's types, as far as a row needs them.
        public enum Kind: String, Sendable {
            /// 32 bits.
            case int32
            /// 64 bits.
            case int64
            /// A double.
            case float64 = "double"
            /// True or false.
            case boolean
            /// Text.
            case string
        }

        /// The name, in the payload and of the column.
        public var name: String
        /// The type.
        public var kind: Kind
        /// Whether it may be absent or null.
        public var isOptional: Bool
        /// The name of Connect's logical type, such as `org.apache.kafka.connect.data.Timestamp`.
        public var logicalType: String?

        /// Declares a field.
        public init(_ name: String, _ kind: Kind, optional isOptional: Bool = false, logicalType: String? = nil) {
            self.name = name
            self.kind = kind
            self.isOptional = isOptional
            self.logicalType = logicalType
        }

        /// A time in ms since 1970, which becomes a column of the database's own date and time type.
        public static func timestamp(_ name: String, optional isOptional: Bool = false) -> Field {
            Field(name, .int64, optional: isOptional, logicalType: "org.apache.kafka.connect.data.Timestamp")
        }
    }

    private struct Envelope: Decodable {
        var payload: Value
    }

    private let prefix: ByteBuffer

    /// Makes the serde of a type.
    ///
    /// - Parameters:
    ///   - type: What the payload is.
    ///   - name: The schema's name; a sink does not need it.
    ///   - fields: The fields, in the order of the columns.
    public init(_ type: Value.Type = Value.self, name: String, fields: [Field]) {
        let texts = fields.map { field in
            var text = #"{"type":"\#(field.kind.rawValue)","optional":\#(field.isOptional)"#
            if let logical = field.logicalType { text += #","name":\#(Self.quoted(logical)),"version":1"# }
            return text + #","field":\#(Self.quoted(field.name))}"#
        }
        prefix = ByteBuffer(
            string: #"{"schema":{"type":"struct","fields":["# + texts.joined(separator: ",")
                + #"],"optional":false,"name":\#(Self.quoted(name))},"payload":"#)
    }

    /// The envelope with the value as its payload.
    public func encode(_ value: Value) throws -> ByteBuffer {
        var payload = try JSONText.encode(value)
        var bytes = prefix
        bytes.writeBuffer(&payload)
        bytes.writeInteger(UInt8(ascii: "}"))
        return bytes
    }

    /// The payload of an envelope. The envelope's own schema is not looked at: the payload must fit the type.
    public func decode(_ bytes: ByteBuffer) throws -> Value {
        try JSONText.decode(Envelope.self, from: bytes).payload
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
