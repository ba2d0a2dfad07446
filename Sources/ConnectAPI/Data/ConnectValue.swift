public import OrderedCollections

/// A value on its way through Connect.
///
/// Logical types are carried in their base form and the schema's name tells: Date is `.int32` days, Time `.int32`
/// milliseconds, Timestamp `.int64` milliseconds, Decimal `.bytes` of the big-endian two's complement unscaled number
/// (``ConnectDecimal`` turns it into text and back).
public enum ConnectValue: Sendable, Hashable {
    case null
    case int8(Int8)
    case int16(Int16)
    case int32(Int32)
    case int64(Int64)
    case float32(Float)
    case float64(Double)
    case boolean(Bool)
    case string(String)
    case bytes([UInt8])
    case array([ConnectValue])
    case map(MapEntries)
    case structure(Struct)

    /// Whether this is null.
    public var isNull: Bool {
        if case .null = self { true } else { false }
    }

    /// Any integer case as an Int64, else nil.
    public var integer: Int64? {
        switch self {
        case .int8(let value): Int64(value)
        case .int16(let value): Int64(value)
        case .int32(let value): Int64(value)
        case .int64(let value): value
        default: nil
        }
    }

    /// The string, if it is one.
    public var stringValue: String? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The struct, if it is one.
    public var structValue: Struct? {
        if case .structure(let value) = self { value } else { nil }
    }

    /// The schema type this value has, or nil for null.
    public var type: SchemaType? {
        switch self {
        case .null: nil
        case .int8: .int8
        case .int16: .int16
        case .int32: .int32
        case .int64: .int64
        case .float32: .float32
        case .float64: .float64
        case .boolean: .boolean
        case .string: .string
        case .bytes: .bytes
        case .array: .array
        case .map: .map
        case .structure: .structure
        }
    }
}

/// The entries of a map value, in order. Keys may be of any type, as in Java.
public struct MapEntries: Sendable, Hashable {
    /// One entry.
    public struct Entry: Sendable, Hashable {
        /// The key.
        public var key: ConnectValue
        /// The value.
        public var value: ConnectValue

        /// Makes an entry.
        public init(key: ConnectValue, value: ConnectValue) {
            self.key = key
            self.value = value
        }
    }

    /// The entries in order.
    public var entries: [Entry]

    /// Makes the entries of a map.
    public init(_ entries: [Entry] = []) {
        self.entries = entries
    }

    /// Makes a map with string keys.
    public init(_ pairs: OrderedDictionary<String, ConnectValue>) {
        self.entries = pairs.map { Entry(key: .string($0.key), value: $0.value) }
    }

    /// The value of a string key, or nil.
    public subscript(key: String) -> ConnectValue? {
        entries.first { $0.key == .string(key) }?.value
    }
}

/// A source partition or offset: names to primitive values. The order of the keys is kept, because Java looks
/// offsets up by the bytes of their JSON.
public typealias OffsetMap = OrderedDictionary<String, ConnectValue>

/// A value and the schema it has; a nil schema means schemaless.
public struct SchemaAndValue: Sendable, Hashable {
    /// The schema, or nil.
    public var schema: Schema?
    /// The value.
    public var value: ConnectValue
    /// No schema and no value: a tombstone.
    public static let null = SchemaAndValue(schema: nil, value: .null)

    /// Pairs a schema and a value.
    public init(schema: Schema?, value: ConnectValue) {
        self.schema = schema
        self.value = value
    }
}
