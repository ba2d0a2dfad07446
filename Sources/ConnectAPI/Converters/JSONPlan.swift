/// What writing and reading values of one schema needs, worked out once.
final class JSONPlan: Sendable {
    enum Kind: Sendable {
        case int8, int16, int32, int64, float32, float64, boolean, string, bytes
        case decimal(scale: Int)
        case array(JSONPlan)
        /// A map is an object if its keys are strings, else an array of pairs.
        case map(key: JSONPlan, value: JSONPlan, isObject: Bool)
        case structure([FieldPlan])
        /// A container whose element schema is not known.
        case incomplete
    }

    struct FieldPlan: Sendable {
        /// The name's bytes, to compare with those of a document.
        let name: [UInt8]
        /// What stands before the field's value: `{"id":` or `,"name":`.
        let opening: [UInt8]
        let plan: JSONPlan
    }

    let schema: Schema
    let kind: Kind
    /// A structure's fields as a document mostly has them; nil for other kinds.
    let layout: JSONLayout?

    init(_ schema: Schema) {
        self.schema = schema
        self.kind = Self.kind(of: schema)
        layout = if case .structure(let fields) = kind { JSONLayout(fields) } else { nil }
    }

    private static func kind(of schema: Schema) -> Kind {
        switch schema.type {
        case .int8: return .int8
        case .int16: return .int16
        case .int32: return .int32
        case .int64: return .int64
        case .float32: return .float32
        case .float64: return .float64
        case .boolean: return .boolean
        case .string: return .string
        case .bytes:
            if case .decimal(let scale)? = schema.logicalType { return .decimal(scale: scale) }
            return .bytes
        case .array:
            return schema.valueSchema.map { .array(JSONPlan($0)) } ?? .incomplete
        case .map:
            guard let key = schema.keySchema, let value = schema.valueSchema else { return .incomplete }
            return .map(key: JSONPlan(key), value: JSONPlan(value), isObject: key.type == .string)
        case .structure:
            return .structure(
                schema.fields.enumerated().map { index, field in
                    var opening = JSONWriter()
                    opening.byte(index == 0 ? "{" : ",")
                    opening.string(field.name)
                    opening.byte(":")
                    return FieldPlan(
                        name: Array(field.name.utf8), opening: opening.bytes, plan: JSONPlan(field.schema))
                })
        }
    }
}

/// The plans of schemas that are written, found by identity: one object per schema is the rule.
struct JSONPlanCache {
    struct Entry {
        let plan: JSONPlan
        /// `{"schema":…,"payload":`
        let envelope: [UInt8]
    }

    private var entries: [ObjectIdentifier: Entry] = [:]
    private var last: Entry?
    private let limit: Int

    init(limit: Int = 1000) { self.limit = limit }

    mutating func entry(for schema: Schema, options: JSONConverter.Options) throws(ConnectError) -> Entry {
        if let last, last.plan.schema === schema { return last }
        if let entry = entries[ObjectIdentifier(schema)] {
            last = entry
            return entry
        }
        var writer = JSONWriter()
        writer.literal("{\"schema\":")
        try writer.write(schema, options: options)
        writer.literal(",\"payload\":")
        let entry = Entry(plan: JSONPlan(schema), envelope: writer.bytes)
        if entries.count >= limit { entries.removeAll() }
        // The entry holds the schema, so its identity stays taken.
        entries[ObjectIdentifier(schema)] = entry
        last = entry
        return entry
    }
}
