/// A prepared statement whose parameters are single values. The server finds their types from where they stand, so that
/// a text may be a timestamp or a JSON document there.
final class PostgreSQLStatement: SQLWrite {
    private let connection: PostgreSQLConnection
    private let command: PostgreSQLCommand

    init(_ connection: PostgreSQLConnection, _ text: SQLWriteText) throws(SQLError) {
        self.connection = connection
        command = try PostgreSQLCommand(connection, text)
    }

    func execute(_ batch: ParameterBatch) throws(SQLError) {
        for row in 0..<batch.count {
            var values: [[UInt8]?] = []
            for column in batch.columns { values.append(try Self.bytes(of: column, row)) }
            try command.send(values, isBinary: batch.columns.map { $0.kind == .bytes })
            try connection.finishCommand()
        }
    }

    func close() { command.close() }

    /// Bytes as they are, everything else as text; nil for null.
    private static func bytes(of column: ParameterBatch.Column, _ row: Int) throws(SQLError) -> [UInt8]? {
        guard column.nulls[row] == 0 else { return nil }
        switch column.kind {
        case .integer: return Array("\(column.integers[row])".utf8)
        case .real: return Array("\(column.reals[row])".utf8)
        case .bytes: return Array(column.data[column.range(row)])
        case .text:
            let bytes = Array(column.data[column.range(row)])
            guard !bytes.contains(0) else {
                throw SQLError(.data, sqlState: "22021", "a text holds U+0000, which PostgreSQL does not store")
            }
            return bytes
        }
    }
}
