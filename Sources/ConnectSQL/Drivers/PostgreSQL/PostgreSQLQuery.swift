import CPostgreSQL
import ConnectAPI

/// A prepared SELECT. Rows come one by one in binary form, as they are fetched: what is not fetched waits in the server
/// and the network. While a result is open the connection can do nothing else.
final class PostgreSQLQuery: SQLQuery {
    /// "cached plan must not change result type": the table was altered.
    private static let planChanged = "0A000"

    private let connection: PostgreSQLConnection
    private let libpq: UnsafePointer<PostgreSQLFunctions>
    private let sql: String
    private var name = ""
    private(set) var columns: [SQLColumn] = []
    private(set) var columnsVersion = 0
    private var forms: [PostgreSQLType.Form] = []
    private var isOpen = false
    /// The result's first part, which ``execute(_:)`` has waited for.
    private var first: OpaquePointer?

    init(_ connection: PostgreSQLConnection, _ sql: String) throws(SQLError) {
        self.connection = connection
        libpq = connection.libpq
        self.sql = sql
        try prepare()
    }

    deinit {
        libpq.pointee.PQclear(first)
    }

    func execute(_ parameters: [SQLParameter]) throws(SQLError) {
        reset()
        do throws(SQLError) {
            try send(parameters)
        } catch {
            guard error.sqlState == Self.planChanged else { throw error }
            connection.deallocate(name)
            try prepare()
            try send(parameters)
        }
    }

    func fetchRows(_ decoders: [ColumnDecoder?], limit: Int, into rows: inout RecordRows) throws(SQLError) -> Bool {
        guard isOpen, decoders.count == columns.count else { return false }
        let handle = try connection.open()
        let wanted = decoders.enumerated().compactMap { index, decoder in
            decoder.map { (index, forms[index], $0, PostgreSQLValue.Packing(forms[index], $0)) }
        }
        let options = connection.options.decoding
        let libpq = libpq
        for _ in 0..<limit where !rows.isFull {
            guard let result = try step(handle) else { return false }
            defer { libpq.pointee.PQclear(result) }
            for (index, form, decoder, packing) in wanted {
                let column = Int32(truncatingIfNeeded: index)
                let length = Int(libpq.pointee.PQgetlength(result, 0, column))
                guard length > 0 || libpq.pointee.PQgetisnull(result, 0, column) == 0 else {
                    rows.appendNull()
                    continue
                }
                let bytes = UnsafeRawBufferPointer(start: libpq.pointee.PQgetvalue(result, 0, column), count: length)
                switch packing {
                case .int32 where length == 4:
                    rows.append(Int64(Int32(bigEndian: bytes.loadUnaligned(as: Int32.self))))
                case .int64 where length == 8: rows.append(Int64(bigEndian: bytes.loadUnaligned(as: Int64.self)))
                case .text: rows.append(bytes)
                default:
                    guard let value = PostgreSQLValue.decode(bytes, form, decoder, options), rows.append(value) else {
                        throw unreadable(index)
                    }
                }
            }
            rows.finishRow()
        }
        return true
    }

    /// The next row, which the caller frees; nil at the end of the result.
    private func step(_ handle: OpaquePointer) throws(SQLError) -> OpaquePointer? {
        let result = first ?? libpq.pointee.PQgetResult(handle)
        first = nil
        let status = libpq.pointee.PQresultStatus(result)
        if status == PGRES_SINGLE_TUPLE { return result }
        isOpen = false
        let failure = status == PGRES_TUPLES_OK ? nil : connection.failure(result)
        libpq.pointee.PQclear(result)
        drain(handle)
        if let failure { throw failure }
        return nil
    }

    func fetch(
        _ decoders: [ColumnDecoder?], limit: Int, into rows: inout [[ConnectValue]]
    ) throws(SQLError) -> Bool {
        guard isOpen, decoders.count == columns.count else { return false }
        let handle = try connection.open()
        let wanted = decoders.enumerated().compactMap { index, decoder in decoder.map { (index, $0) } }
        let options = connection.options.decoding
        let libpq = libpq
        for _ in 0..<limit {
            guard let result = try step(handle) else { return false }
            defer { libpq.pointee.PQclear(result) }
            var row: [ConnectValue] = []
            row.reserveCapacity(wanted.count)
            for (index, decoder) in wanted {
                let column = Int32(truncatingIfNeeded: index)
                let length = Int(libpq.pointee.PQgetlength(result, 0, column))
                guard length > 0 || libpq.pointee.PQgetisnull(result, 0, column) == 0 else {
                    row.append(.null)
                    continue
                }
                let bytes = UnsafeRawBufferPointer(start: libpq.pointee.PQgetvalue(result, 0, column), count: length)
                guard let value = PostgreSQLValue.decode(bytes, forms[index], decoder, options) else {
                    throw unreadable(index)
                }
                row.append(value)
            }
            rows.append(row)
        }
        return true
    }

    func reset() {
        guard isOpen, let handle = connection.handle else { return }
        isOpen = false
        libpq.pointee.PQclear(first)
        first = nil
        // The rest may be long: the server is asked to stop sending it.
        if let cancel = libpq.pointee.PQgetCancel(handle) {
            var text = [CChar](repeating: 0, count: 256)
            _ = libpq.pointee.PQcancel(cancel, &text, Int32(text.count))
            libpq.pointee.PQfreeCancel(cancel)
        }
        drain(handle)
    }

    func close() {
        reset()
        guard !name.isEmpty else { return }
        connection.deallocate(name)
        name = ""
    }

    // MARK: execution

    private func send(_ parameters: [SQLParameter]) throws(SQLError) {
        let handle = try connection.open()
        let sent = PostgreSQLParameters.withTexts(parameters) { texts in
            libpq.pointee.PQsendQueryPrepared(handle, name, Int32(parameters.count), texts, nil, nil, 1)
        }
        guard sent == 1, libpq.pointee.PQsetSingleRowMode(handle) == 1 else { throw connection.failure(nil) }
        first = libpq.pointee.PQgetResult(handle)
        let status = libpq.pointee.PQresultStatus(first)
        guard status != PGRES_SINGLE_TUPLE, status != PGRES_TUPLES_OK else {
            isOpen = true
            return
        }
        let failure = connection.failure(first)
        libpq.pointee.PQclear(first)
        first = nil
        drain(handle)
        throw failure
    }

    private func drain(_ handle: OpaquePointer) {
        while let result = libpq.pointee.PQgetResult(handle) { libpq.pointee.PQclear(result) }
    }

    // MARK: columns

    /// A column as the server describes it.
    private struct Described {
        var column: SQLColumn
        var form: PostgreSQLType.Form
        var table: UInt32
        var attribute: Int32
    }

    private func prepare() throws(SQLError) {
        name = try connection.prepare(sql)
        let described = try describe()
        guard !described.isEmpty else { throw SQLError(.other, sqlState: "07005", "the statement gives no rows") }
        var columns = described.map(\.column)
        forms = described.map(\.form)
        try addOrigins(described, to: &columns)
        if forms.contains(where: \.needsText) { try prepareWithTexts() }
        if columns != self.columns {
            self.columns = columns
            columnsVersion += 1
        }
    }

    private func describe() throws(SQLError) -> [Described] {
        let result = libpq.pointee.PQdescribePrepared(try connection.open(), name)
        defer { libpq.pointee.PQclear(result) }
        try connection.check(result)
        let indexes = 0..<libpq.pointee.PQnfields(result)
        let types = try connection.types(indexes.map { libpq.pointee.PQftype(result, $0) })
        return indexes.map { index in
            let modifier = libpq.pointee.PQfmod(result, index)
            let type = types[libpq.pointee.PQftype(result, index)] ?? PostgreSQLType(form: .other, name: "unknown")
            var column = SQLColumn(
                label: libpq.pointee.PQfname(result, index).map { String(cString: $0) } ?? "",
                type: type.columnType(modifier: modifier), isNullable: true)
            column.fractionDigits = PostgreSQLType.fractionDigits(modifier: modifier)
            column.isInstant = type.form == .timestampWithZone
            return Described(
                column: column, form: type.form, table: libpq.pointee.PQftable(result, index),
                attribute: libpq.pointee.PQftablecol(result, index))
        }
    }

    /// Whether columns may be null, and are filled by a sequence: the catalogue says it of columns of tables.
    private func addOrigins(_ described: [Described], to columns: inout [SQLColumn]) throws(SQLError) {
        let tables = Set(described.map(\.table)).subtracting([0])
        guard !tables.isEmpty else { return }
        let rows = try connection.rows(
            "SELECT a.attrelid, a.attnum, a.attnotnull, a.attidentity <> '' OR "
                + "COALESCE(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%', false) FROM pg_catalog.pg_attribute a "
                + "LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
                + "WHERE a.attnum > 0 AND a.attrelid IN (\(tables.map(String.init).joined(separator: ",")))", [])
        for row in rows where row.count == 4 {
            for index in columns.indices
            where "\(described[index].table)" == row[0] && "\(described[index].attribute)" == row[1] {
                columns[index].isNullable = row[2] != "t"
                columns[index].isAutoIncrement = row[3] == "t"
            }
        }
    }

    /// Prepares the statement again, so that values of types without a reader of their own come as text.
    private func prepareWithTexts() throws(SQLError) {
        let names = forms.indices.map { "c\($0)" }
        let values = forms.indices.map { index in
            switch forms[index] {
            case .other: "c\(index)::text"
            case .array(.other): "c\(index)::text[]"
            default: "c\(index)"
            }
        }
        connection.deallocate(name)
        name = try connection.prepare(
            "SELECT \(values.joined(separator: ",")) FROM (\(sql)\n) AS rows(\(names.joined(separator: ",")))")
        forms = forms.map { $0 == .other ? .text : $0 == .array(.other) ? .array(.text) : $0 }
    }

    private func unreadable(_ index: Int) -> SQLError {
        let column = columns[index]
        let reason =
            switch column.type {
            case .timestamp, .date: "infinity, or a date that its number cannot tell"
            case .decimal, .numeric: "NaN, infinity, or more digits than its schema allows"
            case .array: "an array of several dimensions; read it through a view with to_json(\(column.label))"
            default: "a value that does not fit \(column.type)"
            }
        return SQLError(
            .data, sqlState: "22003", "column \(column.label) holds what records cannot carry: \(reason)")
    }
}

extension PostgreSQLType.Form {
    /// Whether values have no reader of their own.
    fileprivate var needsText: Bool { self == .other || self == .array(.other) }
}

extension PostgreSQLConnection {
    /// All rows of a small result as the server writes them, with one round trip.
    func rows(_ sql: String, _ parameters: [SQLParameter]) throws(SQLError) -> [[String?]] {
        let handle = try open()
        let result = PostgreSQLParameters.withTexts(parameters) { texts in
            libpq.pointee.PQexecParams(handle, sql, Int32(parameters.count), nil, texts, nil, nil, 0)
        }
        defer { libpq.pointee.PQclear(result) }
        try check(result)
        let columns = 0..<libpq.pointee.PQnfields(result)
        return (0..<libpq.pointee.PQntuples(result)).map { row in
            columns.map { column in
                libpq.pointee.PQgetisnull(result, row, column) != 0
                    ? nil : libpq.pointee.PQgetvalue(result, row, column).map { String(cString: $0) }
            }
        }
    }

    /// What the types of these numbers are.
    func types(_ numbers: [UInt32]) throws(SQLError) -> [UInt32: PostgreSQLType] {
        let unknown = Set(numbers).filter { PostgreSQLType.builtIn[$0] == nil && types[$0] == nil }
        if !unknown.isEmpty {
            let rows = try rows(
                "SELECT t.oid, t.typname, t.typtype, e.oid, e.typtype FROM pg_catalog.pg_type t LEFT JOIN "
                    + "pg_catalog.pg_type e ON e.oid = t.typelem AND t.typcategory = 'A' WHERE t.oid IN "
                    + "(\(unknown.map(String.init).joined(separator: ",")))", [])
            for row in rows where row.count == 5 {
                guard let number = row[0].flatMap({ UInt32($0) }), let name = row[1] else { continue }
                types[number] = PostgreSQLType(form: Self.form(name, row[2], row[3], row[4]), name: name)
            }
        }
        return PostgreSQLType.builtIn.merging(types) { $1 }
    }

    private static func form(
        _ name: String, _ type: String?, _ element: String?, _ elementType: String?
    ) -> PostgreSQLType.Form {
        if let element {
            if elementType == "e" { return .array(.text) }
            let form = UInt32(element).flatMap { PostgreSQLType.builtIn[$0] }?.form
            return .array(form ?? .other)
        }
        return type == "e" || name == "citext" ? .text : .other
    }
}
