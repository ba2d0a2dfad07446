import ConnectAPI
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Transformations that change values and topics, and the predicates.
@Suite struct ValueTransformationTests {
    /// From Kafka's `CastTest` and Java's narrowing rules.
    @Test(arguments: [
        ("int8", ConnectValue.int64(300), ConnectValue.int8(44)), ("int16", .int64(70000), .int16(4464)),
        ("int32", .float64(3e10), .int32(.max)), ("int64", .float64(-1.9), .int64(-1)),
        ("int8", .float64(1e10), .int8(-1)),
        ("float32", .int32(42), .float32(42)), ("float64", .boolean(true), .float64(1)),
        ("boolean", .int64(0), .boolean(false)),
        ("boolean", .string("TRUE"), .boolean(true)), ("boolean", .string("1"), .boolean(false)),
        ("string", .int32(42), .string("42")), ("string", .float64(42), .string("42.0")),
        ("string", .boolean(true), .string("true")),
        ("string", .bytes([1, 2, 3]), .string("AQID")), ("int32", .string("-5"), .int32(-5)),
        ("int32", .float64(.nan), .int32(0)),
    ])
    func wholeValuesAreCast(_ type: String, _ value: ConnectValue, _ expected: ConnectValue) throws {
        #expect(try applied("Cast$Value", ["spec": type], to: record(nil, value))?.value.value == expected)
        let schema = Schema(type: try #require(value.type), isOptional: true)
        let cast = try #require(try applied("Cast$Value", ["spec": type], to: record(schema, value)))
        #expect(cast.value.value == expected)
        #expect(cast.value.schema?.type == expected.type && cast.value.schema?.isOptional == true)
    }

    @Test func fieldsAreCast() throws {
        let decimal = Schema(type: .bytes, name: LogicalType.decimalName, version: 1, parameters: ["scale": "2"])
        let timestamp = Schema(type: .int64, name: LogicalType.timestampName, version: 1)
        let date = Schema(type: .int32, isOptional: true, name: LogicalType.dateName, version: 1)
        let withDefault = Schema(type: .int32, defaultValue: .int32(5))
        let rows = try record(
            [
                ("price", decimal, .bytes([0x04, 0xd2])), ("money", decimal, .bytes([0x04, 0xd2])),
                ("at", timestamp, .int64(0)),
                ("raw", timestamp, .int64(12)), ("day", date, .int32(1)), ("d", withDefault, .int32(6)),
                ("same", .string, .string("s")),
            ], name: "n")
        let spec = "price:float64,money:string,at:string,raw:int64,day:string,d:string"
        let cast = try #require(try applied("Cast$Value", ["spec": spec], to: rows))
        #expect(cast["price"] == .float64(12.34))
        #expect(cast["money"] == .string("12.34"))
        #expect(cast["at"] == .string("1970-01-01T00:00:00.000Z"))
        #expect(cast["raw"] == .int64(12))
        #expect(cast.value.schema?.field(named: "raw")?.schema == .int64)
        #expect(cast["day"] == .string("1970-01-02"))
        #expect(cast.value.schema?.field(named: "day")?.schema == .optionalString)
        #expect(cast.value.schema?.field(named: "d")?.schema.defaultValue == .string("5"))
        #expect(cast.value.schema?.name == "n")
        #expect(cast["same"] == .string("s"))
    }

    @Test func badCastsAreErrors() throws {
        let error = #expect(throws: ConnectError.self) {
            try applied("Cast$Value", ["spec": "name:int32"], to: record([("name", .string, .string("n"))]))
        }
        #expect(error?.code == .data)
        #expect(error?.message == "Value (n) was out of range for requested data type")
        #expect(throws: ConnectError.self) {
            try applied("Cast$Value", ["spec": "int8"], to: record(nil, .string("300")))
        }
        #expect(throws: ConnectError.self) {
            try applied("Cast$Value", ["spec": "a:int8"], to: record(["a": .array([])]))
        }
        for spec in ["", "a:b:c", "faketype", "int8,int32", "a:bytes"] {
            #expect(configurationError("Cast$Value", ["spec": spec]) != nil, "\(spec)")
        }
    }

    @Test func masksAreEmptyOrAReplacement() throws {
        let decimal = Schema(type: .bytes, name: LogicalType.decimalName, version: 1, parameters: ["scale": "2"])
        let rows = try record([
            ("s", .string, .string("secret")), ("i", .int32, .int32(3)), ("b", .boolean, .boolean(true)),
            ("n", .optionalString, .null),
            ("d", decimal, .bytes([9])), ("l", Schema(type: .array, valueSchema: .string), .array([.string("x")])),
            ("open", .string, .string("open")),
        ])
        let masked = try #require(try applied("MaskField$Value", ["fields": "s,i,b,n,d,l,absent"], to: rows))
        #expect(
            masked.value.value.structValue?.values == [
                .string(""), .int32(0), .boolean(false), .null, .bytes([0]), .array([]), .string("open"),
            ])
        #expect(masked.value.schema === rows.value.schema)
        let replaced = try #require(try applied("MaskField$Value", ["fields": "s,i", "replacement": "123"], to: rows))
        #expect(replaced["s"] == .string("123") && replaced["i"] == .int32(123))
        let error = #expect(throws: ConnectError.self) {
            try applied("MaskField$Value", ["fields": "i", "replacement": "x"], to: rows)
        }
        #expect(error?.message == "Unable to convert x to int32")
        #expect(throws: ConnectError.self) {
            try applied("MaskField$Value", ["fields": "b", "replacement": "x"], to: rows)
        }
        #expect(try applied("MaskField$Value", ["fields": "a"], to: record(["a": .float64(2)]))?["a"] == .float64(0))
        #expect(configurationError("MaskField$Value", ["fields": "a", "replacement": ""]) != nil)
    }

    /// From Kafka's `RegexRouterTest`.
    @Test(arguments: [
        ("orig", "orig(.*)", "new$1", "new"), ("index", "index", "index", "index"),
        ("index-20160117", "(.*)-(\\d\\d\\d\\d)(\\d\\d)(\\d\\d)", "$1-$2$3", "index-201601"),
        ("index-20160117", "index-(?<year>\\d{4}).*", "${year}", "2016"), ("other", "orig(.*)", "$1", "other"),
        ("a", "(a)", "\\$1", "$1"),
        ("x-orig", "orig", "new", "x-orig"),
    ])
    func topicsAreRenamed(_ topic: String, _ regex: String, _ replacement: String, _ expected: String) throws {
        var source = record(nil, .null)
        source.topic = topic
        #expect(
            try applied("RegexRouter", ["regex": regex, "replacement": replacement], to: source)?.topic == expected)
    }

    @Test func badExpressionsAndGroupsAreErrors() {
        #expect(
            configurationError("RegexRouter", ["regex": "(", "replacement": "x"])?.contains("Invalid regex") == true)
        #expect(throws: ConnectError.self) {
            try applied("RegexRouter", ["regex": "t", "replacement": "$1"], to: record(nil, .null))
        }
    }

    @Test func timestampsGoIntoTopics() throws {
        var source = record(nil, .null)
        source.topic = "test"
        source.timestamp = 1_483_425_001_864
        // Kafka's TimestampRouterTest.
        let config = ["topic.format": "ts-${timestamp}-${topic}", "timestamp.format": "yyyyMM-dd"]
        #expect(try applied("TimestampRouter", config, to: source)?.topic == "ts-201701-03-test")
        #expect(try applied("TimestampRouter", [:], to: source)?.topic == "test-20170103")
        source.timestamp = nil
        #expect(throws: ConnectError.self) { try applied("TimestampRouter", [:], to: source) }
        #expect(configurationError("TimestampRouter", ["timestamp.format": "YYYY"])?.contains("letter Y") == true)
    }

    /// Kafka's `TimestampConverterTest`: 1970-01-02T00:00:00.001 plus zero hours, and its parts.
    @Test(arguments: [
        ("string", ConnectValue.string("1970 01 02 00 00 00 001 UTC")), ("unix", .int64(86_400_001)),
        ("Date", .int32(1)),
        ("Time", .int32(1)), ("Timestamp", .int64(86_400_001)),
    ])
    func timesChangeForm(_ target: String, _ expected: ConnectValue) throws {
        let config = ["target.type": target, "format": "yyyy MM dd HH mm ss SSS z", "field": "ts"]
        let timestamp = Schema(type: .int64, isOptional: true, name: LogicalType.timestampName, version: 1)
        for (schema, value) in [
            (timestamp, ConnectValue.int64(86_400_001)), (.optionalInt64, .int64(86_400_001)),
            (.optionalString, .string("1970 01 02 00 00 00 001 UTC")),
        ] {
            let rows = try record([("ts", schema, value), ("other", .string, .string("o"))])
            let converted = try #require(try applied("TimestampConverter$Value", config, to: rows))
            #expect(converted["ts"] == expected)
            #expect(converted.value.schema?.field(named: "ts")?.schema.isOptional == true)
            #expect(converted["other"] == .string("o"))
        }
        let whole = config.filter { $0.key != "field" }
        #expect(
            try applied("TimestampConverter$Value", whole, to: record(nil, .int64(86_400_001)))?.value.value == expected
        )
        #expect(try applied("TimestampConverter$Value", whole, to: record(nil, .null))?.value.value == .null)
    }

    @Test func unixTimesHaveAUnit() throws {
        func config(_ target: String, _ unit: String) -> [String: String] {
            ["target.type": target, "unix.precision": unit]
        }
        let timestamp = record(Schema(type: .int64, name: LogicalType.timestampName, version: 1), .int64(1_500))
        for (unit, value) in [
            ("seconds", Int64(1)), ("milliseconds", 1500), ("microseconds", 1_500_000), ("nanoseconds", 1_500_000_000),
        ] {
            #expect(
                try applied("TimestampConverter$Value", config("unix", unit), to: timestamp)?.value
                    == SchemaAndValue(schema: .int64, value: .int64(value)))
        }
        #expect(
            try applied("TimestampConverter$Value", config("Timestamp", "seconds"), to: record(.int64, .int64(2)))?
                .value.value == .int64(2000))
        #expect(throws: ConnectError.self) {
            try applied("TimestampConverter$Value", config("unix", "seconds"), to: record(.boolean, .boolean(true)))
        }
        #expect(throws: ConnectError.self) {
            try applied(
                "TimestampConverter$Value", ["target.type": "unix", "format": "yyyy"], to: record(.string, .string("x"))
            )
        }
        #expect(configurationError("TimestampConverter$Value", ["target.type": "string"]) != nil)
        #expect(configurationError("TimestampConverter$Value", ["target.type": "invalid"]) != nil)
        #expect(configurationError("TimestampConverter$Value", [:]) != nil)
        #expect(
            configurationError("TimestampConverter$Value", ["target.type": "unix", "unix.precision": "invalid"]) != nil)
    }

    /// The texts are those of java.text.SimpleDateFormat in UTC and English.
    @Test(arguments: [
        ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2024-02-29T23:59:58.007Z"),
        ("EEE, d MMM yyyy HH:mm:ss Z", "Thu, 29 Feb 2024 23:59:58 +0000"),
        ("yy/M/d h:mm a", "24/2/29 11:59 PM"), ("yyyyMMddHHmmssSSS", "20240229235958007"),
        ("EEEE MMMM D", "Thursday February 60"),
        ("'o''clock' k", "o'clock 23"), ("yyyy-MM-dd'T'HH:mm:ssXXX", "2024-02-29T23:59:58Z"),
    ])
    func patternsAreThoseOfJava(_ pattern: String, _ text: String) throws {
        let format = try DateFormat(pattern)
        #expect(format.text(millis: 1_709_251_198_007) == text)
        if pattern.contains("y"), pattern.contains("SSS") { #expect(format.parse(text) == 1_709_251_198_007) }
    }

    @Test func textsAreReadStrictly() throws {
        let format = try DateFormat("yyyy-MM-dd HH:mm Z")
        #expect(format.parse("2024-03-01 01:30 +0130") == 1_709_251_200_000)
        #expect(format.parse("2023-02-29 00:00 Z") == nil)
        #expect(format.parse("2023-13-01 00:00 Z") == nil)
        #expect(format.parse("2023-") == nil)
        #expect(try DateFormat("dd MMM yyyy").parse("01 Jan 1969 and more") == -31_536_000_000)
        #expect(throws: ConnectError.self) { try DateFormat("yyyy 'open") }
    }

    @Test func predicatesTellRecords() throws {
        func test(_ name: String, _ config: [String: String], _ record: ConnectRecord) throws -> Bool {
            let predicate = try #require(PluginRegistry().predicate(name)).init()
            try predicate.configure(config)
            return try predicate.test(record)
        }
        var source = record(nil, .null)
        source.topic = "my-prefix-1"
        source.headers = [ConnectHeader(key: "h", value: .null)]
        #expect(try test("RecordIsTombstone", [:], source))
        #expect(try test("TopicNameMatches", ["pattern": "my-prefix-.*"], source))
        #expect(try !test("TopicNameMatches", ["pattern": "prefix"], source))
        #expect(try test("HasHeaderKey", ["name": "h"], source))
        #expect(try !test("HasHeaderKey", ["name": "x"], source))
        source.value = SchemaAndValue(schema: .string, value: .string(""))
        #expect(try !test("RecordIsTombstone", [:], source))
        #expect(throws: ConnectError.self) { try test("TopicNameMatches", ["pattern": "("], source) }
        #expect(throws: ConnectError.self) { try test("HasHeaderKey", [:], source) }
    }
}
