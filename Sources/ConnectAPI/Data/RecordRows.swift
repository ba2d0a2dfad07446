/// Rows of one topic and schema, packed: what a source gives in place of records where there are many, so that nothing
/// is allocated per row or field. A converter that knows rows (``RowConverter``) turns them into bytes at once; for
/// everyone else ``records()`` makes records of them.
public struct RecordRows: Sendable {
    /// The topic of all rows.
    public let topic: String
    /// The struct that the rows have the values of: primitive types and logical types, no arrays, maps or structs.
    public let valueSchema: Schema
    /// How many rows are complete.
    public internal(set) var count = 0
    /// Row by row: integers and booleans as they are, floats by their bits, texts and bytes as the place in ``data``
    /// (length in the upper half, end in the lower).
    @usableFromInline var cells: [Int64] = []
    /// Row by row: 1 for null.
    @usableFromInline var nulls: [UInt8] = []
    @usableFromInline var data: [UInt8] = []
    private let types: [SchemaType]

    /// Above this, a batch takes no more rows: places in ``data`` have 32 bits, and memory has limits.
    public static let sizeLimit = 16 << 20

    /// Makes rows that are to be filled. Nil if the schema is no struct of simple types.
    public init?(topic: String, valueSchema: Schema, reserving rows: Int = 0) {
        guard valueSchema.type == .structure, !valueSchema.fields.isEmpty,
            valueSchema.fields.allSatisfy({ ![.array, .map, .structure].contains($0.schema.type) })
        else { return nil }
        self.topic = topic
        self.valueSchema = valueSchema
        types = valueSchema.fields.map(\.schema.type)
        cells.reserveCapacity(rows * types.count)
        nulls.reserveCapacity(rows * types.count)
        data.reserveCapacity(rows * 32)
    }

    /// Whether no more rows should be added.
    public var isFull: Bool { data.count >= Self.sizeLimit }

    /// Appends null as the row's next value.
    @inlinable @inline(__always)
    public mutating func appendNull() {
        cells.append(0)
        nulls.append(1)
    }

    /// Appends an integer, or a boolean as 0 or 1.
    @inlinable @inline(__always)
    public mutating func append(_ value: Int64) {
        cells.append(value)
        nulls.append(0)
    }

    /// Appends the bytes of a text (UTF-8) or of bytes.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        data.append(contentsOf: bytes)
        cells.append(Int64(bytes.count) << 32 | Int64(data.count))
        nulls.append(0)
    }

    /// Appends a value of the field's type.
    /// - Returns: false if it is of a type that rows cannot hold.
    public mutating func append(_ value: ConnectValue) -> Bool {
        switch value {
        case .null: appendNull()
        case .int8(let value): append(Int64(value))
        case .int16(let value): append(Int64(value))
        case .int32(let value): append(Int64(value))
        case .int64(let value): append(value)
        case .boolean(let value): append(value ? 1 : 0)
        case .float32(let value): append(Int64(value.bitPattern))
        case .float64(let value): append(Int64(bitPattern: value.bitPattern))
        case .string(var value): value.withUTF8 { append(UnsafeRawBufferPointer($0)) }
        case .bytes(let value): value.withUnsafeBytes { append($0) }
        case .array, .map, .structure: return false
        }
        return true
    }

    /// Counts a row whose every value has been appended.
    public mutating func finishRow() {
        count += 1
    }

    /// A value of a row.
    public func value(_ row: Int, _ field: Int) -> ConnectValue {
        let place = row * types.count + field
        guard nulls[place] == 0 else { return .null }
        let cell = cells[place]
        return switch types[field] {
        case .int8: .int8(Int8(truncatingIfNeeded: cell))
        case .int16: .int16(Int16(truncatingIfNeeded: cell))
        case .int32: .int32(Int32(truncatingIfNeeded: cell))
        case .int64: .int64(cell)
        case .boolean: .boolean(cell != 0)
        case .float32: .float32(Float(bitPattern: UInt32(truncatingIfNeeded: cell)))
        case .float64: .float64(Double(bitPattern: UInt64(bitPattern: cell)))
        case .string: .string(String(decoding: data[Self.range(cell)], as: UTF8.self))
        case .bytes: .bytes(Array(data[Self.range(cell)]))
        case .array, .map, .structure: .null
        }
    }

    /// The value of a row as a record has it.
    public func structure(_ row: Int) -> Struct {
        var structure = Struct(schema: valueSchema)
        for field in types.indices { structure[index: field] = value(row, field) }
        return structure
    }

    /// The rows as records.
    public func records() -> [SourceRecord] {
        (0..<count).map {
            SourceRecord(topic: topic, valueSchema: valueSchema, value: .structure(structure($0)))
        }
    }

    @inline(__always)
    static func range(_ cell: Int64) -> Range<Int> {
        let end = Int(cell & 0xffff_ffff)
        return end - Int(cell >> 32)..<end
    }
}
