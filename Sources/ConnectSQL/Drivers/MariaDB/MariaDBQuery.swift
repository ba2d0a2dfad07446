import CMariaDB
import ConnectAPI

/// A prepared SELECT. Rows come in the binary protocol and are not buffered by the library: what is not fetched waits
/// in the server and the network. While a result is open the connection can do nothing else.
final class MariaDBQuery: SQLQuery {
    /// The library's error for a result with other columns than the statement was prepared with.
    private static let columnsChanged = 2057

    private var statement: MariaDBStatement
    private let mariaDB: UnsafePointer<MariaDBFunctions>
    private let options: DecodingOptions
    private(set) var columns: [SQLColumn] = []
    private(set) var columnsVersion = 0
    private var buffers: MariaDBRowBuffers?
    private var isOpen = false

    init(_ statement: MariaDBStatement, _ options: DecodingOptions) throws(SQLError) {
        self.statement = statement
        mariaDB = statement.mariaDB
        self.options = options
        try describe()
    }

    func execute(_ parameters: [SQLParameter]) throws(SQLError) {
        reset()
        do throws(SQLError) {
            try bindAndExecute(parameters)
        } catch {
            guard error.code == Self.columnsChanged else { throw error }
            // Columns were added or dropped. Closing reads the result away; then the statement is prepared anew.
            statement.close()
            statement = try MariaDBStatement(statement.connection, statement.sql)
            buffers = nil
            try bindAndExecute(parameters)
        }
        isOpen = true
        try describe()
    }

    func fetchRows(_ decoders: [ColumnDecoder?], limit: Int, into rows: inout RecordRows) throws(SQLError) -> Bool {
        guard isOpen, let buffers, decoders.count == columns.count else { return false }
        let wanted = decoders.enumerated().compactMap { index, decoder in decoder.map { (index, $0) } }
        let options = options
        for _ in 0..<limit where !rows.isFull {
            guard try step(buffers) else { return false }
            for (index, decoder) in wanted {
                guard buffers.append(index, decoder, options, to: &rows) else { throw unreadable(index, decoder) }
            }
            rows.finishRow()
        }
        return true
    }

    /// Reads the next row into the buffers; false at the end of the result.
    private func step(_ buffers: MariaDBRowBuffers) throws(SQLError) -> Bool {
        switch mariaDB.pointee.mysql_stmt_fetch(statement.handle) {
        case 0: return true
        case MYSQL_DATA_TRUNCATED:
            try buffers.fetchLongValues(of: statement)
            return true
        case MYSQL_NO_DATA:
            reset()
            return false
        default:
            isOpen = false
            throw statement.failure()
        }
    }

    func fetch(
        _ decoders: [ColumnDecoder?], limit: Int, into rows: inout [[ConnectValue]]
    ) throws(SQLError) -> Bool {
        guard isOpen, let buffers, decoders.count == columns.count else { return false }
        let wanted = decoders.enumerated().compactMap { index, decoder in decoder.map { (index, $0) } }
        let options = options
        for _ in 0..<limit {
            guard try step(buffers) else { return false }
            var row: [ConnectValue] = []
            row.reserveCapacity(wanted.count)
            for (index, decoder) in wanted {
                guard let value = buffers.value(index, decoder, options) else {
                    throw unreadable(index, decoder)
                }
                row.append(value)
            }
            rows.append(row)
        }
        return true
    }

    func reset() {
        guard isOpen else { return }
        isOpen = false
        _ = mariaDB.pointee.mysql_stmt_free_result(statement.handle)
    }

    func close() {
        statement.close()
        isOpen = false
    }

    // MARK: parameters

    private func bindAndExecute(_ parameters: [SQLParameter]) throws(SQLError) {
        guard !parameters.isEmpty else { return try statement.execute() }
        let binds = UnsafeMutablePointer<MYSQL_BIND>.allocate(capacity: parameters.count)
        let lengths = UnsafeMutablePointer<UInt>.allocate(capacity: parameters.count)
        var buffers: [UnsafeMutableRawBufferPointer] = []
        defer {
            for buffer in buffers { buffer.deallocate() }
            lengths.deallocate()
            binds.deallocate()
        }
        for (index, parameter) in parameters.enumerated() {
            var bind = MYSQL_BIND()
            let buffer: UnsafeMutableRawBufferPointer
            switch parameter {
            case .integer(let value):
                buffer = .allocate(byteCount: 8, alignment: 8)
                buffer.storeBytes(of: value, as: Int64.self)
                bind.buffer_type = MYSQL_TYPE_LONGLONG
            case .text(let value):
                buffer = .allocate(byteCount: max(value.utf8.count, 1), alignment: 1)
                buffer.copyBytes(from: value.utf8)
                bind.buffer_type = MYSQL_TYPE_STRING
                lengths[index] = UInt(value.utf8.count)
                bind.length = lengths + index
            }
            bind.buffer = buffer.baseAddress
            bind.buffer_length = UInt(buffer.count)
            buffers.append(buffer)
            binds[index] = bind
        }
        guard mariaDB.pointee.mysql_stmt_bind_param(statement.handle, binds) == 0 else { throw statement.failure() }
        try statement.execute()
    }

    // MARK: columns

    /// Reads the result's columns, and makes buffers if they are not those of the execution before.
    private func describe() throws(SQLError) {
        guard let metadata = mariaDB.pointee.mysql_stmt_result_metadata(statement.handle) else {
            throw SQLError(.other, sqlState: "07005", "the statement gives no rows")
        }
        defer { mariaDB.pointee.mysql_free_result(metadata) }
        let fields = UnsafeBufferPointer(
            start: mariaDB.pointee.mysql_fetch_fields(metadata), count: Int(mariaDB.pointee.mysql_num_fields(metadata)))
        if buffers?.describes(fields) == true { return }
        let described = fields.map { MariaDBType.column($0, options) }
        let buffers = MariaDBRowBuffers(fields)
        guard mariaDB.pointee.mysql_stmt_bind_result(statement.handle, buffers.binds) == 0 else {
            throw statement.failure()
        }
        self.buffers = buffers
        columns = described
        columnsVersion += 1
    }

    private func unreadable(_ index: Int, _ decoder: ColumnDecoder) -> SQLError {
        let column = columns[index]
        switch decoder {
        case .timestamp(.nanosLong), .timestamp(.nanosString):
            return SQLError(
                .data, sqlState: "22008",
                "column \(column.label) holds a date that is zero or too far away to be told in nanoseconds; choose "
                    + "another timestamp.granularity")
        case .date, .timestamp, .localMicroseconds:
            return SQLError(
                .data, sqlState: "22007",
                "column \(column.label) holds a zero date, which records cannot carry; add "
                    + "zeroDateTimeBehavior=CONVERT_TO_NULL (or ROUND) to connection.url, or correct the row")
        case .time:
            return SQLError(
                .data, sqlState: "22007",
                "column \(column.label) holds a TIME outside of 00:00:00 to 23:59:59, which records cannot carry")
        case .int64:
            return SQLError(
                .data, sqlState: "22003",
                "column \(column.label) holds a number above 9223372036854775807, which an int64 cannot carry; "
                    + "read it through a view that casts it to DECIMAL(20,0)")
        default:
            return SQLError(
                .data, sqlState: "22018", "column \(column.label) holds a value that does not fit \(decoder)")
        }
    }
}
