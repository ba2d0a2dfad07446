import ConnectAPI

/// Turns times into another form: text, a number since the epoch, or Connect's Date, Time and Timestamp
/// (Kafka's `TimestampConverter`). Patterns: see ``DateFormat``.
final class TimestampConverter<Part: RecordPart>: Transformation {
    static var className: String { Transformations.package + "TimestampConverter" + Part.suffix }
    static var configDefinition: ConfigDefinition {
        ConfigDefinition([
            Transformations.option(
                "field", .string, .value(""), .high, "The field with the time; empty if the whole is one."),
            Transformations.option(
                "target.type", .string, .required, .high, "The form to turn into: string, unix, Date, Time, Timestamp.",
                .oneOf(TimestampForm.allCases.map(\.rawValue))),
            Transformations.option(
                "format", .string, .value(""), .medium, "A pattern of Java's SimpleDateFormat, for strings."),
            Transformations.option(
                "unix.precision", .string, .value("milliseconds"), .low, "The unit of the form unix.",
                .oneOf(TimestampForm.Precision.allCases.map(\.rawValue))),
            Transformations.replaceNullWithDefault,
        ])
    }

    /// The new schema, and where the field is in it with its old form.
    private struct Plan {
        var schema: Schema
        var index: Int?
        var source: TimestampForm?
    }

    private var field = ""
    private var conversion = TimestampConversion(target: .timestamp, format: nil, precision: .milliseconds)
    private var replacesNull = true
    private var cache = SchemaCache<Plan>()

    func configure(_ config: [String: String]) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(config)
        field = parsed.string("field")
        replacesNull = parsed.bool("replace.null.with.default")
        conversion.target = TimestampForm(rawValue: parsed.string("target.type")) ?? .timestamp
        conversion.precision = TimestampForm.Precision(rawValue: parsed.string("unix.precision")) ?? .milliseconds
        let pattern = parsed.string("format")
        if !pattern.isEmpty { conversion.format = try DateFormat(pattern) }
        if conversion.target == .string, pattern.isEmpty {
            throw .config("TimestampConverter requires the option format when target.type is string")
        }
    }

    func apply(_ record: inout ConnectRecord) throws(ConnectError) -> Bool {
        let part = Part.get(record)
        guard let schema = part.schema else {
            Part.set(&record, SchemaAndValue(schema: nil, value: try withoutSchema(part)))
            return true
        }
        let plan = try cache.value(for: schema) { (schema) throws(ConnectError) in try makePlan(for: schema) }
        if field.isEmpty {
            let value = try conversion.convert(part.value, from: plan.source)
            Part.set(&record, SchemaAndValue(schema: plan.schema, value: value))
        } else {
            var value = part.value
            if !value.isNull {
                value = .structure(try converted(try part.requireStruct("converting timestamp formats"), plan))
            }
            Part.set(&record, SchemaAndValue(schema: plan.schema, value: value))
        }
        return true
    }

    private func withoutSchema(_ part: SchemaAndValue) throws(ConnectError) -> ConnectValue {
        if field.isEmpty || part.value.isNull { return try conversion.convert(part.value, from: nil) }
        var map = try part.requireMap("converting timestamp formats")
        map.set(field, try conversion.convert(map[field] ?? .null, from: nil))
        return .map(map)
    }

    private func converted(_ structure: Struct, _ plan: Plan) throws(ConnectError) -> Struct {
        var values = structure.values(replacingNull: replacesNull)
        if let index = plan.index { values[index] = try conversion.convert(values[index], from: plan.source) }
        return try Struct(schema: plan.schema, values: values)
    }

    private func makePlan(for schema: Schema) throws(ConnectError) -> Plan {
        if field.isEmpty {
            return Plan(
                schema: conversion.target.schema(isOptional: schema.isOptional), source: try Self.form(of: schema))
        }
        guard let index = schema.index(of: field) else {
            return Plan(
                schema: try schema.copyingBasics(fields: schema.fields, isOptional: schema.isOptional))
        }
        let old = schema.fields[index].schema
        var fields = schema.fields
        fields[index] = Field(field, conversion.target.schema(isOptional: old.isOptional))
        return Plan(
            schema: try schema.copyingBasics(fields: fields, isOptional: schema.isOptional), index: index,
            source: try Self.form(of: old))
    }

    private static func form(of schema: Schema) throws(ConnectError) -> TimestampForm {
        guard let form = TimestampForm(of: schema) else {
            throw .data("\(schema) does not correspond to a known timestamp type format")
        }
        return form
    }
}
