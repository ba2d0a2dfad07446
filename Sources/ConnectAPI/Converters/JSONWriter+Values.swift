extension JSONWriter {
    /// Writes a value of a known schema.
    mutating func write(
        _ value: ConnectValue, plan: JSONPlan, options: JSONConverter.Options
    ) throws(ConnectError) {
        switch (plan.kind, value) {
        case (_, .null): try writeNull(plan: plan, options: options)
        case (.int32, .int32(let number)): integer(Int64(number))
        case (.int64, .int64(let number)): integer(number)
        case (.string, .string(let text)): string(text)
        case (.structure(let fields), .structure(let structure)):
            guard structure.values.count == fields.count else { throw mismatch(value, plan) }
            if fields.isEmpty { byte("{") }
            for index in fields.indices {
                bytes.append(contentsOf: fields[index].opening)
                do throws(ConnectError) {
                    try write(structure.values[index], plan: fields[index].plan, options: options)
                } catch {
                    throw .data("\(plan.schema.fields[index].name): \(error.message)")
                }
            }
            byte("}")
        case (.int8, .int8(let number)): integer(Int64(number))
        case (.int16, .int16(let number)): integer(Int64(number))
        case (.float32, .float32(let number)): float(number)
        case (.float64, .float64(let number)): double(number)
        case (.boolean, .boolean(let flag)): literal(flag ? "true" : "false")
        case (.bytes, .bytes(let data)): base64(data)
        case (.decimal(let scale), .bytes(let data)):
            if options.decimalsAsNumbers {
                bytes.append(contentsOf: ConnectDecimal.javaText(unscaled: data, scale: scale).utf8)
            } else {
                base64(data)
            }
        case (.array(let element), .array(let values)):
            byte("[")
            for (index, value) in values.enumerated() {
                if index > 0 { byte(",") }
                try write(value, plan: element, options: options)
            }
            byte("]")
        case (.map(let keyPlan, let valuePlan, let isObject), .map(let map)):
            try writeMap(map, isObject: isObject) { (writer, entry) throws(ConnectError) in
                try writer.write(entry, plan: keyPlan, options: options)
            } writeValue: { (writer, entry) throws(ConnectError) in
                try writer.write(entry, plan: valuePlan, options: options)
            }
        default: throw mismatch(value, plan)
        }
    }

    private mutating func writeNull(plan: JSONPlan, options: JSONConverter.Options) throws(ConnectError) {
        if let value = plan.schema.defaultValue, !value.isNull, options.replacesNullWithDefault {
            try write(value, plan: plan, options: options)
        } else if plan.schema.isOptional {
            literal("null")
        } else {
            throw .data("Conversion error: null value for field that is required and has no default value")
        }
    }

    private func mismatch(_ value: ConnectValue, _ plan: JSONPlan) -> ConnectError {
        .data("Conversion error: a value of type \(value.type?.rawValue ?? "null") for \(plan.schema)")
    }

    /// Writes a value by itself.
    mutating func writeSchemaless(_ value: ConnectValue, options: JSONConverter.Options) throws(ConnectError) {
        switch value {
        case .null: literal("null")
        case .int8(let number): integer(Int64(number))
        case .int16(let number): integer(Int64(number))
        case .int32(let number): integer(Int64(number))
        case .int64(let number): integer(number)
        case .float32(let number): float(number)
        case .float64(let number): double(number)
        case .boolean(let flag): literal(flag ? "true" : "false")
        case .string(let text): string(text)
        case .bytes(let data): base64(data)
        case .array(let values):
            byte("[")
            for (index, value) in values.enumerated() {
                if index > 0 { byte(",") }
                try writeSchemaless(value, options: options)
            }
            byte("]")
        case .map(let map):
            let isObject = map.entries.allSatisfy { $0.key.stringValue != nil }
            try writeMap(map, isObject: isObject) { (writer, entry) throws(ConnectError) in
                try writer.writeSchemaless(entry, options: options)
            } writeValue: { (writer, entry) throws(ConnectError) in
                try writer.writeSchemaless(entry, options: options)
            }
        case .structure(let structure):
            try write(value, plan: JSONPlan(structure.schema), options: options)
        }
    }

    private mutating func writeMap(
        _ map: MapEntries, isObject: Bool,
        writeKey: (inout JSONWriter, ConnectValue) throws(ConnectError) -> Void,
        writeValue: (inout JSONWriter, ConnectValue) throws(ConnectError) -> Void
    ) throws(ConnectError) {
        byte(isObject ? "{" : "[")
        for (index, entry) in map.entries.enumerated() {
            if index > 0 { byte(",") }
            if !isObject { byte("[") }
            if isObject, entry.key.stringValue == nil { throw .data("Conversion error: a map key that is no string") }
            try writeKey(&self, entry.key)
            byte(isObject ? ":" : ",")
            try writeValue(&self, entry.value)
            if !isObject { byte("]") }
        }
        byte(isObject ? "}" : "]")
    }
}
