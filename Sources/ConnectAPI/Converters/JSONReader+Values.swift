import OrderedCollections

extension JSONReader {
    /// Reads a value of a known schema.
    mutating func readValue(
        plan: JSONPlan, options: JSONConverter.Options
    ) throws(JSONError) -> ConnectValue {
        if try skipNull() { return try null(plan, options) }
        switch plan.kind {
        case .int8: return .int8(try integer(plan))
        case .int16: return .int16(try integer(plan))
        case .int32: return .int32(try integer(plan))
        case .int64: return .int64(try integer(plan))
        case .float32: return .float32(Float(try floatText(plan)) ?? .nan)
        case .float64: return .float64(Double(try floatText(plan)) ?? .nan)
        case .boolean:
            switch peek() {
            case UInt8(ascii: "t"):
                try literal("true")
                return .boolean(true)
            case UInt8(ascii: "f"):
                try literal("false")
                return .boolean(false)
            default: throw try mismatch(plan)
            }
        case .string:
            guard peek() == UInt8(ascii: "\"") else { throw try mismatch(plan) }
            return .string(try readString())
        case .bytes: return .bytes(try base64(plan))
        case .decimal(let scale): return try decimal(plan, scale: scale)
        case .array(let element):
            guard peek() == UInt8(ascii: "[") else { throw try mismatch(plan) }
            return .array(
                try list { (reader) throws(JSONError) in try reader.readValue(plan: element, options: options) })
        case .map(let keyPlan, let valuePlan, let isObject):
            return try map(plan, keyPlan, valuePlan, isObject: isObject, options)
        case .structure(let fields):
            return .structure(try structure(plan, fields, options))
        case .incomplete: throw fault("\(plan.schema) has no element schema")
        }
    }

    private func null(_ plan: JSONPlan, _ options: JSONConverter.Options) throws(JSONError) -> ConnectValue {
        if let value = plan.schema.defaultValue, options.replacesNullWithDefault { return value }
        if plan.schema.isOptional { return .null }
        throw fault("Invalid null value for required \(plan.schema.type.rawValue.uppercased()) field")
    }

    private mutating func mismatch(_ plan: JSONPlan) throws(JSONError) -> JSONError {
        let at = position
        guard let byte = peek() else { throw fault("Unexpected end of the document") }
        let found: String =
            switch byte {
            case UInt8(ascii: "{"): "an object"
            case UInt8(ascii: "["): "an array"
            case UInt8(ascii: "\""): "a string"
            case UInt8(ascii: "t"), UInt8(ascii: "f"): "a boolean"
            default: "a number"
            }
        // Broken JSON is reported as such.
        _ = try skipValue()
        return JSONError(message: "Expected a value of type \(plan.schema.type.rawValue), found \(found)", offset: at)
    }

    private mutating func integer<Integer: FixedWidthInteger>(_ plan: JSONPlan) throws(JSONError) -> Integer {
        guard let byte = peek(), byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) else {
            throw try mismatch(plan)
        }
        let start = position
        let number: Int64?
        switch try readNumber() {
        case .integer(let value): number = value
        // 1.0 and 1e3 are whole numbers too.
        case .other(let range): number = Double(text(range)).flatMap { Int64(exactly: $0) }
        }
        guard let number, let value = Integer(exactly: number) else {
            throw JSONError(
                message: "\(text(start..<position)) is no value of type \(plan.schema.type.rawValue)", offset: start)
        }
        return value
    }

    private mutating func floatText(_ plan: JSONPlan) throws(JSONError) -> String {
        guard let byte = peek() else { throw fault("Unexpected end of the document") }
        if byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) {
            let start = position
            _ = try readNumber()
            return text(start..<position)
        }
        guard byte == UInt8(ascii: "\"") else { throw try mismatch(plan) }
        let start = position
        switch try readString() {
        // As Jackson writes what JSON has no number for.
        case "NaN": return "nan"
        case "Infinity": return "inf"
        case "-Infinity": return "-inf"
        default:
            position = start
            throw try mismatch(plan)
        }
    }

    private mutating func base64(_ plan: JSONPlan) throws(JSONError) -> [UInt8] {
        guard peek() == UInt8(ascii: "\"") else { throw try mismatch(plan) }
        let start = position
        let (range, hasEscapes, _) = try readRawString()
        let data = hasEscapes ? Base64.decode(Array(try unescape(range).utf8)) : Base64.decode(bytes[range])
        guard let data else { throw JSONError(message: "A string that is no base64", offset: start) }
        return data
    }

    private mutating func decimal(_ plan: JSONPlan, scale: Int) throws(JSONError) -> ConnectValue {
        if peek() == UInt8(ascii: "\"") { return .bytes(try base64(plan)) }
        guard let byte = peek(), byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) else {
            throw try mismatch(plan)
        }
        let start = position
        _ = try readNumber()
        guard let unscaled = ConnectDecimal.unscaled(text: text(start..<position), scale: scale) else {
            throw JSONError(message: "A number that is no decimal of scale \(scale)", offset: start)
        }
        return .bytes(unscaled)
    }

    private mutating func list<Element>(
        _ read: (inout JSONReader) throws(JSONError) -> Element
    ) throws(JSONError) -> [Element] {
        var elements: [Element] = []
        try enter()
        try expect("[")
        if !skip("]") {
            repeat { elements.append(try read(&self)) } while skip(",")
            try expect("]")
        }
        leave()
        return elements
    }

    private mutating func map(
        _ plan: JSONPlan, _ keyPlan: JSONPlan, _ valuePlan: JSONPlan, isObject: Bool, _ options: JSONConverter.Options
    ) throws(JSONError) -> ConnectValue {
        guard peek() == UInt8(ascii: isObject ? "{" : "[") else { throw try mismatch(plan) }
        if !isObject {
            let entries = try list { (reader) throws(JSONError) -> MapEntries.Entry in
                try reader.expect("[")
                let key = try reader.readValue(plan: keyPlan, options: options)
                try reader.expect(",")
                let value = try reader.readValue(plan: valuePlan, options: options)
                try reader.expect("]")
                return MapEntries.Entry(key: key, value: value)
            }
            return .map(MapEntries(entries))
        }
        var entries: [MapEntries.Entry] = []
        try enter()
        try expect("{")
        if !skip("}") {
            repeat {
                let key = try readString()
                try expect(":")
                let value = try readValue(plan: valuePlan, options: options)
                entries.append(MapEntries.Entry(key: .string(key), value: value))
            } while skip(",")
            try expect("}")
        }
        leave()
        return .map(MapEntries(entries))
    }

    /// Fields mostly come in the order of the schema and without blanks, as converters write them, so that is tried first.
    private mutating func structure(
        _ plan: JSONPlan, _ fields: [JSONPlan.FieldPlan], _ options: JSONConverter.Options
    ) throws(JSONError) -> Struct {
        guard peek() == UInt8(ascii: "{") else { throw try mismatch(plan) }
        var values: [ConnectValue] = []
        values.reserveCapacity(fields.count)
        try enter()
        if let layout = plan.layout?.fields {
            while values.count < layout.count, skip(exactly: layout[values.count].opening) {
                if let value = plainValue(layout[values.count].shape) {
                    values.append(value)
                } else {
                    values.append(try value(of: values.count, plan, fields, options))
                }
            }
        }
        if values.count == fields.count, !values.isEmpty, skip("}") {
            leave()
            return Struct(plan.schema, complete: values)
        }
        return try structure(continuing: values, plan, fields, options)
    }

    /// Reads fields in any order. Unknown names are skipped, missing ones are null, as in Java.
    private mutating func structure(
        continuing values: [ConnectValue], _ plan: JSONPlan, _ fields: [JSONPlan.FieldPlan],
        _ options: JSONConverter.Options
    ) throws(JSONError) -> Struct {
        var result = Struct(schema: plan.schema)
        for (index, value) in values.enumerated() { result[index: index] = value }
        var expected = values.count
        var goesOn: Bool
        if values.isEmpty {
            position += 1
            goesOn = !skip("}")
        } else {
            goesOn = skip(",")
            if !goesOn { try expect("}") }
        }
        while goesOn {
            if let index = try fieldIndex(expected, plan, fields) {
                try expect(":")
                expected = index + 1
                result[index: index] = try value(of: index, plan, fields, options)
            } else {
                try expect(":")
                _ = try skipValue()
            }
            goesOn = skip(",")
            if !goesOn { try expect("}") }
        }
        leave()
        for index in fields.indices where result[index: index].isNull {
            do throws(JSONError) {
                result[index: index] = try null(fields[index].plan, options)
            } catch {
                throw JSONError(message: "\(plan.schema.fields[index].name): \(error.message)", offset: error.offset)
            }
        }
        return result
    }

    private mutating func value(
        of index: Int, _ plan: JSONPlan, _ fields: [JSONPlan.FieldPlan], _ options: JSONConverter.Options
    ) throws(JSONError) -> ConnectValue {
        do throws(JSONError) {
            return try readValue(plan: fields[index].plan, options: options)
        } catch {
            throw JSONError(message: "\(plan.schema.fields[index].name): \(error.message)", offset: error.offset)
        }
    }

    private mutating func fieldIndex(
        _ expected: Int, _ plan: JSONPlan, _ fields: [JSONPlan.FieldPlan]
    ) throws(JSONError) -> Int? {
        if peek() != UInt8(ascii: "\"") { throw fault("Expected a name in quotes") }
        let (range, hasEscapes, _) = try readRawString()
        if hasEscapes { return plan.schema.index(of: try unescape(range)) }
        if expected < fields.count, bytes[range].elementsEqual(fields[expected].name) { return expected }
        return plan.schema.index(of: text(range))
    }
}

extension ConnectValue {
    /// A value without schema, as Kafka's JsonConverter reads it: whole numbers are int64, others float64, objects are
    /// maps with string keys.
    init(schemaless json: JSONValue) {
        switch json {
        case .null: self = .null
        case .bool(let flag): self = .boolean(flag)
        case .integer(let number): self = .int64(number)
        case .number(let text): self = .float64(Double(text) ?? .nan)
        case .string(let text): self = .string(text)
        case .array(let elements): self = .array(elements.map { ConnectValue(schemaless: $0) })
        case .object(let members):
            self = .map(
                MapEntries(
                    members.elements.map {
                        MapEntries.Entry(key: .string($0.key), value: ConnectValue(schemaless: $0.value))
                    }))
        }
    }
}
