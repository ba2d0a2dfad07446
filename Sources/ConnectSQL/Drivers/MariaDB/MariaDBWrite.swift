import CMariaDB

/// A prepared statement that is run for many rows: as one bulk message per some thousand rows where the server has
/// that, else as statements of many rows each.
final class MariaDBWrite: SQLWrite {
    /// Rows of one message; more gains nothing (`reference/costs.md`).
    private static let bulkRows = 5_000
    private static let rowsPerStatement = 500

    private let connection: MariaDBConnection
    private let mariaDB: UnsafePointer<MariaDBFunctions>
    private let text: SQLWriteText
    private let single: MariaDBStatement
    private let isBulk: Bool
    private var multiple: (rows: Int, statement: MariaDBStatement)?
    private var byteLimit: Int?

    init(_ connection: MariaDBConnection, _ text: SQLWriteText, isBulk: Bool) throws(SQLError) {
        self.connection = connection
        mariaDB = connection.mariaDB
        self.text = text
        self.isBulk = isBulk
        single = try MariaDBStatement(connection, text.text())
    }

    func execute(_ batch: ParameterBatch) throws(SQLError) {
        guard !batch.isEmpty else { return }
        let bytes = try limit()
        if isBulk {
            for range in batch.ranges(rows: Self.bulkRows, bytes: bytes) { try executeBulk(batch, range) }
            return
        }
        let rows = text.row.isEmpty ? 1 : min(Self.rowsPerStatement, 60_000 / max(text.parameterCount, 1))
        for range in batch.ranges(rows: max(rows, 1), bytes: bytes) {
            if range.count == rows, rows > 1 {
                try executeRows(batch, range, on: statement(rows: rows))
            } else {
                for row in range { try executeRows(batch, row..<row + 1, on: single) }
            }
        }
    }

    func close() {
        single.close()
        multiple?.statement.close()
        multiple = nil
    }

    /// What fits into one message to the server.
    private func limit() throws(SQLError) -> Int {
        if let byteLimit { return byteLimit }
        let packet = try connection.rows("SELECT @@max_allowed_packet").first?.first?.flatMap { Int($0) }
        let limit = min(4 << 20, (packet ?? 1 << 20) / 4 * 3)
        byteLimit = limit
        return limit
    }

    private func statement(rows: Int) throws(SQLError) -> MariaDBStatement {
        if let multiple, multiple.rows == rows { return multiple.statement }
        let statement = try MariaDBStatement(connection, text.text(rows: rows))
        multiple = (rows, statement)
        return statement
    }

    // MARK: bulk

    private func executeBulk(_ batch: ParameterBatch, _ range: Range<Int>) throws(SQLError) {
        let scratch = Scratch()
        var binds = batch.columns.map { scratch.bulkBind($0, range) }
        var size = UInt32(range.count)
        guard mariaDB.pointee.mysql_stmt_attr_set(single.handle, STMT_ATTR_ARRAY_SIZE, &size) == 0,
            mariaDB.pointee.mysql_stmt_bind_param(single.handle, &binds) == 0
        else { throw single.failure() }
        try single.execute()
    }

    // MARK: many rows as one statement

    private func executeRows(
        _ batch: ParameterBatch, _ range: Range<Int>, on statement: MariaDBStatement
    ) throws(SQLError) {
        let scratch = Scratch()
        let columns = batch.columns.map { scratch.copy($0, range) }
        var binds: [MYSQL_BIND] = []
        binds.reserveCapacity(range.count * columns.count)
        for row in 0..<range.count {
            for column in columns { binds.append(column.bind(row: row)) }
        }
        guard mariaDB.pointee.mysql_stmt_bind_param(statement.handle, &binds) == 0 else { throw statement.failure() }
        try statement.execute()
    }
}

/// Memory that the library reads parameters from. It must not move while the statement runs, so it is not an array's.
private final class Scratch {
    /// A column's values, copied.
    struct Column {
        let kind: ParameterBatch.Kind
        let nulls: UnsafeMutablePointer<CChar>
        /// Numbers, one after the other; or pointers to the values.
        let values: UnsafeMutableRawPointer
        let lengths: UnsafeMutablePointer<UInt>

        /// One value as a parameter of its own.
        func bind(row: Int) -> MYSQL_BIND {
            var bind = MYSQL_BIND()
            bind.buffer_type = kind.wireType
            bind.is_null = nulls + row
            switch kind {
            case .integer, .real: bind.buffer = values + row * 8
            case .text, .bytes:
                bind.buffer = values.load(fromByteOffset: row * 8, as: UnsafeMutableRawPointer.self)
                bind.buffer_length = lengths[row]
                bind.length = lengths + row
            }
            return bind
        }
    }

    private var allocations: [UnsafeMutableRawPointer] = []

    deinit {
        for allocation in allocations { allocation.deallocate() }
    }

    /// All values as one parameter of a bulk execution.
    func bulkBind(_ column: ParameterBatch.Column, _ range: Range<Int>) -> MYSQL_BIND {
        let copy = copy(column, range)
        var bind = MYSQL_BIND()
        bind.buffer_type = copy.kind.wireType
        bind.buffer = copy.values
        bind.u.indicator = copy.nulls
        bind.length = copy.lengths
        return bind
    }

    func copy(_ column: ParameterBatch.Column, _ range: Range<Int>) -> Column {
        let count = range.count
        let nulls = allocate(count).assumingMemoryBound(to: CChar.self)
        let values = allocate(count * 8)
        let lengths = allocate(count * 8).assumingMemoryBound(to: UInt.self)
        for (index, row) in range.enumerated() { nulls[index] = CChar(column.nulls[row]) }
        switch column.kind {
        case .integer:
            let target = values.assumingMemoryBound(to: Int64.self)
            for (index, row) in range.enumerated() { target[index] = column.integers[row] }
        case .real:
            let target = values.assumingMemoryBound(to: Double.self)
            for (index, row) in range.enumerated() { target[index] = column.reals[row] }
        case .text, .bytes:
            let start = column.range(range.lowerBound).lowerBound
            let end = column.range(range.upperBound - 1).upperBound
            let data = allocate(max(end - start, 1))
            column.data.withUnsafeBytes { source in
                if let base = source.baseAddress { data.copyMemory(from: base + start, byteCount: end - start) }
            }
            let pointers = values.assumingMemoryBound(to: UnsafeMutableRawPointer.self)
            for (index, row) in range.enumerated() {
                let position = column.range(row)
                pointers[index] = data + (position.lowerBound - start)
                lengths[index] = UInt(position.count)
            }
        }
        return Column(kind: column.kind, nulls: nulls, values: values, lengths: lengths)
    }

    private func allocate(_ size: Int) -> UnsafeMutableRawPointer {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        allocations.append(memory)
        return memory
    }
}

extension ParameterBatch.Kind {
    fileprivate var wireType: enum_field_types {
        switch self {
        case .integer: MYSQL_TYPE_LONGLONG
        case .real: MYSQL_TYPE_DOUBLE
        case .text: MYSQL_TYPE_STRING
        case .bytes: MYSQL_TYPE_BLOB
        }
    }
}
