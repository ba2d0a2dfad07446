import ConnectAPI
import NIOCore
import Testing

/// Packed rows and records are two ways to the same bytes.
@Suite struct RecordRowsTests {
    private static let schema = Schema.structure(
        name: "users",
        fields: [
            Field("id", .int64), Field("i8", .optionalInt8), Field("i16", .optionalInt16), Field("i32", .optionalInt32),
            Field("yes \"no\"", .optionalBoolean), Field("f32", .optionalFloat32), Field("f64", .optionalFloat64),
            Field("text", .optionalString), Field("data", .optionalBytes),
            Field("price", .decimal(scale: 2, isOptional: true)), Field("at", .timestamp(isOptional: true)),
        ])

    private static let texts = [
        "", "a", "1234567", "12345678", "123456789", "a\"b", "1234567\\", "tab\t and \n", "naïve", "日本語テキスト", "😀",
        "ends in \u{1f}", "~~~~~~~~~~~~~~~~ \u{7f}", String(repeating: "long ", count: 20_000),
    ]

    private func row(_ random: inout some RandomNumberGenerator, _ number: Int) -> [ConnectValue] {
        func perhaps(_ value: ConnectValue) -> ConnectValue {
            Int.random(in: 0..<6, using: &random) == 0 ? .null : value
        }
        let whole = [0, 1, -1, 9, 10, 99, 100, .max, .min, Int64.random(in: .min ... .max, using: &random)]
        let real = [0, -0.0, 1.5, .infinity, .nan, 1e300, Double.random(in: -1e6...1e6, using: &random)]
        let number64 = whole[number % whole.count]
        return [
            .int64(number64), perhaps(.int8(Int8(truncatingIfNeeded: number64))),
            perhaps(.int16(Int16(truncatingIfNeeded: number64))), perhaps(.int32(Int32(truncatingIfNeeded: number64))),
            perhaps(.boolean(number % 2 == 0)), perhaps(.float32(Float(real[number % real.count]))),
            perhaps(.float64(real[number % real.count])), perhaps(.string(Self.texts[number % Self.texts.count])),
            perhaps(.bytes(Array(0..<UInt8(number % 7)))), perhaps(.bytes([UInt8(number % 100)])),
            perhaps(.int64(Int64(number))),
        ]
    }

    private func packed(_ rows: [[ConnectValue]]) throws -> RecordRows {
        var packed = try #require(RecordRows(topic: "t", valueSchema: Self.schema))
        for row in rows {
            for value in row {
                let isTaken = packed.append(value)
                #expect(isTaken)
            }
            packed.finishRow()
        }
        return packed
    }

    private func rows(_ count: Int) -> [[ConnectValue]] {
        var random = SystemRandomNumberGenerator()
        return (0..<count).map { row(&random, $0) }
    }

    @Test(arguments: ["true", "false"]) func sameJSON(_ hasSchemas: String) throws {
        let converter = JSONConverter()
        try converter.configure(["schemas.enable": hasSchemas], isKey: false)
        // Twice: memory and plan are kept.
        for count in [200, 37] {
            let rows = rows(count)
            var (buffer, ends) = (ByteBuffer(string: "before"), [Int]())
            let isWritten = converter.fromConnect(rows: try packed(rows), into: &buffer, ends: &ends)
            #expect(isWritten)
            #expect(ends.count == count)
            var start = 6
            for (row, end) in zip(rows, ends) {
                var expected = ByteBuffer()
                let value = ConnectValue.structure(try Struct(schema: Self.schema, values: row))
                _ = try converter.fromConnect(topic: "t", schema: Self.schema, value: value, into: &expected)
                #expect(buffer.getString(at: start, length: end - start) == String(buffer: expected))
                start = end
            }
            #expect(buffer.writerIndex == start)
        }
    }

    @Test func sameRecords() throws {
        let rows = rows(50).map { $0.map { Self.comparable($0) } }
        let records = SourceBatch(rows: try packed(rows)).records
        #expect(records.map(\.value.structValue?.values) == rows)
        #expect(records.allSatisfy { $0.topic == "t" && $0.valueSchema === Self.schema && $0.key.isNull })
    }

    /// NaN equals nothing.
    private static func comparable(_ value: ConnectValue) -> ConnectValue {
        switch value {
        case .float32(let number) where number.isNaN: .null
        case .float64(let number) where number.isNaN: .null
        default: value
        }
    }

    /// What must be said of a row is said record by record.
    @Test func badRowsAreRefused() throws {
        let converter = JSONConverter()
        var row = rows(1)[0]
        row[0] = .null
        var (buffer, ends) = (ByteBuffer(string: "before"), [3])
        let isWritten = converter.fromConnect(rows: try packed([row]), into: &buffer, ends: &ends)
        #expect(!isWritten)
        #expect(buffer == ByteBuffer(string: "before") && ends == [3])
        // A default stands for null in ways that only the record's path knows.
        let schema = Schema.structure(
            fields: [Field("n", Schema(type: .int32, isOptional: true, defaultValue: .int32(7)))])
        var packed = try #require(RecordRows(topic: "t", valueSchema: schema))
        packed.appendNull()
        packed.finishRow()
        let isDefaultWritten = converter.fromConnect(rows: packed, into: &buffer, ends: &ends)
        #expect(!isDefaultWritten)
        #expect(RecordRows(topic: "t", valueSchema: .string) == nil)
        let nested = Schema.structure(fields: [Field("list", .array(of: .string))])
        #expect(RecordRows(topic: "t", valueSchema: nested) == nil)
    }
}
