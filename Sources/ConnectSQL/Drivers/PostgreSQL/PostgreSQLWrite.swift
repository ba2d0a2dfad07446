/// A prepared statement whose parameters are arrays, one per column: it writes many rows at once. The next rows are
/// laid out while the server is busy with the ones before.
final class PostgreSQLWrite: SQLWrite {
    private static let rowsPerStatement = 2_000
    private static let bytesPerStatement = 8 << 20

    private let connection: PostgreSQLConnection
    private let command: PostgreSQLCommand

    init(_ connection: PostgreSQLConnection, _ text: SQLWriteText) throws(SQLError) {
        self.connection = connection
        command = try PostgreSQLCommand(connection, text)
    }

    func execute(_ batch: ParameterBatch) throws(SQLError) {
        var isBusy = false
        for range in batch.ranges(rows: Self.rowsPerStatement, bytes: Self.bytesPerStatement) {
            let arrays = batch.columns.map { PostgreSQLArray.bytes($0, range) }
            if isBusy { try connection.finishCommand() }
            try command.send(arrays, isBinary: arrays.map { _ in true })
            isBusy = true
        }
        if isBusy { try connection.finishCommand() }
    }

    func close() { command.close() }
}

/// The binary form of one-dimensional arrays.
enum PostgreSQLArray {
    /// The name of the element type, as casts in the dialect's statements have it, and its number.
    static func element(_ kind: ParameterBatch.Kind) -> (name: String, number: UInt32) {
        switch kind {
        case .integer: ("int8", 20)
        case .real: ("float8", 701)
        case .text: ("text", 25)
        case .bytes: ("bytea", 17)
        }
    }

    static func bytes(_ column: ParameterBatch.Column, _ range: Range<Int>) -> [UInt8] {
        let data =
            switch column.kind {
            case .integer, .real: range.count * 8
            case .text, .bytes:
                range.isEmpty
                    ? 0 : column.range(range.upperBound - 1).upperBound - column.range(range.lowerBound).lowerBound
            }
        let capacity = 20 + range.count * 4 + data
        return [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            var writer = Writer(buffer: UnsafeMutableRawBufferPointer(buffer))
            writer.write(UInt32(1))
            writer.write(UInt32(1))
            writer.write(element(column.kind).number)
            writer.write(UInt32(truncatingIfNeeded: range.count))
            writer.write(UInt32(1))
            for row in range {
                guard column.nulls[row] == 0 else {
                    writer.write(UInt32.max)
                    continue
                }
                switch column.kind {
                case .integer:
                    writer.write(UInt32(8))
                    writer.write(UInt64(bitPattern: column.integers[row]))
                case .real:
                    writer.write(UInt32(8))
                    writer.write(column.reals[row].bitPattern)
                case .text, .bytes:
                    let position = column.range(row)
                    writer.write(UInt32(truncatingIfNeeded: position.count))
                    column.data.withUnsafeBytes { writer.write(UnsafeRawBufferPointer(rebasing: $0[position])) }
                }
            }
            count = writer.position
        }
    }

    private struct Writer {
        let buffer: UnsafeMutableRawBufferPointer
        var position = 0

        mutating func write<Value: FixedWidthInteger>(_ value: Value) {
            buffer.storeBytes(of: value.bigEndian, toByteOffset: position, as: Value.self)
            position += MemoryLayout<Value>.size
        }

        mutating func write(_ bytes: UnsafeRawBufferPointer) {
            UnsafeMutableRawBufferPointer(rebasing: buffer[position...]).copyMemory(from: bytes)
            position += bytes.count
        }
    }
}
