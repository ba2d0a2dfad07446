public import NIOCore
import Synchronization

/// Connect's JSON: values with their schema in an envelope `{"schema":…,"payload":…}`, or bare
/// (`schemas.enable=false`). Byte for byte what Kafka's `JsonConverter` writes.
///
/// What depends only on the schema is kept: when writing, the envelope up to the payload is constant bytes; when
/// reading, an envelope that starts with known bytes is not parsed up to its payload.
///
/// Stricter than Java where Java turns bad data into wrong data: a string in an int32 field, a number out of its
/// type's range and text after the document are data errors.
public final class JSONConverter: Converter {
    /// Kafka's class name.
    public static let className = "org.apache.kafka.connect.json.JsonConverter"
    /// Short names.
    public static let aliases = ["JsonConverter", "Json"]

    struct Options {
        var schemasEnabled = true
        var cacheSize = 1000
        var decimalsAsNumbers = false
        var replacesNullWithDefault = true
        var fixedSchema: JSONPlan?
    }

    struct State {
        var options = Options()
        var writePlans = JSONPlanCache()
        var envelopes = JSONEnvelopeCache()
        var writer = JSONWriter()
        var rowWriter = JSONRowWriter()
    }

    let state = Mutex(State())

    /// Makes a converter with default options.
    public init() {}

    /// Sets the options.
    public func configure(_ config: [String: String], isKey: Bool) throws(ConnectError) {
        let parsed = try Self.configDefinition.parse(["converter.type": isKey ? "key" : "value"].merging(config) { $1 })
        var options = Options()
        options.schemasEnabled = parsed.bool("schemas.enable")
        options.cacheSize = max(1, parsed.int("schemas.cache.size"))
        options.decimalsAsNumbers = parsed.string("decimal.format").uppercased() == "NUMERIC"
        options.replacesNullWithDefault = parsed.bool("replace.null.with.default")
        if let content = parsed.optionalString("schema.content"), !content.isEmpty {
            options.fixedSchema = try Self.plan(forSchemaText: content)
        }
        state.withLock { state in
            state.options = options
            state.writePlans = JSONPlanCache(limit: options.cacheSize)
            state.rowWriter = JSONRowWriter()
            state.envelopes = JSONEnvelopeCache(limit: options.cacheSize)
        }
    }

    /// Appends the JSON of a value. Null without a schema is a tombstone; null with one is written as JSON.
    public func fromConnect(
        topic: String, schema: Schema?, value: ConnectValue, into buffer: inout ByteBuffer
    ) throws(ConnectError) -> Bool {
        if schema == nil, value.isNull { return false }
        let failure: ConnectError? = state.withLock { state in
            state.writer.bytes.removeAll(keepingCapacity: true)
            do throws(ConnectError) {
                try Self.write(schema: schema, value: value, state: &state)
                buffer.writeBytes(state.writer.bytes)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        return true
    }

    /// Reads a value, with its schema if there is an envelope.
    public func toConnect(topic: String, bytes: ByteBuffer?) throws(ConnectError) -> SchemaAndValue {
        guard let bytes else { return .null }
        let result: Result<SchemaAndValue, ConnectError> = state.withLock { state in
            bytes.withUnsafeReadableBytes { raw in
                let memory = raw.bindMemory(to: UInt8.self)
                do throws(ConnectError) {
                    return .success(try Self.read(memory, state: &state))
                } catch {
                    return .failure(error)
                }
            }
        }
        return try result.get()
    }

    private static func write(schema: Schema?, value: ConnectValue, state: inout State) throws(ConnectError) {
        let options = state.options
        guard let schema else {
            if options.schemasEnabled { state.writer.literal("{\"schema\":null,\"payload\":") }
            try state.writer.writeSchemaless(value, options: options)
            if options.schemasEnabled { state.writer.byte("}") }
            return
        }
        let entry = try state.writePlans.entry(for: schema, options: options)
        if options.schemasEnabled { state.writer.bytes.append(contentsOf: entry.envelope) }
        try state.writer.write(value, plan: entry.plan, options: options)
        if options.schemasEnabled { state.writer.byte("}") }
    }

    private static func read(
        _ memory: UnsafeBufferPointer<UInt8>, state: inout State
    ) throws(ConnectError) -> SchemaAndValue {
        do throws(JSONError) {
            let options = state.options
            var reader = JSONReader(memory)
            if let plan = options.fixedSchema {
                let value = try reader.readValue(plan: plan, options: options)
                try reader.expectEnd()
                return SchemaAndValue(schema: plan.schema, value: value)
            }
            guard options.schemasEnabled else {
                let value = try reader.readValue()
                try reader.expectEnd()
                return SchemaAndValue(schema: nil, value: ConnectValue(schemaless: value))
            }
            if let (plan, payload) = state.envelopes.recognise(memory) {
                reader.position = payload
                let value = try reader.readValue(plan: plan, options: options)
                if reader.skip("}") {
                    try reader.expectEnd()
                    return SchemaAndValue(schema: plan.schema, value: value)
                }
                throw reader.fault(JSONEnvelope.shape)
            }
            let envelope = try JSONEnvelope(reading: &reader)
            guard let plan = try state.envelopes.plan(for: envelope, in: memory, options: options) else {
                var payload = JSONReader(memory, from: envelope.payload.lowerBound, to: envelope.payload.upperBound)
                return SchemaAndValue(schema: nil, value: ConnectValue(schemaless: try payload.readValue()))
            }
            var payload = JSONReader(memory, from: envelope.payload.lowerBound, to: envelope.payload.upperBound)
            return SchemaAndValue(schema: plan.schema, value: try payload.readValue(plan: plan, options: options))
        } catch {
            throw .data("Converting bytes to Connect data failed: \(error)")
        }
    }

    private static func plan(forSchemaText text: String) throws(ConnectError) -> JSONPlan {
        do throws(JSONError) {
            guard let schema = try Schema(json: try JSONValue(parsing: text.utf8), options: Options()) else {
                throw JSONError(message: "The schema is null", offset: 0)
            }
            return JSONPlan(schema)
        } catch {
            throw .config("schema.content is no schema: \(error)")
        }
    }
}

extension JSONConverter {
    /// The options.
    public static let configDefinition = ConfigDefinition([
        .converterType,
        ConfigDefinition.Key(
            "schemas.enable", .boolean, default: .value("true"), importance: .high,
            doc: "Put the schema into every key or value, and expect it there when reading.",
            group: "Schemas", order: 0, width: .medium, displayName: "Enable Schemas"),
        ConfigDefinition.Key(
            "schemas.cache.size", .int, default: .value("1000"), importance: .high,
            doc: "How many schemas are kept ready.",
            group: "Schemas", order: 1, width: .medium, displayName: "Schema Cache Size"),
        ConfigDefinition.Key(
            "schema.content", .string, default: .null, importance: .high,
            doc: "A schema in JSON that all messages have, so that they hold the payload alone. Only for reading.",
            group: "Schemas", order: 2, width: .medium, displayName: "Schema Content"),
        ConfigDefinition.Key(
            "decimal.format", .string, default: .value("BASE64"), importance: .low,
            doc: "How decimals are written: BASE64 of the unscaled number, or NUMERIC. Both can be read.",
            group: "Serialization", order: 0, width: .medium, displayName: "Decimal Format",
            validator: .oneOfIgnoringCase(["BASE64", "NUMERIC"])),
        ConfigDefinition.Key(
            "replace.null.with.default", .boolean, default: .value("true"), importance: .low,
            doc: "Put a field's default in the place of null.",
            group: "Serialization", order: 1, width: .medium, displayName: "Replace null with default"),
    ])
}

extension ConfigDefinition.Key {
    /// Which half of a record a converter serves; the worker sets it.
    static let converterType = ConfigDefinition.Key(
        "converter.type", .string, default: .required, importance: .low,
        doc: "What the converter converts: key, value or header. The worker sets it.",
        validator: .oneOf(["key", "value", "header"]))
}
