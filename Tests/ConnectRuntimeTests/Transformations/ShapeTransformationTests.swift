import ConnectAPI
import OrderedCollections
import Testing

@testable import ConnectRuntime

/// Transformations that move, add and drop fields. The values are those that Kafka's documentation and its own tests
/// of the classes give.
@Suite struct ShapeTransformationTests {
    @Test func extractFieldPutsOneFieldInPlaceOfAll() throws {
        let magic = try record([("magic", .optionalInt32, .int32(42))])
        let extracted = try #require(try applied("ExtractField$Value", ["field": "magic"], to: magic))
        #expect(extracted.value == SchemaAndValue(schema: .optionalInt32, value: .int32(42)))
        #expect(
            try applied("ExtractField$Value", ["field": "magic"], to: record(["magic": .int64(42)]))?.value.value
                == .int64(42))
        #expect(
            try applied("ExtractField$Value", ["field": "no"], to: record(["magic": .int64(42)]))?.value.value == .null)
        #expect(throws: ConnectError.self) { try applied("ExtractField$Value", ["field": "no"], to: magic) }
        #expect(
            try applied("ExtractField$Value", ["field": "magic"], to: record(magic.value.schema, .null))?.value.value
                == .null)
    }

    @Test func extractFieldTakesTheDefaultOfANullIfWished() throws {
        let schema = Schema(type: .int32, isOptional: true, defaultValue: .int32(7))
        let null = try record([("f", schema, .null)])
        #expect(try applied("ExtractField$Value", ["field": "f"], to: null)?.value.value == .int32(7))
        let off = ["field": "f", "replace.null.with.default": "false"]
        #expect(try applied("ExtractField$Value", off, to: null)?.value.value == .null)
    }

    @Test func extractFieldFollowsPathsInV2() throws {
        let inner = Schema(type: .structure, fields: [Field("c.d", .int32)])
        let nested = try record([("a", inner, .structure(try Struct(schema: inner, values: [.int32(5)])))])
        let config = ["field": "a.`c.d`", "field.syntax.version": "V2"]
        #expect(
            try applied("ExtractField$Value", config, to: nested)?.value
                == SchemaAndValue(schema: .int32, value: .int32(5)))
        #expect(
            try applied("ExtractField$Value", ["field": "a.`c.d`"], to: record(["a.`c.d`": .int32(6)]))?.value.value
                == .int32(6))
        let map = record(["a": .map(MapEntries(["b": .string("x")]))])
        let path = ["field": "a.b", "field.syntax.version": "V2"]
        #expect(try applied("ExtractField$Value", path, to: map)?.value.value == .string("x"))
        #expect(
            configurationError("ExtractField$Value", ["field": "`a", "field.syntax.version": "V2"])
                == "Incomplete backtick pair in path: `a")
    }

    @Test func hoistFieldWrapsKeysToo() throws {
        var key = record(.string, .string("v"))
        key.key = SchemaAndValue(schema: .int32, value: .int32(1))
        let hoisted = try #require(try applied("HoistField$Key", ["field": "magic"], to: key))
        #expect(hoisted.key.value.structValue?["magic"] == .int32(1))
        #expect(hoisted.key.schema?.field(named: "magic")?.schema == .int32)
        #expect(hoisted.value == key.value)
        #expect(try applied("HoistField$Value", ["field": "m"], to: record(nil, .int32(2)))?["m"] == .int32(2))
    }

    @Test func insertFieldAddsMetadata() throws {
        let schema = Schema(type: .structure, name: "n", version: 1, fields: [Field("magic", .int64)])
        let value = try Struct(schema: schema, values: [.int64(42)])
        let sink = ConnectRecord(
            SinkRecord(
                topic: "test", partition: 3, offset: 9, timestamp: 1_483_425_001_864, valueSchema: schema,
                value: .structure(value)))
        let config = [
            "topic.field": "topic_field!", "partition.field": "partition_field", "timestamp.field": "ts?",
            "static.field": "instance_id", "static.value": "my-instance", "offset.field": "o",
        ]
        let result = try #require(try applied("InsertField$Value", config, to: sink))
        #expect(result.fieldNames == ["magic", "topic_field", "partition_field", "o", "ts", "instance_id"])
        #expect(result["topic_field"] == .string("test"))
        #expect(result["partition_field"] == .int32(3))
        #expect(result["o"] == .int64(9))
        #expect(result["ts"] == .int64(1_483_425_001_864))
        #expect(result["instance_id"] == .string("my-instance"))
        let updated = try #require(result.value.schema)
        #expect(updated.name == "n" && updated.version == 1)
        #expect(updated.field(named: "topic_field")?.schema == .string)
        #expect(updated.field(named: "partition_field")?.schema == .optionalInt32)
        #expect(updated.field(named: "ts")?.schema.logicalType == .timestamp)
        let map = try applied(
            "InsertField$Value", config.filter { $0.key != "offset.field" }, to: record(["magic": .int64(42)]))
        #expect(map?.fieldNames == ["magic", "topic_field", "instance_id"])
        #expect(throws: ConnectError.self) { try applied("InsertField$Value", config, to: record(["a": .null])) }
        #expect(try applied("InsertField$Value", config, to: record(nil, .null))?.value == .null)
        #expect(configurationError("InsertField$Value", [:]) == "No field insertion configured")
        #expect(configurationError("InsertField$Value", ["static.field": "f"])?.contains("static.value") == true)
    }

    @Test func aFieldThatIsThereAlreadyCannotBeInserted() throws {
        let config = ["static.field": "a", "static.value": "x"]
        #expect(throws: ConnectError.self) {
            try applied("InsertField$Value", config, to: record([("a", .int32, .int32(1))]))
        }
    }

    @Test func replaceFieldLeavesOutAndRenames() throws {
        let config = ["exclude": "dont", "renames": "abc:xyz,foo:bar"]
        let map = record(["dont": .string("whatever"), "abc": .int32(42), "foo": .boolean(true), "etc": .string("etc")])
        let fromMap = try #require(try applied("ReplaceField$Value", config, to: map))
        #expect(fromMap.fieldNames == ["xyz", "bar", "etc"])
        let rows = try record([
            ("dont", .string, .string("w")), ("abc", .int32, .int32(42)), ("foo", .boolean, .boolean(true)),
            ("etc", .string, .string("etc")),
        ])
        let fromStruct = try #require(try applied("ReplaceField$Value", config, to: rows))
        #expect(fromStruct.fieldNames == ["xyz", "bar", "etc"])
        #expect(fromStruct["xyz"] == .int32(42) && fromStruct["bar"] == .boolean(true))
        let kept = try #require(try applied("ReplaceField$Value", ["include": "abc,etc"], to: rows))
        #expect(kept.fieldNames == ["abc", "etc"])
        #expect(
            configurationError("ReplaceField$Value", ["renames": "a"])?.contains("Invalid rename mapping: a") == true)
    }

    @Test func flattenJoinsNames() throws {
        let inner = Schema(
            type: .structure, isOptional: true, fields: [Field("int8", .int8), Field("s", .optionalString)])
        let outer = try record([
            ("x", .int32, .int32(1)), ("B", inner, .structure(try Struct(schema: inner, values: [.int8(8), .null]))),
        ])
        let flat = try #require(try applied("Flatten$Value", ["delimiter": "#"], to: outer))
        #expect(flat.fieldNames == ["x", "B#int8", "B#s"])
        #expect(flat["B#int8"] == .int8(8))
        // The child of an optional parent is optional.
        #expect(flat.value.schema?.field(named: "B#int8")?.schema == .optionalInt8)
        let absent = try record([("x", .int32, .int32(1)), ("B", inner, .null)])
        #expect(try applied("Flatten$Value", [:], to: absent)?["B.int8"] == .null)
        let map = record(["B": .map(MapEntries(["A": .map(MapEntries(["i": .int8(8)]))])), "l": .array([.int32(1)])])
        let flatMap = try #require(try applied("Flatten$Value", [:], to: map))
        #expect(flatMap.fieldNames == ["B.A.i", "l"])
        #expect(throws: ConnectError.self) {
            let schema = Schema(type: .map, keySchema: .string, valueSchema: .string)
            _ = try applied("Flatten$Value", [:], to: record([("m", schema, .map(MapEntries()))]))
        }
    }

    @Test func valueToKeyCopiesFields() throws {
        let rows = try record([("a", .int32, .int32(1)), ("b", .int32, .int32(2)), ("c", .int32, .int32(3))])
        let keyed = try #require(try applied("ValueToKey", ["fields": "b,a"], to: rows))
        #expect(keyed.key.value.structValue?.values == [.int32(2), .int32(1)])
        #expect(keyed.key.schema?.fields.map(\.name) == ["b", "a"])
        let map = try applied("ValueToKey", ["fields": "a,z"], to: record(["a": .int32(1), "b": .int32(2)]))
        #expect(map?.key.value == .map(MapEntries(["a": .int32(1), "z": .null])))
        let error = #expect(throws: ConnectError.self) { try applied("ValueToKey", ["fields": "not_exist"], to: rows) }
        #expect(error?.message == "Field does not exist: not_exist")
    }

    @Test func schemasGetNamesAndVersions() throws {
        let rows = try record([("a", .int32, .int32(1))])
        let named = try #require(
            try applied("SetSchemaMetadata$Value", ["schema.name": "foo", "schema.version": "42"], to: rows))
        #expect(named.value.schema?.name == "foo" && named.value.schema?.version == 42)
        #expect(named.value.value.structValue?.schema === named.value.schema)
        #expect(throws: ConnectError.self) {
            try applied("SetSchemaMetadata$Value", ["schema.name": "foo"], to: record(["a": .null]))
        }
        #expect(try applied("SetSchemaMetadata$Value", ["schema.name": "foo"], to: record(nil, .null)) != nil)
        #expect(configurationError("SetSchemaMetadata$Value", [:]) != nil)
    }

    @Test func fieldsBecomeHeaders() throws {
        let rows = try record([("a", .int32, .int32(1)), ("b", .string, .string("x"))])
        let move = ["fields": "a", "headers": "h", "operation": "move"]
        let moved = try #require(try applied("HeaderFrom$Value", move, to: rows))
        #expect(moved.headers == [ConnectHeader(key: "h", schema: .int32, value: .int32(1))])
        #expect(moved.fieldNames == ["b"])
        let copy = ["fields": "a", "headers": "h", "operation": "copy"]
        #expect(try applied("HeaderFrom$Value", copy, to: rows)?.fieldNames == ["a", "b"])
        let map = try #require(try applied("HeaderFrom$Value", move, to: record(["a": .int64(1), "b": .int64(2)])))
        #expect(map.headers == [ConnectHeader(key: "h", value: .int64(1))] && map.fieldNames == ["b"])
        #expect(configurationError("HeaderFrom$Value", ["fields": "a,b", "headers": "h", "operation": "copy"]) != nil)
        #expect(configurationError("HeaderFrom$Value", ["fields": "a", "headers": "h", "operation": "drop"]) != nil)
    }

    @Test func headersAreAddedAndDropped() throws {
        var rows = record(.string, .string("x"))
        rows.headers = [
            ConnectHeader(key: "a", value: .null), ConnectHeader(key: "b", value: .null),
            ConnectHeader(key: "a", value: .null),
        ]
        #expect(try applied("DropHeaders", ["headers": "a,c"], to: rows)?.headers.map(\.key) == ["b"])
        let added = try #require(try applied("InsertHeader", ["header": "b", "value.literal": "1"], to: rows))
        #expect(added.headers.map(\.key) == ["a", "b", "a", "b"])
        #expect(added.headers.last?.value == .int8(1))
        #expect(try applied("Filter", [:], to: rows) == nil)
        #expect(configurationError("DropHeaders", ["headers": ""]) != nil)
    }

    /// As Java's `Values.parseString` types them.
    @Test(arguments: [
        ("true", ConnectValue.boolean(true)), ("null", .null), ("127", .int8(127)), ("128", .int16(128)),
        ("-40000", .int32(-40000)), ("3000000000", .int64(3_000_000_000)), ("3.5", .float32(3.5)), ("1.0", .int8(1)),
        ("\"12\"", .string("\"12\"")), ("text", .string("text")), ("2020-01-02", .int32(18263)),
        ("2020-01-02T03:04:05.006Z", .int64(1_577_934_245_006)), ("12-34", .string("12-34")), ("1e5x", .string("1e5x")),
    ])
    func literalsHaveTypes(_ text: String, _ value: ConnectValue) {
        #expect(Values.parse(text).value == value)
    }

    /// The schema is made once for an input schema, not once for a record.
    @Test func recordsOfOneSchemaShareTheNewOne() throws {
        let type = try #require(PluginRegistry().transformation("InsertField$Value"))
        let transformation = type.init()
        try transformation.configure(["static.field": "f", "static.value": "x"])
        let schema = Schema(type: .structure, fields: [Field("a", .int32)])
        var results: [Schema] = []
        for number in 0..<3 {
            var record = record(schema, .structure(try Struct(schema: schema, values: [.int32(Int32(number))])))
            #expect(try transformation.apply(&record))
            results.append(try #require(record.value.schema))
        }
        #expect(results[0] === results[1] && results[1] === results[2])
    }
}
