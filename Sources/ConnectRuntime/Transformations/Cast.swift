import ConnectAPI
import OrderedCollections

/// Turns fields, or the whole key or value, into other types (Kafka's `Cast`).
final class Cast<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "Cast" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option(
                "spec", .list, .required, .high,
                "Pairs field:type, or one type for the whole. Types: int8, int16, int32, int64, float32, float64, "
                    + "boolean, string.", specValidator),
            Transformations.replaceNullWithDefault,
        ])
    }

    private static var specValidator: ConfigValidator {
        ConfigValidator { value in
            guard case .list(let pairs) = value else { return "Must specify at least one field to cast." }
            do throws(ConnectError) {
                _ = try CastSpecification(pairs)
                return nil
            } catch {
                return error.message
            }
        }
    }

    private var specification = CastSpecification()
    private var replacesNull = true
    private var cache = SchemaCache<Plan>()

    /// The new schema, and the type to which each field is cast, if it is.
    private struct Plan {
        var schema: Schema
        var targets: [CastType?]
    }

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        specification = try CastSpecification(parsed.list("spec"))
        replacesNull = parsed.bool("replace.null.with.default")
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        if part.value.isNull { return true }
        guard let schema = part.schema else {
            Part.set(&record, SchemaAndValue(schema: nil, value: try withoutSchema(part)))
            return true
        }
        let plan = try cache.value(for: schema) { (schema) throws(ConnectError) in try makePlan(for: schema) }
        let value: ConnectValue
        if let whole = specification.whole {
            value = try whole.cast(part.value, of: schema)
        } else {
            let structure = try part.requireStruct("cast types")
            var values = structure.values(replacingNull: replacesNull)
            for (index, target) in plan.targets.enumerated() {
                guard let target else { continue }
                values[index] = try target.cast(values[index], of: schema.fields[index].schema)
            }
            value = .structure(try Struct(schema: plan.schema, values: values))
        }
        Part.set(&record, SchemaAndValue(schema: plan.schema, value: value))
        return true
    }

    private func withoutSchema(_ part: SchemaAndValue) throws(ConnectError) -> ConnectValue {
        if let whole = specification.whole { return try whole.cast(part.value, of: nil) }
        var map = try part.requireMap("cast types")
        for (field, target) in specification.fields {
            map.set(field, try target.cast(map[field] ?? .null, of: nil))
        }
        return .map(map)
    }

    private func makePlan(for schema: Schema) throws(ConnectError) -> Plan {
        if let whole = specification.whole {
            // Java keeps the name of a logical type on a schema that no longer is of that type.
            let isLogical = schema.logicalType != nil
            let cast = Schema(
                type: whole.schemaType, isOptional: schema.isOptional, name: isLogical ? nil : schema.name,
                version: isLogical ? nil : schema.version, doc: schema.doc,
                defaultValue: try Self.castDefault(of: schema, to: whole),
                parameters: isLogical ? [:] : schema.parameters)
            return Plan(schema: cast, targets: [])
        }
        var fields: [Field] = []
        var targets: [CastType?] = []
        for field in schema.fields {
            let target = specification.fields[field.name]
            targets.append(target)
            guard let target else {
                fields.append(field)
                continue
            }
            let cast = Schema(
                type: target.schemaType, isOptional: field.schema.isOptional,
                defaultValue: try Self.castDefault(of: field.schema, to: target))
            fields.append(Field(field.name, cast))
        }
        return Plan(
            schema: try schema.copyingBasics(fields: fields, isOptional: schema.isOptional), targets: targets)
    }

    private static func castDefault(of schema: Schema, to target: CastType) throws(ConnectError) -> ConnectValue? {
        guard let value = schema.defaultValue else { return nil }
        return try target.cast(value, of: schema)
    }
}

/// The option `spec` of ``Cast``.
struct CastSpecification {
    var whole: CastType?
    var fields: [String: CastType] = [:]

    init() {}

    /// - Throws: a config error that names the bad part.
    init(_ pairs: [String]) throws(ConnectError) {
        guard !pairs.isEmpty else { throw .config("Must specify at least one field to cast.") }
        for pair in pairs {
            let parts = pair.split(separator: ":", omittingEmptySubsequences: false).map { String($0).trimmed }
            guard parts.count <= 2, let name = parts.last else {
                throw .config("Invalid cast specification: \(pair)")
            }
            guard let type = CastType(rawValue: name.lowercased()) else {
                throw .config(
                    "Cast transformation does not support casting to \(name); it supports "
                        + CastType.allCases.map(\.rawValue).joined(separator: ", "))
            }
            if parts.count == 1 { whole = type } else { fields[parts[0]] = type }
        }
        if whole != nil, pairs.count > 1 {
            throw .config("Cast transformations that specify a type to cast the entire value to may ONLY specify one")
        }
    }
}
