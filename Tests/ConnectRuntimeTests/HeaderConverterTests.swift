import ConnectAPI
import Foundation
import NIOCore
import Testing

@testable import ConnectRuntime

/// Header converters, against what Apache Kafka's own make of the same values.
@Suite struct HeaderConverterTests {
    private static let simple = SimpleHeaderConverter()

    @Test func textsAreReadAsJavaReadsThem() throws {
        let lines = HeaderValueFixture.lines.split(separator: "\n")
        #expect(lines.count > 100)
        for line in lines {
            let parts = line.components(separatedBy: " => ")
            try #require(parts.count == 3, "\(line)")
            let text = try JSONSerialization.jsonObject(with: Data(parts[0].utf8), options: .fragmentsAllowed)
            let read = Values.parse(try #require(text as? String))
            #expect(Self.show(read.schema) == parts[1], "\(line)")
            #expect(Self.show(read.value, read.schema) == parts[2], "\(line)")
        }
    }

    /// Java: a value that the text begins with, times that there are not, numbers of a million digits, quotes that keep
    /// their backslash.
    @Test(arguments: [
        "1,2,3", "8:30", "1:abc", "14:34:54.346Z,foo", "[1] foo", #"{"a":1} foo"#, " { ,,  , , }  ", "12-34-5678",
        "2019-13-45", "25:00:00.000Z", "1e2147483647", "407127e212797209",
        String(repeating: "9", count: 5000), String(repeating: "[", count: 100_000),
        String(repeating: "[", count: 40) + String(repeating: "]", count: 40),
    ])
    func theseStayText(_ text: String) {
        #expect(Values.parse(text) == SchemaAndValue(schema: .string, value: .string(text)))
    }

    @Test func quotedTextsComeBackAsTheyWere() {
        for text in [#"a"b"#, #"a\b"#, "  ", #"\"#, ":,{}[]", "ä\u{1F600}"] {
            let value = ConnectValue.array([.string(text)])
            let schema = Schema.array(of: .string)
            #expect(Values.parse(Values.text(value, schema)) == SchemaAndValue(schema: schema, value: value))
        }
        // Schemas that are not the same have nothing in common.
        #expect(Values.parse(#"[[1],["a"]]"#).schema == Schema(type: .array))
        #expect(Values.parse("[2019-08-23, 5]").schema == Schema(type: .array))
    }

    /// The texts are those of `SimpleHeaderConverter.fromConnectHeader` in Kafka 4.3.
    @Test func valuesAreWrittenAsJavaWritesThem() throws {
        let record = Schema.structure(fields: [
            Field("id", .int32), Field("name", .optionalString),
            Field("d", Schema(type: .int32, isOptional: true, defaultValue: .int32(9))), Field("t", .timestamp()),
        ])
        let structure = try Struct(
            schema: record, values: [.int32(1), .null, .null, .int64(1_566_570_894_346)])
        let map = MapEntries([.init(key: .string("k"), value: .int32(1)), .init(key: .string("l"), value: .null)])
        let cases: [(Schema?, ConnectValue, String)] = [
            (.int8, .int8(5), "5"), (.int64, .int64(.min), "-9223372036854775808"), (.float32, .float32(1), "1.0"),
            (.float32, .float32(1e10), "1.0E10"), (.float64, .float64(0.1), "0.1"), (.float64, .float64(.nan), "NaN"),
            (.boolean, .boolean(true), "true"), (.string, .string(#"a"b\c"#), #"a"b\c"#), (.string, .string(""), ""),
            (.bytes, .bytes([1, 2, 255]), "AQL/"),
            (.array(of: .string), .array([.string("a"), .string(#"b"c\"#)]), #"["a","b\"c\\"]"#),
            (.array(of: .int32), .array([.int32(1), .null, .int32(3)]), "[1,null,3]"),
            (.array(of: .int32), .array([]), "[]"), (.array(of: .bytes), .array([.bytes([1, 2])]), #"["AQI="]"#),
            (.map(from: .string, to: .optionalInt32), .map(map), #"{"k":1,"l":null}"#),
            (record, .structure(structure), #"{"id":1,"name":null,"d":9,"t":2019-08-23T14:34:54.346Z}"#),
            (.decimal(scale: 2), .bytes([4, 226]), "12.50"), (.decimal(scale: 9), .bytes([1]), "1E-9"),
            (.date(), .int32(18131), "2019-08-23"), (.time(), .int32(52_494_346), "14:34:54.346Z"),
            (.timestamp(), .int64(1_566_570_894_346), "2019-08-23T14:34:54.346Z"),
            // Java writes 2019-08-23 and 23:59:59.999Z: neither is a timestamp any more.
            (.timestamp(), .int64(1_566_518_400_000), "2019-08-23T00:00:00.000Z"),
            (.timestamp(), .int64(-1), "1969-12-31T23:59:59.999Z"),
        ]
        for (schema, value, text) in cases {
            let bytes = try Self.simple.fromConnectHeader(topic: "t", name: "h", schema: schema, value: value)
            #expect(bytes.map { String(buffer: $0) } == text)
        }
        let null = try Self.simple.fromConnectHeader(topic: "t", name: "h", schema: .optionalString, value: .null)
        #expect(null == nil)
        #expect(try Self.simple.toConnectHeader(topic: "t", name: "h", bytes: nil) == .null)
        let bytes = try Self.simple.toConnectHeader(topic: "t", name: "h", bytes: ByteBuffer(bytes: [0xff, 0xfe]))
        #expect(bytes == SchemaAndValue(schema: .bytes, value: .bytes([0xff, 0xfe])))
    }

    private func converter(_ name: String, _ options: [String: String] = [:]) throws -> any HeaderConverter {
        let type = try #require(PluginRegistry().headerConverter(name))
        let converter = type.init()
        try converter.configure(headers: options)
        return converter
    }

    private func written(_ name: String, _ options: [String: String], _ schema: Schema?, _ value: ConnectValue) throws
        -> [UInt8]?
    {
        try converter(name, options).fromConnectHeader(topic: "t", name: "h", schema: schema, value: value)
            .map { Array($0.readableBytesView) }
    }

    /// As Kafka 4.3's converters of keys and values write headers.
    @Test func convertersOfValuesServeHeaders() throws {
        let json = "org.apache.kafka.connect.json.JsonConverter"
        #expect(
            try written(json, [:], .string, .string("x"))
                == Array(#"{"schema":{"type":"string","optional":false},"payload":"x"}"#.utf8))
        #expect(try written("JsonConverter", ["schemas.enable": "false"], .string, .string("x")) == Array(#""x""#.utf8))
        #expect(try written(json, [:], nil, .null) == nil)
        #expect(
            try written("org.apache.kafka.connect.storage.StringConverter", [:], .int32, .int32(7)) == Array("7".utf8))
        #expect(
            try written("org.apache.kafka.connect.converters.ByteArrayConverter", [:], .bytes, .bytes([0, 255]))
                == [0, 255])
        #expect(
            try written("org.apache.kafka.connect.converters.IntegerConverter", [:], .int32, .int32(258))
                == [0, 0, 1, 2])
        for (name, value) in [("ByteArrayConverter", ConnectValue.string("x")), ("IntegerConverter", .string("x"))] {
            #expect(throws: ConnectError.self) { try written(name, [:], .string, value) }
        }
        #expect(throws: ConnectError.self) {
            try converter(json).toConnectHeader(topic: "t", name: "h", bytes: ByteBuffer(string: "{broken"))
        }
        #expect(PluginRegistry().headerConverter("Simple") != nil && PluginRegistry().headerConverter("none") == nil)
    }

    @Test func theWorkersPropertyIsRead() throws {
        var properties = [
            "bootstrap.servers": "a:1", "key.converter": "c", "value.converter": "c",
            "offset.storage.file.filename": "f",
        ]
        let plain = try WorkerConfiguration(properties: properties, mode: .standalone)
        #expect(plain.headerConverter == SimpleHeaderConverter.className)
        properties["header.converter"] = "JsonConverter"
        properties["header.converter.schemas.enable"] = "false"
        let given = try WorkerConfiguration(properties: properties, mode: .standalone)
        #expect(given.headerConverter == "JsonConverter" && given.unknownProperties.isEmpty)
    }

    // MARK: In the words of HeaderValues.java

    private static func show(_ schema: Schema?) -> String {
        guard let schema else { return "null" }
        switch (schema.type, schema.logicalType) {
        case (.array, _): return "array<\(show(schema.valueSchema))>"
        case (.map, _): return "map<\(show(schema.keySchema)),\(show(schema.valueSchema))>"
        case (_, .decimal(let scale)?): return "bytes:Decimal(\(scale))"
        case (.float32, _): return "float32"
        case (.float64, _): return "float64"
        default: return schema.type.rawValue + (schema.name.map { ":\($0.split(separator: ".").last ?? "")" } ?? "")
        }
    }

    private static func show(_ value: ConnectValue, _ schema: Schema?) -> String {
        switch (value, schema?.logicalType) {
        case (.null, _): return "null"
        case (.int32(let days), .date?): return "date(\(Int64(days) * 86_400_000))"
        case (.int32(let millis), .time?): return "date(\(millis))"
        case (.int64(let millis), .timestamp?): return "date(\(millis))"
        case (.bytes, .decimal?): return "BigDecimal(\(Values.text(value, schema)))"
        case (.boolean, _): return "Boolean(\(Values.text(value, schema)))"
        case (.int8(let number), _): return "Byte(\(number))"
        case (.int16(let number), _): return "Short(\(number))"
        case (.int32(let number), _): return "Integer(\(number))"
        case (.int64(let number), _): return "Long(\(number))"
        case (.float32(let number), _): return "Float(\(JavaNumber.text(of: number)))"
        case (.float64(let number), _): return "Double(\(JavaNumber.text(of: number)))"
        case (.string(let text), _): return quoted(text)
        case (.array(let elements), _):
            return "[" + elements.map { show($0, schema?.valueSchema) }.joined(separator: ", ") + "]"
        case (.map(let map), _):
            let entries = map.entries.map {
                "\(show($0.key, schema?.keySchema))=\(show($0.value, schema?.valueSchema))"
            }
            return "{" + entries.joined(separator: ", ") + "}"
        default: return "\(value)"
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = ""
        for unit in text.utf16 {
            switch unit {
            case 0x22, 0x5c: result += "\\" + String(decoding: [unit], as: UTF16.self)
            case 32...126: result += String(decoding: [unit], as: UTF16.self)
            default: result += String(format: "\\u%04x", Int(unit))
            }
        }
        return "\"\(result)\""
    }
}
