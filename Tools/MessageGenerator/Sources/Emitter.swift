/// Writes the Swift source of one message.
struct Emitter {
    private var lines: [String] = []
    private var indent = 0
    private let message: MessageDefinition

    private static let keywords: Set<String> = [
        "protocol", "default", "in", "is", "operator", "where", "internal", "public", "case", "self", "as", "repeat",
    ]

    static func source(for message: MessageDefinition, apiName: String?) -> String {
        var emitter = Emitter(message: message)
        emitter.emitMessage(apiName: apiName)
        return emitter.lines.joined(separator: "\n")
    }

    private init(message: MessageDefinition) {
        self.message = message
    }

    // MARK: - Structure

    private mutating func emitMessage(apiName: String?) {
        let high = message.versions.high
        switch message.kind {
        case .request:
            open(
                "/// \(message.name), versions \(message.versions.low)–\(high).\npublic struct \(message.name): KafkaRequest {"
            )
            line("/// The message that answers this request.\npublic typealias Response = \(apiName ?? "")Response")
            line(
                "/// The key that names this API on the wire.\npublic static var apiKey: APIKey { .\(lowerFirst(apiName ?? "")) }"
            )
        case .response:
            let isThrottled = message.fields.contains { property($0) == "throttleTimeMs" }
            let kind = isThrottled ? "ThrottledResponse" : "KafkaMessage"
            open(
                "/// \(message.name), versions \(message.versions.low)–\(high).\npublic struct \(message.name): \(kind) {"
            )
        case .data:
            open(
                "/// \(message.name), versions \(message.versions.low)–\(high).\npublic struct \(message.name): KafkaVersionedData {"
            )
        }
        line("/// The versions this code can read and write.")
        line("public static var validVersions: ClosedRange<Int16> { \(message.versions.low)...\(high) }")
        line("/// The first version with compact types and tagged fields.")
        let flexible = message.flexible.isEmpty ? "Int16.max" : "\(message.flexible.low)"
        line("public static var firstFlexibleVersion: Int16 { \(flexible) }")
        emitBody(fields: message.fields, typeName: message.name)
        for common in message.commonStructs { emitStruct(name: common.name, fields: common.fields) }
        close()
    }

    private mutating func emitStruct(name: String, fields: [FieldDefinition]) {
        line("")
        open("/// `\(name)` of `\(message.name)`.\npublic struct \(name): KafkaMessage {")
        emitBody(fields: fields, typeName: name)
        close()
    }

    private mutating func emitBody(fields: [FieldDefinition], typeName: String) {
        line("")
        for field in fields {
            line("/// Versions \(describe(field.versions)).")
            line("public var \(property(field)): \(swiftType(field)) = \(swiftDefault(field))")
        }
        line("")
        line("/// A message with the protocol's default values.\npublic init() {}")
        line("")
        emitDecode(fields, typeName)
        line("")
        emitEncode(fields, typeName)
        if needsIsDefault(typeName) { emitIsDefault(fields) }
        for field in fields where !field.fields.isEmpty { emitStruct(name: field.type, fields: field.fields) }
    }

    // MARK: - Decoding

    private mutating func emitDecode(_ fields: [FieldDefinition], _ typeName: String) {
        line("/// Reads the message as `version` lays it out.")
        open(
            "public static func decode(from reader: inout WireReader, version: Int16) throws(WireError) -> \(typeName) {"
        )
        let hasTags = !message.flexible.isEmpty
        let untagged = fields.filter {
            $0.tag == nil || !$0.taggedVersions.contains($0.versions.clamped(to: message.versions))
        }
        if hasTags { line("let flexible = version >= \(message.flexible.low)") }
        line("\(fields.isEmpty ? "let" : "var") value = \(typeName)()")
        for field in untagged {
            guarded(field.versions, excluding: field.tag == nil ? .none : field.taggedVersions) {
                $0.emitRead(field)
            }
        }
        if hasTags {
            open("if flexible {")
            let tagged = fields.filter { $0.tag != nil }
            open("for _ in 0..<(try reader.readTagCount()) {")
            line("let field = try reader.readTagHeader()")
            open("switch field.tag {")
            for field in tagged {
                open("case \(field.tag ?? 0)\(condition(field.taggedVersions).map { " where \($0)" } ?? ""):")
                emitRead(field, forcedFlexible: true)
                close("")
            }
            line("default: try reader.skip(field.size)")
            close()
            line("try reader.finishTag(field)")
            close()
            close()
        }
        line("return value")
        close()
    }

    private mutating func emitRead(_ field: FieldDefinition, forcedFlexible: Bool = false) {
        let flexible = forcedFlexible ? "true" : flexibleWord
        let target = "value.\(property(field))"
        if field.isArray {
            let size = minimumSize(field.type)
            let nullable = nullableCondition(field)
            if let nullable {
                open("if let count = try reader.readNullableArrayCount(flexible: \(flexible), elementSize: \(size)) {")
                line("var elements: [\(elementType(field))] = []")
                emitElements(field, flexible)
                line("\(target) = elements")
                close("} else {")
                indent += 1
                if nullable != "true" {
                    line("guard \(nullable) else { throw WireError.unexpectedNull(\"\(field.name)\") }")
                }
                line("\(target) = nil")
                close()
            } else {
                open("do {")
                line("let count = try reader.readArrayCount(flexible: \(flexible), elementSize: \(size))")
                line("var elements: [\(elementType(field))] = []")
                emitElements(field, flexible)
                line("\(target) = elements")
                close()
            }
            return
        }
        if !isPrimitive(field.type), let nullable = nullableCondition(field) {
            let read = "try \(field.type).decode(from: &reader, version: version)"
            if nullable == "true" {
                line("\(target) = try reader.readInt8() < 0 ? nil : \(read)")
            } else {
                line("\(target) = \(nullable) && (try reader.readInt8()) < 0 ? nil : \(read)")
            }
            return
        }
        if field.type == "records" {
            line("\(target) = try reader.readNullableBytes(flexible: \(flexible))")
        } else if let nullable = nullableCondition(field), ["string", "bytes"].contains(field.type) {
            let name = field.type == "string" ? "String" : "Bytes"
            line("\(target) = try reader.readNullable\(name)(flexible: \(flexible))")
            if nullable != "true" {
                line("if \(target) == nil, !(\(nullable)) { throw WireError.unexpectedNull(\"\(field.name)\") }")
            }
        } else {
            line("\(target) = \(readExpression(field, flexible))")
        }
    }

    private mutating func emitElements(_ field: FieldDefinition, _ flexible: String) {
        line("elements.reserveCapacity(count)")
        line("for _ in 0..<count { elements.append(\(readExpression(field, flexible))) }")
    }

    private func readExpression(_ field: FieldDefinition, _ flexible: String) -> String {
        switch field.type {
        case "string": return "try reader.readString(flexible: \(flexible))"
        case "bytes": return "try reader.readBytes(flexible: \(flexible))"
        case "int16" where isErrorCode(field): return "ErrorCode(rawValue: try reader.readInt16())"
        case let type where isPrimitive(type): return "try reader.read\(upperFirst(type))()"
        default: return "try \(field.type).decode(from: &reader, version: version)"
        }
    }

    // MARK: - Encoding

    private mutating func emitEncode(_ fields: [FieldDefinition], _ typeName: String) {
        line("/// Writes the message as `version` lays it out.")
        open("public func encode(into writer: inout WireWriter, version: Int16) throws(WireError) {")
        let hasTags = !message.flexible.isEmpty
        if hasTags { line("let flexible = version >= \(message.flexible.low)") }
        for field in fields {
            let onlyTagged =
                field.tag != nil && field.taggedVersions.contains(field.versions.clamped(to: message.versions))
            if !onlyTagged {
                guarded(field.versions, excluding: field.tag == nil ? .none : field.taggedVersions) {
                    $0.emitWrite(field)
                }
            }
            if !field.isIgnorable, let absent = negatedCondition(field.versions), let check = nonDefault(field) {
                open("if \(absent), \(check) {")
                line("throw WireError.unsupportedField(\"\(typeName).\(field.name)\", version: version)")
                close()
            }
        }
        if hasTags { emitWriteTags(fields.filter { $0.tag != nil }) }
        close()
    }

    private mutating func emitWriteTags(_ tagged: [FieldDefinition]) {
        open("if flexible {")
        if tagged.isEmpty {
            line("writer.writeUnsignedVarint(0)")
        } else {
            line("var tags = TaggedFieldWriter()")
            for field in tagged.sorted(by: { ($0.tag ?? 0) < ($1.tag ?? 0) }) {
                let check = nonDefault(field) ?? "true"
                let versioned = condition(field.taggedVersions).map { "\($0), " } ?? ""
                open("if \(versioned)\(check) {")
                line("var field = WireWriter()")
                emitWrite(field, writer: "field", forcedFlexible: true)
                line("tags.add(\(field.tag ?? 0), field)")
                close()
            }
            line("tags.finish(into: &writer)")
        }
        close()
    }

    private mutating func emitWrite(
        _ field: FieldDefinition, writer: String = "writer", forcedFlexible: Bool = false
    ) {
        let flexible = forcedFlexible ? "true" : flexibleWord
        let source = property(field)
        let nullable = nullableCondition(field)
        let isOptional = swiftType(field).hasSuffix("?")
        var name = source
        if isOptional {
            name = source == "value" ? "present" : source
            open(source == "value" ? "if let present = value {" : "if let \(source) {")
        }
        if field.isArray {
            line("\(writer).writeArrayCount(\(name).count, flexible: \(flexible))")
            line("for element in \(name) { \(writeExpression(field, "element", flexible, writer)) }")
        } else {
            if isOptional, !isPrimitive(field.type) {
                if let nullable, nullable != "true" {
                    line("if \(nullable) { \(writer).writeInt8(1) }")
                } else {
                    line("\(writer).writeInt8(1)")
                }
            }
            line(writeExpression(field, name, flexible, writer))
        }
        if isOptional {
            close("} else {")
            indent += 1
            if let nullable, nullable != "true" {
                line("guard \(nullable) else { throw WireError.unexpectedNull(\"\(field.name)\") }")
            }
            if field.isArray {
                line("\(writer).writeNullArray(flexible: \(flexible))")
            } else if field.type == "string" {
                line("\(writer).writeNullString(flexible: \(flexible))")
            } else if field.type == "bytes" || field.type == "records" {
                line("\(writer).writeNullBytes(flexible: \(flexible))")
            } else {
                line("\(writer).writeInt8(-1)")
            }
            close()
        }
    }

    private func writeExpression(_ field: FieldDefinition, _ name: String, _ flexible: String, _ writer: String)
        -> String
    {
        switch field.type {
        case "string": return "\(writer).writeString(\(name), flexible: \(flexible))"
        case "bytes", "records": return "\(writer).writeBytes(\(name), flexible: \(flexible))"
        case "int16" where isErrorCode(field): return "\(writer).writeInt16(\(name).rawValue)"
        case let type where isPrimitive(type): return "\(writer).write\(upperFirst(type))(\(name))"
        default: return "try \(name).encode(into: &\(writer), version: version)"
        }
    }

    private mutating func emitIsDefault(_ fields: [FieldDefinition]) {
        line("")
        line("/// Whether every field has its default value; such a tagged field is left out.")
        let checks = fields.compactMap { nonDefault($0) }.map { "!(\($0))" }
        line("var isDefault: Bool { \(checks.isEmpty ? "true" : checks.joined(separator: " && ")) }")
    }

    // MARK: - Types and conditions

    private var flexibleWord: String { message.flexible.isEmpty ? "false" : "flexible" }

    private func isErrorCode(_ field: FieldDefinition) -> Bool {
        field.type == "int16" && upperFirst(field.name) == "ErrorCode"
    }

    private func isPrimitive(_ type: String) -> Bool {
        [
            "bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64", "string", "bytes", "records",
            "uuid",
        ].contains(type)
    }

    private func elementType(_ field: FieldDefinition) -> String {
        switch field.type {
        case "bool": "Bool"
        case "int8": "Int8"
        case "int16": isErrorCode(field) ? "ErrorCode" : "Int16"
        case "uint16": "UInt16"
        case "int32": "Int32"
        case "uint32": "UInt32"
        case "int64": "Int64"
        case "float64": "Double"
        case "string": "String"
        case "bytes", "records": "ByteBuffer"
        case "uuid": "KafkaUUID"
        default: field.type
        }
    }

    private func swiftType(_ field: FieldDefinition) -> String {
        let base = field.isArray ? "[\(elementType(field))]" : elementType(field)
        return !field.nullable.isEmpty || field.type == "records" ? base + "?" : base
    }

    private func swiftDefault(_ field: FieldDefinition) -> String {
        if field.defaultValue == "null" { return "nil" }
        if field.isArray { return "[]" }
        if field.type == "records" { return "nil" }
        if !isPrimitive(field.type) { return field.nullable.isEmpty ? "\(field.type)()" : "nil" }
        switch field.type {
        case "string": return field.defaultValue.map { $0 == "\"\"" ? $0 : "\"\($0)\"" } ?? "\"\""
        case "bytes": return "ByteBuffer()"
        case "uuid": return ".zero"
        case "bool": return field.defaultValue ?? "false"
        case "int16" where isErrorCode(field): return ".none"
        case "int32" where field.defaultValue == "0x7fffffff": return "Int32.max"
        default: return field.defaultValue ?? "0"
        }
    }

    /// The Swift condition that holds when the field differs from its default; nil when it can't be told.
    private func nonDefault(_ field: FieldDefinition) -> String? {
        let name = property(field)
        if field.isArray {
            if field.nullable.isEmpty { return "!\(name).isEmpty" }
            return field.defaultValue == "null" ? "\(name) != nil" : "\(name)?.isEmpty != true"
        }
        if field.type == "records" { return "\(name) != nil" }
        if !isPrimitive(field.type) { return field.nullable.isEmpty ? "!\(name).isDefault" : "\(name) != nil" }
        if field.type == "bytes" { return field.nullable.isEmpty ? "\(name).readableBytes > 0" : "\(name) != nil" }
        return "\(name) != \(swiftDefault(field))"
    }

    private func needsIsDefault(_ typeName: String) -> Bool {
        func search(_ fields: [FieldDefinition]) -> Bool {
            fields.contains { field in
                let optionalInSomeVersion = field.tag != nil || !field.versions.contains(message.versions)
                return (!field.isArray && field.type == typeName && field.nullable.isEmpty && optionalInSomeVersion)
                    || search(field.fields)
            }
        }
        return search(message.fields) || message.commonStructs.contains { search($0.fields) }
    }

    /// Condition on `version` for `range` among the message's versions; nil when it always holds.
    private func condition(_ range: VersionRange) -> String? {
        let clamped = range.clamped(to: message.versions)
        if clamped.isEmpty { return "false" }
        if clamped == message.versions { return nil }
        if clamped.low == message.versions.low { return "version <= \(clamped.high)" }
        if clamped.high == message.versions.high { return "version >= \(clamped.low)" }
        if clamped.low == clamped.high { return "version == \(clamped.low)" }
        return "version >= \(clamped.low) && version <= \(clamped.high)"
    }

    private func negatedCondition(_ range: VersionRange) -> String? {
        let clamped = range.clamped(to: message.versions)
        if clamped == message.versions || clamped.isEmpty { return nil }
        if clamped.low == message.versions.low { return "version > \(clamped.high)" }
        if clamped.high == message.versions.high { return "version < \(clamped.low)" }
        return "version < \(clamped.low) || version > \(clamped.high)"
    }

    /// "true" when null is allowed wherever the field exists, a condition, or nil when the field is never null.
    private func nullableCondition(_ field: FieldDefinition) -> String? {
        if field.nullable.isEmpty { return nil }
        let present = field.versions.clamped(to: message.versions)
        if field.nullable.contains(present) { return "true" }
        return condition(field.nullable)
    }

    private func minimumSize(_ type: String) -> Int {
        switch type {
        case "bool", "int8", "string", "bytes", "records": 1
        case "int16", "uint16": 2
        case "int32", "uint32": 4
        case "int64", "float64": 8
        case "uuid": 16
        default: 1
        }
    }

    private func describe(_ range: VersionRange) -> String {
        range.high == Int.max ? "\(range.low)+" : "\(range.low)–\(range.high)"
    }

    private func property(_ field: FieldDefinition) -> String {
        let name = lowerFirst(field.name)
        return Self.keywords.contains(name) ? "`\(name)`" : name
    }

    // MARK: - Output

    private mutating func guarded(
        _ range: VersionRange, excluding: VersionRange, _ body: (inout Emitter) -> Void
    ) {
        var conditions: [String] = []
        if let inside = condition(range) { conditions.append(inside) }
        if !excluding.isEmpty, let outside = negatedCondition(excluding) { conditions.append("(\(outside))") }
        if conditions.contains("false") { return }
        if conditions.isEmpty { return body(&self) }
        open("if \(conditions.joined(separator: " && ")) {")
        body(&self)
        close()
    }

    private mutating func line(_ text: String) {
        let pad = String(repeating: "    ", count: indent)
        for part in text.split(separator: "\n", omittingEmptySubsequences: false) {
            lines.append(part.isEmpty ? "" : pad + part)
        }
    }

    private mutating func open(_ text: String) {
        line(text)
        indent += 1
    }

    private mutating func close(_ text: String = "}") {
        indent -= 1
        if !text.isEmpty { line(text) }
    }
}

func lowerFirst(_ text: String) -> String { text.prefix(1).lowercased() + text.dropFirst() }
func upperFirst(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }
