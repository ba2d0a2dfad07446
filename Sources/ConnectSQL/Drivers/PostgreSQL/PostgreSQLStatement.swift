import CPostgreSQL

/// A prepared statement whose parameters are single values. The server finds their types from where they stand, so that
/// a text may be a timestamp or a JSON document there.
final class PostgreSQLStatement: SQLWrite {
    private let connection: PostgreSQLConnection
    private let libpq: UnsafePointer<PostgreSQLFunctions>
    private var name: String

    init(_ connection: PostgreSQLConnection, _ text: SQLWriteText) throws(SQLError) {
        self.connection = connection
        libpq = connection.libpq
        name = try connection.prepare(text.text())
    }

    func execute(_ batch: ParameterBatch) throws(SQLError) {
        for row in 0..<batch.count { try execute(batch.columns, row) }
    }

    func close() {
        guard !name.isEmpty else { return }
        connection.deallocate(name)
        name = ""
    }

    private func execute(_ columns: [ParameterBatch.Column], _ row: Int) throws(SQLError) {
        var values: [[UInt8]?] = []
        for column in columns { values.append(try Self.bytes(of: column, row)) }
        let buffers = values.map { value in
            value.map { bytes in
                let buffer = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count + 1)
                for (index, byte) in bytes.enumerated() { buffer[index] = CChar(bitPattern: byte) }
                buffer[bytes.count] = 0
                return buffer
            }
        }
        defer { for buffer in buffers { buffer?.deallocate() } }
        let sent = libpq.pointee.PQsendQueryPrepared(
            try connection.open(), name, Int32(columns.count), buffers.map { UnsafePointer($0?.baseAddress) },
            values.map { Int32(truncatingIfNeeded: $0?.count ?? 0) }, columns.map { $0.kind == .bytes ? 1 : 0 }, 1)
        guard sent == 1 else { throw connection.failure(nil) }
        try connection.finishCommand()
    }

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
