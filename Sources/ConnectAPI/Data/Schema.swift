public import OrderedCollections

/// The types a Connect schema can have (Kafka class `Schema.Type`). The raw value is the name that the JSON
/// converter writes.
public enum SchemaType: String, Sendable, Hashable, CaseIterable {
    case int8, int16, int32, int64
    case float32 = "float"
    case float64 = "double"
    case boolean, string, bytes, array, map
    case structure = "struct"
}

/// What the name of a schema says about its values (Kafka's `org.apache.kafka.connect.data.*` classes).
/// Values stay in their base form: see ``ConnectValue``.
public enum LogicalType: Sendable, Hashable {
    /// Days since 1970-01-01 in an int32.
    case date
    /// Milliseconds since midnight in an int32.
    case time
    /// Milliseconds since 1970-01-01T00:00:00Z in an int64.
    case timestamp
    /// A big-endian two's complement unscaled number in bytes; the value is `unscaled × 10^-scale`.
    case decimal(scale: Int)

    /// Kafka's schema name of a date.
    public static let dateName = "org.apache.kafka.connect.data.Date"
    /// Kafka's schema name of a time of day.
    public static let timeName = "org.apache.kafka.connect.data.Time"
    /// Kafka's schema name of an instant.
    public static let timestampName = "org.apache.kafka.connect.data.Timestamp"
    /// Kafka's schema name of a decimal.
    public static let decimalName = "org.apache.kafka.connect.data.Decimal"
}

/// One field of a struct schema.
public struct Field: Sendable, Hashable {
    /// The field's name, unique in its struct.
    public let name: String
    /// The schema of the field's values.
    public let schema: Schema

    /// Makes a field.
    public init(_ name: String, _ schema: Schema) {
        self.name = name
        self.schema = schema
    }
}

/// The shape of a value: an immutable object that many records share, so that what depends only on the schema can be
/// computed once and found again by identity.
public final class Schema: Sendable {
    /// The base type.
    public let type: SchemaType
    /// Whether null is a legal value.
    public let isOptional: Bool
    /// The schema's name: a record name, or the mark of a logical type.
    public let name: String?
    /// The schema's version.
    public let version: Int?
    /// A text for people.
    public let doc: String?
    /// The value a reader uses in place of null.
    public let defaultValue: ConnectValue?
    /// Free parameters, in order; empty when there are none.
    public let parameters: OrderedDictionary<String, String>
    /// A struct's fields in order; empty for other types.
    public let fields: [Field]
    /// A map's key schema.
    public let keySchema: Schema?
    /// A map's or array's element schema.
    public let valueSchema: Schema?
    /// What the name means, if it is one of Kafka's logical types on its right base type.
    public let logicalType: LogicalType?

    private let indexByName: [String: Int]

    /// Makes a schema; the factory methods below are shorter for the common shapes.
    public init(
        type: SchemaType, isOptional: Bool = false, name: String? = nil, version: Int? = nil, doc: String? = nil,
        defaultValue: ConnectValue? = nil, parameters: OrderedDictionary<String, String> = [:], fields: [Field] = [],
        keySchema: Schema? = nil, valueSchema: Schema? = nil
    ) {
        self.type = type
        self.isOptional = isOptional
        self.name = name
        self.version = version
        self.doc = doc
        self.defaultValue = defaultValue
        self.parameters = parameters
        self.fields = fields
        self.keySchema = keySchema
        self.valueSchema = valueSchema
        self.logicalType = Self.logicalType(type: type, name: name, parameters: parameters)
        self.indexByName = Dictionary(
            fields.enumerated().map { ($1.name, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The index of the named field, or nil. Constant time.
    public func index(of name: String) -> Int? { indexByName[name] }

    /// The named field, or nil. Constant time.
    public func field(named name: String) -> Field? { indexByName[name].map { fields[$0] } }

    private static func logicalType(
        type: SchemaType, name: String?, parameters: OrderedDictionary<String, String>
    ) -> LogicalType? {
        switch (type, name) {
        case (.int32, LogicalType.dateName): .date
        case (.int32, LogicalType.timeName): .time
        case (.int64, LogicalType.timestampName): .timestamp
        case (.bytes, LogicalType.decimalName): parameters["scale"].flatMap { Int($0) }.map { .decimal(scale: $0) }
        default: nil
        }
    }
}

extension Schema: Hashable {
    /// Compares by content; two references to one object are equal at once.
    public static func == (lhs: Schema, rhs: Schema) -> Bool {
        if lhs === rhs { return true }
        return lhs.type == rhs.type && lhs.isOptional == rhs.isOptional && lhs.name == rhs.name
            && lhs.version == rhs.version && lhs.fields == rhs.fields && lhs.keySchema == rhs.keySchema
            && lhs.valueSchema == rhs.valueSchema && lhs.parameters == rhs.parameters && lhs.doc == rhs.doc
            && lhs.defaultValue == rhs.defaultValue
    }

    /// Hashes what tells schemas apart in practice.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(type)
        hasher.combine(isOptional)
        hasher.combine(name)
        hasher.combine(version)
        for field in fields { hasher.combine(field.name) }
    }
}

extension Schema: CustomStringConvertible {
    /// A short text for messages, such as `Schema{users:struct}`.
    public var description: String {
        name.map { "Schema{\($0):\(type.rawValue)}" } ?? "Schema{\(type.rawValue)}"
    }
}
