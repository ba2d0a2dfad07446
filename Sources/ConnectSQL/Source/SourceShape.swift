import ConnectAPI

/// What depends only on a result's columns: the records' schema, and where a row's position stands.
struct SourceShape {
    let version: Int
    let schema: Schema
    let decoders: [ColumnDecoder?]
    /// Whether a row's last value is its timestamp, which is no field.
    let hasTimestamp: Bool
    /// The schema of the records' key, if they have one, and where its values stand among the fields.
    let keySchema: Schema?
    let keyIndexes: [Int]
    /// Whether rows need no record of their own: nothing but their values is wanted.
    let canBePacked: Bool
    /// The growing column's place among the fields.
    private let incrementingIndex: Int?
    private let clock: SourceClock?

    init(
        _ query: any SQLQuery, _ criteria: SourceCriteria?, _ target: SourceTarget, _ options: SourceOptions,
        keyColumns: [String] = []
    ) throws {
        hasTimestamp = criteria?.timestamps.isEmpty == false
        var fields: [Field] = []
        var decoders: [ColumnDecoder?] = []
        for column in hasTimestamp ? query.columns.dropLast() : query.columns[...] {
            let mapped = options.typeMap.map(column)
            decoders.append(mapped?.decoder)
            if let mapped { fields.append(Field(column.label, mapped.schema)) }
        }
        if hasTimestamp { decoders.append(.localMicroseconds) }
        let schema = Schema.structure(name: target.schemaName, fields: fields)
        incrementingIndex = try criteria?.incrementing.map { try Self.index(of: $0, in: schema, query.columns, target) }
        clock =
            try hasTimestamp
            ? criteria.map { try SourceClock(query.columns, $0, target, options.database.dialect.zone) } : nil
        keyIndexes = keyColumns.compactMap { schema.index(of: $0) }
        keySchema =
            keyIndexes.isEmpty
            ? nil : Schema.structure(name: target.schemaName, fields: keyIndexes.map { schema.fields[$0] })
        canBePacked = !hasTimestamp && keySchema == nil && decoders.allSatisfy { $0?.isSimple ?? true }
        version = query.columnsVersion
        self.schema = schema
        self.decoders = decoders
    }

    /// Where a read goes on after a row.
    func position(of row: [ConnectValue], _ target: SourceTarget) throws(ConnectError) -> SourcePosition {
        var position = SourcePosition()
        if let clock, let local = row.last?.integer { position.microseconds = clock.instant(ofLocal: local) }
        guard let incrementingIndex else { return position }
        let field = schema.fields[incrementingIndex]
        guard let value = Self.integer(row[incrementingIndex]) else {
            throw .fatal(
                "Column \(field.name) of \(target.description) holds "
                    + "\(row[incrementingIndex].isNull ? "null" : "no number in the range of int64"), which cannot "
                    + "be resumed from")
        }
        position.incrementing = value
        return position
    }

    /// Where a read goes on after the last of some rows; nil if there are none.
    func position(ofLast rows: RecordRows, _ target: SourceTarget) throws(ConnectError) -> SourcePosition? {
        guard rows.count > 0 else { return nil }
        guard incrementingIndex != nil else { return SourcePosition() }
        return try position(of: rows.structure(rows.count - 1).values, target)
    }

    private static func index(
        of column: String, in schema: Schema, _ columns: [SQLColumn], _ target: SourceTarget
    ) throws(ConnectError) -> Int {
        let lowercased = column.lowercased()
        let similar = schema.fields.indices.filter { schema.fields[$0].name.lowercased() == lowercased }
        guard let index = schema.index(of: column) ?? (similar.count == 1 ? similar[0] : nil) else {
            throw .config("Column \(column) of \(target.description) cannot be read")
        }
        let field = schema.fields[index]
        // Such a column is a string to records, whatever its values are.
        if columns.contains(where: { $0.label == field.name && $0.isUntyped }) { return index }
        switch (field.schema.type, field.schema.logicalType) {
        case (.int8, nil), (.int16, nil), (.int32, nil), (.int64, nil), (.bytes, .decimal(scale: 0)?): return index
        default:
            throw .config(
                "Column \(field.name) of \(target.description) is no whole number (\(field.schema.type.rawValue)"
                    + "\(field.schema.name.map { ", " + $0 } ?? "")), which incrementing.column.name needs")
        }
    }

    private static func integer(_ value: ConnectValue) -> Int64? {
        if let integer = value.integer { return integer }
        if let text = value.stringValue { return Int64(text) }
        guard case .bytes(let bytes) = value, bytes.count <= 8 else { return nil }
        let start: Int64 = (bytes.first ?? 0) >= 0x80 ? -1 : 0
        return bytes.reduce(start) { $0 << 8 | Int64($1) }
    }
}
