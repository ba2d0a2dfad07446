import ConnectAPI

/// The part of a record that a transformation works on: the classes `…$Key` and `…$Value`.
protocol RecordPart {
    /// The end of the Java class name.
    static var suffix: String { get }
    static func get(_ record: ConnectRecord) -> SchemaAndValue
    static func set(_ record: inout ConnectRecord, _ part: SchemaAndValue)
}

/// The record's key.
enum KeyPart: RecordPart {
    static let suffix = "$Key"
    static func get(_ record: ConnectRecord) -> SchemaAndValue { record.key }
    static func set(_ record: inout ConnectRecord, _ part: SchemaAndValue) { record.key = part }
}

/// The record's value.
enum ValuePart: RecordPart {
    static let suffix = "$Value"
    static func get(_ record: ConnectRecord) -> SchemaAndValue { record.value }
    static func set(_ record: inout ConnectRecord, _ part: SchemaAndValue) { record.value = part }
}

/// What the built-in transformations have in common.
enum Transformations {
    /// Where Kafka keeps them.
    static let package = "org.apache.kafka.connect.transforms."
    /// The Connect whose behaviour they have.
    static let version = "4.3.0"

    /// `replace.null.with.default`.
    static let replaceNullWithDefault = option(
        "replace.null.with.default", .boolean, .value("true"), .medium,
        "Whether a field that is null and has a default is taken to be its default.")

    static func option(
        _ name: String, _ type: ConfigDefinition.ValueType, _ defaultValue: ConfigDefinition.Default,
        _ importance: ConfigDefinition.Importance, _ doc: String, _ validator: ConfigValidator? = nil
    ) -> ConfigDefinition.Key {
        .init(name, type, default: defaultValue, importance: importance, doc: doc, validator: validator)
    }
}

extension Transformation {
    static var version: String { Transformations.version }
}

extension Predicate {
    static var version: String { Transformations.version }
}

extension SchemaAndValue {
    /// The entries of a schemaless value (Kafka's `Requirements.requireMap`).
    func requireMap(_ purpose: String) throws(ConnectError) -> MapEntries {
        guard case .map(let map) = value else {
            throw .data(
                "Only maps are supported in absence of a schema for [\(purpose)], found \(Self.kind(of: value))")
        }
        return map
    }

    /// The struct of a value with schema (Kafka's `Requirements.requireStruct`).
    func requireStruct(_ purpose: String) throws(ConnectError) -> Struct {
        guard case .structure(let structure) = value else {
            throw .data("Only structs are supported for [\(purpose)], found \(Self.kind(of: value))")
        }
        return structure
    }

    static func kind(of value: ConnectValue) -> String { value.type?.rawValue ?? "null" }
}

extension Struct {
    /// The value of a field; its default in place of null if that is wished.
    func value(at index: Int, replacingNull: Bool) -> ConnectValue {
        let value = self[index: index]
        guard replacingNull, value.isNull, let replacement = schema.fields[index].schema.defaultValue else {
            return value
        }
        return replacement
    }

    /// All values in field order.
    func values(replacingNull: Bool) -> [ConnectValue] {
        guard replacingNull else { return values }
        return values.indices.map { value(at: $0, replacingNull: true) }
    }
}

extension Schema {
    /// A struct with other fields and this schema's name, version, doc and parameters, but neither its default nor
    /// its optionality (Kafka's `SchemaUtil.copySchemaBasics`).
    /// - Throws: a data error if two fields have one name.
    func copyingBasics(
        fields: [Field], isOptional: Bool = false, defaultValue: ConnectValue? = nil
    ) throws(ConnectError) -> Schema {
        var seen: Set<String> = []
        for field in fields where !seen.insert(field.name).inserted {
            throw .data("Cannot create a field because of field name duplication: \(field.name)")
        }
        return Schema(
            type: .structure, isOptional: isOptional, name: name, version: version, doc: doc,
            defaultValue: defaultValue, parameters: parameters, fields: fields)
    }

    /// The same schema, optional or not, with a default or without.
    func with(isOptional: Bool, defaultValue: ConnectValue?) -> Schema {
        if isOptional == self.isOptional, defaultValue == self.defaultValue { return self }
        return Schema(
            type: type, isOptional: isOptional, name: name, version: version, doc: doc, defaultValue: defaultValue,
            parameters: parameters, fields: fields, keySchema: keySchema, valueSchema: valueSchema)
    }
}

extension MapEntries {
    /// Sets the value of a string key, at the end if it is new.
    mutating func set(_ key: String, _ value: ConnectValue) {
        if let index = entries.firstIndex(where: { $0.key == .string(key) }) {
            entries[index].value = value
        } else {
            entries.append(Entry(key: .string(key), value: value))
        }
    }
}

extension ConfigValidator {
    /// A list with at least one element.
    static let nonEmptyList = ConfigValidator { value in
        if case .list(let elements) = value, !elements.isEmpty { return nil }
        return "Empty list"
    }

    /// Any string but the empty one, if one is given.
    static let nonEmptyIfGiven = ConfigValidator { value in
        if case .string(let text) = value, text.isEmpty { return "String must be non-empty" }
        return nil
    }

    /// A regular expression.
    static let regularExpression = ConfigValidator { value in
        guard case .string(let text) = value else { return nil }
        do {
            _ = try Regex(text)
            return nil
        } catch {
            return "Invalid regex: \(error)"
        }
    }
}
