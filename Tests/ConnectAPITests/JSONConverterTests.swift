import ConnectAPI
import Foundation
import NIOCore
import OrderedCollections
import Testing

@Suite struct JSONConverterTests {
    /// The record of step B6 of the tutorial.
    static let users = """
        {"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"},\
        {"type":"string","optional":true,"field":"name"},{"type":"string","optional":true,"field":"pwd"},\
        {"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1,\
        "field":"created_at"}],"optional":false,"name":"users"},\
        "payload":{"id":1,"name":"test","pwd":"test1234","created_at":1627815857000}}
        """

    static let usersSchema = Schema.structure(
        name: "users",
        fields: [
            Field("id", .int32), Field("name", .optionalString), Field("pwd", .optionalString),
            Field("created_at", .timestamp(isOptional: true)),
        ])

    func plain() throws -> JSONConverter {
        let converter = JSONConverter()
        try converter.configure(["schemas.enable": "false"], isKey: false)
        return converter
    }

    @Test func writesTheTutorialsRecord() throws {
        let value = try Struct(
            schema: Self.usersSchema,
            values: [.int32(1), .string("test"), .string("test1234"), .int64(1_627_815_857_000)])
        #expect(try JSONConverter().text(Self.usersSchema, .structure(value)) == Self.users)
    }

    @Test func readsTheTutorialsRecord() throws {
        let converter = JSONConverter()
        // The second reading recognises the envelope.
        for _ in 0..<2 {
            let result = try converter.read(Self.users)
            #expect(result.schema == Self.usersSchema)
            #expect(
                result.value.structValue?.values
                    == [.int32(1), .string("test"), .string("test1234"), .int64(1_627_815_857_000)])
        }
    }

    @Test(.enabled(if: Golden.isPresent, "golden recordings are not here"))
    func writesBackEveryGoldenEnvelopeByteForByte() throws {
        let converter = JSONConverter()
        let envelopes = try Golden.envelopes()
        #expect(envelopes.count > 20)
        for envelope in envelopes {
            for _ in 0..<2 {
                let read = try converter.read(envelope)
                #expect(try converter.text(read.schema, read.value) == envelope)
            }
        }
    }

    @Test func readsWhatAPersonTypes() throws {
        let converter = JSONConverter()
        let typed = """
             { "payload" : { "pwd":"b", "id" : 2,"name":"\\u00e9\\ud83d\\ude00\\n", "unknown": [1,{"x":null}] } ,
            "schema":{"name":"users","optional":false,"fields":[{"field":"id","type":"int32","optional":false},
            {"field":"name","type":"string","optional":true},{"field":"pwd","type":"string","optional":true},
            {"field":"created_at","optional":true,"type":"int64","version":1,
             "name":"org.apache.kafka.connect.data.Timestamp"}],"type":"struct"}}
            """
        for _ in 0..<2 {
            let result = try converter.read(typed)
            #expect(result.schema == Self.usersSchema)
            #expect(result.value.structValue?.values == [.int32(2), .string("é😀\n"), .string("b"), .null])
        }
    }

    private func rowOfOne(_ type: String, _ value: String) -> String {
        #"{"schema":{"type":"struct","fields":[{"type":"\#(type)","optional":true,"field":"v"}],"optional":false},"#
            + #""payload":{"v":\#(value)}}"#
    }

    /// Strings are read eight bytes at a time: whatever is special, at any place, against Foundation's encoder.
    @Test func readsStringsOfEveryLengthWithAnythingInThem() throws {
        let converter = JSONConverter()
        let encoder = JSONEncoder()
        let specials = ["", "\"", "\\", "/", "é", "\u{1f600}", "\n", "\u{7f}", "}", ",", "\u{1f}", " ", "!", "]"]
        for length in 0..<20 {
            for place in 0...length {
                for special in specials {
                    let text =
                        String(repeating: "a", count: place) + special + String(repeating: "z", count: length - place)
                    let json = String(decoding: try encoder.encode(text), as: UTF8.self)
                    let read = try converter.read(rowOfOne("string", json))
                    #expect(read.value.structValue?.values == [.string(text)])
                }
                let open = "\"" + String(repeating: "a", count: place)
                let raw = open + "\u{1f}" + String(repeating: "z", count: 9) + "\""
                #expect(throws: ConnectError.self) { try converter.read(rowOfOne("string", raw)) }
                #expect(throws: ConnectError.self) { try converter.read(rowOfOne("string", open)) }
            }
        }
    }

    @Test(arguments: [
        ("int8", "-128", ConnectValue.int8(-128)), ("int8", "127", .int8(127)), ("int8", "128", nil),
        ("int16", "-32768", .int16(-32768)), ("int16", "32768", nil), ("int32", "2147483647", .int32(.max)),
        ("int32", "-2147483648", .int32(.min)), ("int32", "2147483648", nil), ("int64", "0", .int64(0)),
        ("int64", "-0", .int64(0)), ("int64", "999999999999999999", .int64(999_999_999_999_999_999)),
        ("int64", "1000000000000000000", .int64(1_000_000_000_000_000_000)),
        ("int64", "9223372036854775807", .int64(.max)), ("int64", "-9223372036854775808", .int64(.min)),
        ("int64", "9223372036854775808", nil), ("int64", "01", nil), ("int64", "-", nil), ("int64", "1.0", .int64(1)),
        ("int64", "1e3", .int64(1000)), ("int64", " 7 ", .int64(7)), ("int64", "7x", nil), ("int64", "null", .null),
        ("string", "7", nil), ("int64", "\"7\"", nil),
    ])
    func readsWholeNumbers(_ type: String, _ text: String, _ value: ConnectValue?) throws {
        let converter = JSONConverter()
        if let value {
            #expect(try converter.read(rowOfOne(type, text)).value.structValue?.values == [value])
        } else {
            #expect(throws: ConnectError.self) { try converter.read(rowOfOne(type, text)) }
        }
    }

    @Test func keepsSchemasOfEqualPrefixApart() throws {
        let converter = JSONConverter()
        for type in ["int32", "int64", "int32", "int64"] {
            let read = try converter.read(#"{"schema":{"type":"\#(type)","optional":false},"payload":7}"#)
            #expect(read.value == (type == "int32" ? .int32(7) : .int64(7)))
        }
    }

    @Test(arguments: [
        #"{"schema":{"type":"int32"},"payload":"7"}"#, #"{"schema":{"type":"int32"},"payload":7.5}"#,
        #"{"schema":{"type":"int8"},"payload":128}"#, #"{"schema":{"type":"int32"},"payload":true}"#,
        #"{"schema":{"type":"string"},"payload":7}"#, #"{"schema":{"type":"boolean"},"payload":"true"}"#,
        #"{"schema":{"type":"bytes"},"payload":"*"}"#, #"{"schema":{"type":"float"},"payload":"1"}"#,
        #"{"schema":{"type":"int32"},"payload":null}"#, #"{"schema":{"type":"int32"}}"#, #"{"payload":1}"#,
        #"{"schema":{"type":"int32"},"payload":1,"more":2}"#, #"{"schema":{"type":"what"},"payload":1}"#,
        #"{"schema":{},"payload":1}"#, #"{"schema":{"type":"struct"},"payload":{}}"#, "7", "", "not json", "[1",
        #"{"schema":{"type":"int32"},"payload":1}}"#, #"{"schema":{"type":"int32"},"payload":01}"#,
        #"{"schema":{"type":"array"},"payload":[]}"#,
        #"{"schema":{"type":"struct","fields":[{"type":"int32","field":"a"}]},"payload":{}}"#,
        #"{"schema":{"type":"struct","fields":[{"type":"int32","field":"a"}]},"payload":{"a":"1"}}"#,
    ])
    func badDataIsADataError(_ text: String) throws {
        let converter = JSONConverter()
        // A good record of the same schema first, so that the short way is tried as well.
        _ = try converter.read(#"{"schema":{"type":"int32"},"payload":1}"#)
        let error = #expect(throws: ConnectError.self) { try converter.read(text) }
        #expect(error?.code == .data)
    }

    @Test func namesTheFieldThatIsWrong() throws {
        let text = #"{"schema":{"type":"struct","fields":[{"type":"int32","field":"qty"}]},"payload":{"qty":"1"}}"#
        let error = #expect(throws: ConnectError.self) { try JSONConverter().read(text) }
        #expect(error?.message.contains("qty: Expected a value of type int32, found a string") == true)
    }

    @Test func refusesDeepNesting() throws {
        let deep = String(repeating: "[", count: 100_000)
        #expect(throws: ConnectError.self) { try plain().read(deep) }
        #expect(throws: ConnectError.self) { try JSONConverter().read(#"{"schema":"# + deep) }
    }

    @Test func writesEveryType() throws {
        let converter = JSONConverter()
        func payload(_ schema: Schema, _ value: ConnectValue) throws -> String {
            let text = try #require(try converter.text(schema, value))
            #expect(try converter.read(text) == SchemaAndValue(schema: schema, value: value))
            return text
        }
        #expect(try payload(.int8, .int8(-128)) == #"{"schema":{"type":"int8","optional":false},"payload":-128}"#)
        #expect(try payload(.float32, .float32(1.5)) == #"{"schema":{"type":"float","optional":false},"payload":1.5}"#)
        #expect(
            try payload(.float64, .float64(1e10)) == #"{"schema":{"type":"double","optional":false},"payload":1.0E10}"#)
        #expect(
            try payload(.float64, .float64(-.infinity))
                == #"{"schema":{"type":"double","optional":false},"payload":"-Infinity"}"#)
        #expect(
            try payload(.bytes, .bytes([0, 255, 16]))
                == #"{"schema":{"type":"bytes","optional":false},"payload":"AP8Q"}"#)
        #expect(
            try payload(.array(of: .optionalBoolean), .array([.boolean(true), .null]))
                == #"{"schema":{"type":"array","items":{"type":"boolean","optional":true},"optional":false},"#
                + #""payload":[true,null]}"#)
        #expect(
            try payload(
                .map(from: .string, to: .int32), .map(MapEntries([.init(key: .string("a\"\u{1}"), value: .int32(1))])))
                == #"{"schema":{"type":"map","keys":{"type":"string","optional":false},"#
                + #""values":{"type":"int32","optional":false},"optional":false},"payload":{"a\"\u0001":1}}"#)
        #expect(
            try payload(.map(from: .int32, to: .int32), .map(MapEntries([.init(key: .int32(5), value: .int32(1))])))
                .hasSuffix(#""payload":[[5,1]]}"#))
        let withDoc = Schema(
            type: .int32, isOptional: true, name: "n", version: 3, doc: "d", defaultValue: .int32(4),
            parameters: ["p": "q"])
        #expect(
            try payload(withDoc, .int32(1))
                == #"{"schema":{"type":"int32","optional":true,"name":"n","version":3,"doc":"d","#
                + #""parameters":{"p":"q"},"default":4},"payload":1}"#)
    }

    @Test func decimals() throws {
        let schema = Schema.decimal(scale: 2, precision: 10)
        let value = ConnectValue.bytes([0x49, 0x96, 0x02, 0xd2])
        let base64 = try #require(try JSONConverter().text(schema, value))
        #expect(
            base64
                == #"{"schema":{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","#
                + #""version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"}},"payload":"SZYC0g=="}"#)
        let numeric = JSONConverter()
        try numeric.configure(["decimal.format": "numeric"], isKey: false)
        let number = try #require(try numeric.text(schema, value))
        #expect(number.hasSuffix(#""payload":12345678.90}"#))
        // Either converter reads both.
        for converter in [numeric, JSONConverter()] {
            #expect(try converter.read(base64).value == value)
            #expect(try converter.read(number).value == value)
        }
        let tooFine = number.replacing("12345678.90", with: "1.234")
        #expect(throws: ConnectError.self) { try numeric.read(tooFine) }
        #expect(throws: ConnectError.self) { try numeric.read(number.replacing("12345678.90", with: "1e999999999")) }
    }

    @Test func nullsAndDefaults() throws {
        let schema = Schema.structure(fields: [
            Field("a", Schema(type: .int32, isOptional: true, defaultValue: .int32(9))), Field("b", .optionalInt32),
        ])
        let value = ConnectValue.structure(Struct(schema: schema))
        #expect(try JSONConverter().text(schema, value)?.hasSuffix(#""payload":{"a":9,"b":null}}"#) == true)
        let keeping = JSONConverter()
        try keeping.configure(["replace.null.with.default": "false"], isKey: false)
        let text = try #require(try keeping.text(schema, value))
        #expect(text.hasSuffix(#""payload":{"a":null,"b":null}}"#))
        #expect(try keeping.read(text).value == value)
        #expect(try JSONConverter().read(text).value.structValue?["a"] == .int32(9))

        #expect(try JSONConverter().text(nil, .null) == nil)
        #expect(try JSONConverter().toConnect(topic: "t", bytes: nil) == .null)
        #expect(try JSONConverter().text(.optionalInt32, .null)?.hasSuffix(#""payload":null}"#) == true)
        #expect(throws: ConnectError.self) { try JSONConverter().text(.int32, .null) }
        #expect(throws: ConnectError.self) { try JSONConverter().text(.int32, .string("1")) }
    }

    @Test func withoutSchemas() throws {
        let converter = try plain()
        let text = #"{"a":1,"b":[1.5,true,null,"x"],"c":{}}"#
        let read = try converter.read(text)
        #expect(read.schema == nil)
        #expect(
            read.value
                == .map(
                    MapEntries([
                        "a": .int64(1), "b": .array([.float64(1.5), .boolean(true), .null, .string("x")]),
                        "c": .map(MapEntries()),
                    ])))
        #expect(try converter.text(nil, read.value) == text)
        // The schema is left out, the value still follows it.
        let value = try Struct(schema: Self.usersSchema, values: [.int32(1), .null, .null, .null])
        #expect(
            try converter.text(Self.usersSchema, .structure(value))
                == #"{"id":1,"name":null,"pwd":null,"created_at":null}"#)
        #expect(try JSONConverter().text(nil, .int64(1)) == #"{"schema":null,"payload":1}"#)
        #expect(try JSONConverter().read(#"{"schema":null,"payload":{"a":1}}"#).schema == nil)
    }

    @Test func aSchemaFromTheConfiguration() throws {
        let converter = JSONConverter()
        try converter.configure(["schema.content": #"{"type":"int32"}"#], isKey: false)
        #expect(try converter.read("7") == SchemaAndValue(schema: .int32, value: .int32(7)))
        #expect(throws: ConnectError.self) { try converter.configure(["schema.content": "{"], isKey: false) }
    }
}
