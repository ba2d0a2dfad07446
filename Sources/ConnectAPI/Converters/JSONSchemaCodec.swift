import OrderedCollections

extension JSONWriter {
    /// Writes a schema as Kafka's `JsonConverter.asJsonSchema` does: type first, then what the type needs, then
    /// optional, name, version, doc, parameters, default.
    mutating func write(
        _ schema: Schema, field: String? = nil, options: JSONConverter.Options
    ) throws(ConnectError) {
        literal("{\"type\":")
        string(schema.type.rawValue)
        switch schema.type {
        case .array:
            literal(",\"items\":")
            try writeElement(schema.valueSchema, of: schema, options: options)
        case .map:
            literal(",\"keys\":")
            try writeElement(schema.keySchema, of: schema, options: options)
            literal(",\"values\":")
            try writeElement(schema.valueSchema, of: schema, options: options)
        case .structure:
            literal(",\"fields\":[")
            for (index, field) in schema.fields.enumerated() {
                if index > 0 { byte(",") }
                try write(field.schema, field: field.name, options: options)
            }
            byte("]")
        default: break
        }
        literal(",\"optional\":")
        literal(schema.isOptional ? "true" : "false")
        if let name = schema.name {
            literal(",\"name\":")
            string(name)
        }
        if let version = schema.version {
            literal(",\"version\":")
            integer(Int64(version))
        }
        if let doc = schema.doc {
            literal(",\"doc\":")
            string(doc)
        }
        if !schema.parameters.isEmpty {
            literal(",\"parameters\":")
            write(
                .object(OrderedDictionary(uniqueKeysWithValues: schema.parameters.map { ($0.key, .string($0.value)) })))
        }
        if let value = schema.defaultValue {
            literal(",\"default\":")
            try write(value, plan: JSONPlan(schema), options: options)
        }
        if let field {
            literal(",\"field\":")
            string(field)
        }
        byte("}")
    }

    private mutating func writeElement(
        _ element: Schema?, of schema: Schema, options: JSONConverter.Options
    ) throws(ConnectError) {
        guard let element else { throw .data("\(schema) has no element schema") }
        try write(element, options: options)
    }
}

extension Schema {
    /// The schema that a JSON document describes; nil for null.
    convenience init?(json: JSONValue, options: JSONConverter.Options) throws(JSONError) {
        if json == .null { return nil }
        guard let members = json.objectValue else { throw Self.fault("A schema must be an object or null") }
        guard let typeName = members["type"]?.stringValue else { throw Self.fault("Schema must contain 'type' field") }
        guard let type = SchemaType(rawValue: typeName) else { throw Self.fault("Unknown schema type: \(typeName)") }

        var fields: [Field] = []
        var keySchema: Schema?
        var valueSchema: Schema?
        switch type {
        case .array:
            valueSchema = try Self.element("items", of: members, options: options)
        case .map:
            keySchema = try Self.element("keys", of: members, options: options)
            valueSchema = try Self.element("values", of: members, options: options)
        case .structure:
            guard let list = members["fields"]?.arrayValue else {
                throw Self.fault("Struct schema's \"fields\" argument is not an array.")
            }
            for element in list {
                guard let name = element["field"]?.stringValue else {
                    throw Self.fault("Struct schema's field name not specified properly")
                }
                guard let schema = try Schema(json: element, options: options) else {
                    throw Self.fault("Struct schema's field \"\(name)\" is null")
                }
                fields.append(Field(name, schema))
            }
        default: break
        }
        let attributes = try Attributes(members)
        let plain = Schema(
            type: type, isOptional: attributes.isOptional, name: attributes.name, version: attributes.version,
            doc: attributes.doc, parameters: attributes.parameters, fields: fields, keySchema: keySchema,
            valueSchema: valueSchema)
        let defaultValue = try Self.defaultValue(members["default"], of: plain, options: options)
        self.init(
            type: type, isOptional: attributes.isOptional, name: attributes.name, version: attributes.version,
            doc: attributes.doc, defaultValue: defaultValue, parameters: attributes.parameters, fields: fields,
            keySchema: keySchema, valueSchema: valueSchema)
    }

    private struct Attributes {
        var isOptional = false
        var name: String?
        var version: Int?
        var doc: String?
        var parameters: OrderedDictionary<String, String> = [:]

        init(_ members: OrderedDictionary<String, JSONValue>) throws(JSONError) {
            if let value = members["optional"], value != .null {
                guard let flag = value.boolValue else { throw Schema.fault("Schema 'optional' must be a boolean") }
                isOptional = flag
            }
            if let value = members["name"], value != .null {
                guard let text = value.stringValue else { throw Schema.fault("Schema name must be a string") }
                name = text
            }
            if let value = members["version"], value != .null {
                guard let number = value.integerValue.flatMap({ Int32(exactly: $0) }) else {
                    throw Schema.fault("Schema version must be an integer")
                }
                version = Int(number)
            }
            if let value = members["doc"], value != .null {
                guard let text = value.stringValue else { throw Schema.fault("Schema doc must be a string") }
                doc = text
            }
            if let value = members["parameters"], value != .null {
                guard let pairs = value.objectValue else { throw Schema.fault("Schema parameters must be an object") }
                for (key, value) in pairs {
                    guard let text = value.stringValue else {
                        throw Schema.fault("Schema parameter values must have string type")
                    }
                    parameters[key] = text
                }
            }
        }
    }

    private static func element(
        _ name: String, of members: OrderedDictionary<String, JSONValue>, options: JSONConverter.Options
    ) throws(JSONError) -> Schema {
        guard let json = members[name], let schema = try Schema(json: json, options: options) else {
            throw fault("Schema lacks '\(name)'")
        }
        return schema
    }

    private static func defaultValue(
        _ json: JSONValue?, of schema: Schema, options: JSONConverter.Options
    ) throws(JSONError) -> ConnectValue? {
        guard let json, json != .null else { return nil }
        let plan = JSONPlan(schema)
        let result: Result<ConnectValue, JSONError> = json.bytes.withUnsafeBufferPointer { bytes in
            do throws(JSONError) {
                var reader = JSONReader(bytes)
                return .success(try reader.readValue(plan: plan, options: options))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private static func fault(_ message: String) -> JSONError { JSONError(message: message, offset: 0) }
}
