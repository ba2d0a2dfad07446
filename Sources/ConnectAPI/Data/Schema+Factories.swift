import OrderedCollections

extension Schema {
    /// A required int8.
    public static let int8 = Schema(type: .int8)
    /// A required int16.
    public static let int16 = Schema(type: .int16)
    /// A required int32.
    public static let int32 = Schema(type: .int32)
    /// A required int64.
    public static let int64 = Schema(type: .int64)
    /// A required float32.
    public static let float32 = Schema(type: .float32)
    /// A required float64.
    public static let float64 = Schema(type: .float64)
    /// A required boolean.
    public static let boolean = Schema(type: .boolean)
    /// A required string.
    public static let string = Schema(type: .string)
    /// Required bytes.
    public static let bytes = Schema(type: .bytes)
    /// An optional int8.
    public static let optionalInt8 = Schema(type: .int8, isOptional: true)
    /// An optional int16.
    public static let optionalInt16 = Schema(type: .int16, isOptional: true)
    /// An optional int32.
    public static let optionalInt32 = Schema(type: .int32, isOptional: true)
    /// An optional int64.
    public static let optionalInt64 = Schema(type: .int64, isOptional: true)
    /// An optional float32.
    public static let optionalFloat32 = Schema(type: .float32, isOptional: true)
    /// An optional float64.
    public static let optionalFloat64 = Schema(type: .float64, isOptional: true)
    /// An optional boolean.
    public static let optionalBoolean = Schema(type: .boolean, isOptional: true)
    /// An optional string.
    public static let optionalString = Schema(type: .string, isOptional: true)
    /// Optional bytes.
    public static let optionalBytes = Schema(type: .bytes, isOptional: true)

    /// A struct of the given fields.
    public static func structure(
        name: String? = nil, isOptional: Bool = false, version: Int? = nil, doc: String? = nil, fields: [Field]
    ) -> Schema {
        Schema(type: .structure, isOptional: isOptional, name: name, version: version, doc: doc, fields: fields)
    }

    /// An array of values of one schema.
    public static func array(of element: Schema, isOptional: Bool = false) -> Schema {
        Schema(type: .array, isOptional: isOptional, valueSchema: element)
    }

    /// A map from keys to values of one schema each.
    public static func map(from key: Schema, to value: Schema, isOptional: Bool = false) -> Schema {
        Schema(type: .map, isOptional: isOptional, keySchema: key, valueSchema: value)
    }

    /// Kafka's Date: days since 1970-01-01 in an int32.
    public static func date(isOptional: Bool = false) -> Schema {
        Schema(type: .int32, isOptional: isOptional, name: LogicalType.dateName, version: 1)
    }

    /// Kafka's Time: milliseconds since midnight in an int32.
    public static func time(isOptional: Bool = false) -> Schema {
        Schema(type: .int32, isOptional: isOptional, name: LogicalType.timeName, version: 1)
    }

    /// Kafka's Timestamp: milliseconds since the epoch in an int64.
    public static func timestamp(isOptional: Bool = false) -> Schema {
        Schema(type: .int64, isOptional: isOptional, name: LogicalType.timestampName, version: 1)
    }

    /// Kafka's Decimal. `precision` adds the JDBC connectors' parameter `connect.decimal.precision`.
    public static func decimal(scale: Int, precision: Int? = nil, isOptional: Bool = false) -> Schema {
        var parameters: OrderedDictionary = ["scale": String(scale)]
        if let precision { parameters["connect.decimal.precision"] = String(precision) }
        return Schema(
            type: .bytes, isOptional: isOptional, name: LogicalType.decimalName, version: 1, parameters: parameters)
    }
}
