import CPostgreSQL

/// A prepared statement that gives no rows.
final class PostgreSQLCommand {
    private let connection: PostgreSQLConnection
    private var name: String

    init(_ connection: PostgreSQLConnection, _ text: SQLWriteText) throws(SQLError) {
        self.connection = connection
        name = try connection.prepare(text.text())
    }

    /// Sends it with these parameters, nil for null; ``PostgreSQLConnection/finishCommand()`` waits for its end.
    /// - Parameter isBinary: of each parameter, whether it is in binary form or a text.
    func send(_ parameters: [[UInt8]?], isBinary: [Bool]) throws(SQLError) {
        let handle = try connection.open()
        let sent = PostgreSQLParameters.withPointers(parameters) { values in
            connection.libpq.pointee.PQsendQueryPrepared(
                handle, name, Int32(parameters.count), values,
                parameters.map { Int32(truncatingIfNeeded: $0?.count ?? 0) }, isBinary.map { $0 ? 1 : 0 }, 1)
        }
        guard sent == 1 else { throw connection.failure(nil) }
    }

    func close() {
        guard !name.isEmpty else { return }
        connection.deallocate(name)
        name = ""
    }
}

/// Parameters as the library takes them.
enum PostgreSQLParameters {
    /// Parameters in text form.
    static func withTexts<Result>(_ parameters: [SQLParameter], _ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
        withPointers(
            parameters.map { parameter in
                switch parameter {
                case .integer(let value): Array(String(value).utf8)
                case .text(let value): Array(value.utf8)
                }
            }, body)
    }

    /// The bytes of each parameter, with the zero that ends a text behind them. The library copies what it sends, so the
    /// pointers need to live only until it returns.
    static func withPointers<Result>(_ parameters: [[UInt8]?], _ body: ([UnsafePointer<CChar>?]) -> Result) -> Result {
        let buffers = parameters.map { bytes in
            bytes.map { bytes in
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 1, alignment: 1)
                buffer.copyBytes(from: bytes)
                buffer[bytes.count] = 0
                return buffer
            }
        }
        defer { for buffer in buffers { buffer?.deallocate() } }
        return body(buffers.map { UnsafePointer($0?.baseAddress?.assumingMemoryBound(to: CChar.self)) })
    }
}
