/// A structured value: one value per field of its schema, by field index.
public struct Struct: Sendable, Hashable {
    /// The struct's schema; its type is `.structure`.
    public let schema: Schema
    /// The values in the order of the schema's fields.
    public private(set) var values: [ConnectValue]

    /// Makes a struct from values in field order.
    /// - Throws: a data error if the number of values is not that of the fields.
    public init(schema: Schema, values: [ConnectValue]) throws(ConnectError) {
        guard schema.type == .structure, values.count == schema.fields.count else {
            throw .data("\(schema) has \(schema.fields.count) fields, but \(values.count) values were given")
        }
        self.schema = schema
        self.values = values
    }

    /// Makes a struct of values that are known to be one per field.
    init(_ schema: Schema, complete values: [ConnectValue]) {
        self.schema = schema
        self.values = values
    }

    /// Makes a struct with every field null.
    public init(schema: Schema) {
        self.schema = schema
        self.values = Array(repeating: .null, count: schema.fields.count)
    }

    /// The value of a field by name; nil if there is no such field. Setting an unknown field does nothing.
    public subscript(name: String) -> ConnectValue? {
        get { schema.index(of: name).map { values[$0] } }
        set {
            guard let index = schema.index(of: name) else { return }
            values[index] = newValue ?? .null
        }
    }

    /// The value of a field by index.
    public subscript(index index: Int) -> ConnectValue {
        get { values[index] }
        set { values[index] = newValue }
    }

    /// Checks that every value is of its field's type, and that null stands only where it is allowed
    /// (Kafka's `Struct.validate`).
    public func validate() throws(ConnectError) {
        for (field, value) in zip(schema.fields, values) {
            try ConnectValue.check(value, against: field.schema, at: field.name)
        }
    }

    /// Equal schemas and equal values. One object per schema is the rule, so identity settles nearly every comparison.
    public static func == (lhs: Struct, rhs: Struct) -> Bool {
        lhs.schema == rhs.schema && lhs.values == rhs.values
    }
}

extension ConnectValue {
    /// Checks a value against a schema, all the way down (Kafka's `ConnectSchema.validateValue`).
    /// - Throws: a data error that names `place`.
    public static func check(_ value: ConnectValue, against schema: Schema, at place: String) throws(ConnectError) {
        if value.isNull {
            if schema.isOptional || schema.defaultValue != nil { return }
            throw .data(
                "Invalid value: null used for required field: \"\(place)\", schema type: \(schema.type.rawValue)")
        }
        guard value.type == schema.type else {
            throw .data(
                "Invalid value for field \"\(place)\": its schema is of type \(schema.type.rawValue), "
                    + "the value of type \(value.type?.rawValue ?? "null")")
        }
        switch value {
        case .array(let elements):
            guard let element = schema.valueSchema else { return }
            for value in elements { try check(value, against: element, at: place) }
        case .map(let map):
            guard let keySchema = schema.keySchema, let valueSchema = schema.valueSchema else { return }
            for entry in map.entries {
                try check(entry.key, against: keySchema, at: place)
                try check(entry.value, against: valueSchema, at: place)
            }
        case .structure(let structure):
            try structure.validate()
        default:
            break
        }
    }
}
