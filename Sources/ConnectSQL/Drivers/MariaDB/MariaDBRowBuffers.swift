import CMariaDB
import ConnectAPI

/// Where the library puts the values of the current row: one buffer per column, made once per result shape.
final class MariaDBRowBuffers {
    /// What tells a column of one result from that of the next.
    private struct Shape: Equatable {
        let type: enum_field_types.RawValue
        let flags: UInt32
        let length: UInt
        let decimals: UInt32
        let charset: UInt32
        let name: String
    }

    /// How a column is held. Numbers and dates have one size; the rest has a length.
    private enum Form {
        case integer, float, double, time, bytes
    }

    /// What is handed to the library.
    let binds: UnsafeMutablePointer<MYSQL_BIND>
    private let shapes: [Shape]
    private let forms: [Form]
    private let isUnsigned: UnsafeMutablePointer<Bool>
    private let isInteger: UnsafeMutablePointer<Bool>
    private let isBytes: UnsafeMutablePointer<Bool>
    private let nulls: UnsafeMutablePointer<CChar>
    private let errors: UnsafeMutablePointer<CChar>
    private let lengths: UnsafeMutablePointer<UInt>
    /// One per column. Pointers to constants: reading them costs no exclusivity check per value.
    private let buffers: UnsafeMutablePointer<UnsafeMutableRawBufferPointer>

    init(_ fields: UnsafeBufferPointer<MYSQL_FIELD>) {
        let count = max(fields.count, 1)
        shapes = fields.map { Self.shape($0) }
        forms = fields.map { Self.form($0.type) }
        isUnsigned = .allocate(capacity: count)
        isInteger = .allocate(capacity: count)
        isBytes = .allocate(capacity: count)
        buffers = .allocate(capacity: count)
        binds = .allocate(capacity: count)
        nulls = .allocate(capacity: count)
        errors = .allocate(capacity: count)
        lengths = .allocate(capacity: count)
        nulls.initialize(repeating: 0, count: count)
        errors.initialize(repeating: 0, count: count)
        lengths.initialize(repeating: 0, count: count)
        for (index, field) in fields.enumerated() {
            isUnsigned[index] = MariaDBType.has(field, UNSIGNED_FLAG)
            isInteger[index] = Self.form(field.type) == .integer
            isBytes[index] = Self.form(field.type) == .bytes
            buffers[index] =
                switch Self.form(field.type) {
                case .integer, .float, .double: .allocate(byteCount: 8, alignment: 8)
                case .time: .allocate(byteCount: MemoryLayout<MYSQL_TIME>.size, alignment: 8)
                // Long values are rare: a longer buffer is made when the first one comes.
                case .bytes: .allocate(byteCount: min(max(Int(field.length), 1), 256), alignment: 1)
                }
            var bind = MYSQL_BIND()
            bind.buffer_type = Self.bufferType(field.type)
            bind.is_unsigned = isUnsigned[index] ? 1 : 0
            bind.is_null = nulls + index
            bind.error = errors + index
            bind.length = lengths + index
            bind.buffer = buffers[index].baseAddress
            bind.buffer_length = UInt(buffers[index].count)
            binds[index] = bind
        }
    }

    deinit {
        for index in forms.indices { buffers[index].deallocate() }
        buffers.deallocate()
        isUnsigned.deallocate()
        isInteger.deallocate()
        isBytes.deallocate()
        lengths.deallocate()
        errors.deallocate()
        nulls.deallocate()
        binds.deallocate()
    }

    /// Whether the buffers were made for these columns.
    func describes(_ fields: UnsafeBufferPointer<MYSQL_FIELD>) -> Bool {
        fields.count == shapes.count && zip(fields, shapes).allSatisfy { Self.shape($0) == $1 }
    }

    /// Fetches the values of the current row that were longer than their buffers, into longer ones.
    func fetchLongValues(of statement: MariaDBStatement) throws(SQLError) {
        let mariaDB = statement.mariaDB
        for index in forms.indices where forms[index] == .bytes && lengths[index] > UInt(buffers[index].count) {
            var size = max(buffers[index].count, 256)
            while size < Int(lengths[index]) { size *= 2 }
            buffers[index].deallocate()
            buffers[index] = .allocate(byteCount: size, alignment: 1)
            binds[index].buffer = buffers[index].baseAddress
            binds[index].buffer_length = UInt(size)
            guard mariaDB.pointee.mysql_stmt_fetch_column(statement.handle, binds + index, UInt32(index), 0) == 0 else {
                throw statement.failure()
            }
        }
        guard mariaDB.pointee.mysql_stmt_bind_result(statement.handle, binds) == 0 else { throw statement.failure() }
    }

    /// The value of a column of the current row; nil if a record cannot carry it.
    func value(_ index: Int, _ decoder: ColumnDecoder, _ options: DecodingOptions) -> ConnectValue? {
        guard nulls[index] == 0 else { return .null }
        switch decoder {
        case .int8: return whole(index).flatMap { Int8(exactly: $0) }.map { .int8($0) }
        case .int16: return whole(index).flatMap { Int16(exactly: $0) }.map { .int16($0) }
        case .int32: return whole(index).flatMap { Int32(exactly: $0) }.map { .int32($0) }
        case .int64:
            guard let value = whole(index) else { return nil }
            return isUnsigned[index] && value < 0 ? nil : .int64(value)
        case .boolean: return .boolean(integer(index) != 0)
        case .float32: return .float32(buffers[index].load(as: Float.self))
        case .float64:
            // A DECIMAL comes as text.
            if forms[index] == .bytes { return Double(text(index)).map { .float64($0) } }
            return .float64(buffers[index].load(as: Double.self))
        case .string: return .string(text(index))
        case .bytes: return .bytes(Array(bytes(index)))
        case .decimal(let scale): return DecimalText.unscaled(bytes(index), scale: scale).map { .bytes($0) }
        case .bits(let width): return bits(index, width)
        case .year: return .int32(Int32(CivilTime.days(year: Int(integer(index)), month: 1, day: 1)))
        case .array: return nil
        case .date, .time, .timestamp, .localMicroseconds: return dateOrTime(index, decoder, options)
        }
    }

    /// Appends the value of a column of the current row to packed rows; false if a record cannot carry it.
    func append(
        _ index: Int, _ decoder: ColumnDecoder, _ options: DecodingOptions, to rows: inout RecordRows
    ) -> Bool {
        guard nulls[index] == 0 else {
            rows.appendNull()
            return true
        }
        switch decoder {
        case .int32 where isInteger[index]:
            guard let value = Int32(exactly: integer(index)) else { return false }
            rows.append(Int64(value))
        case .int64 where isInteger[index]:
            let value = integer(index)
            guard !isUnsigned[index] || value >= 0 else { return false }
            rows.append(value)
        case .string where isBytes[index], .bytes where isBytes[index]: rows.append(bytes(index))
        default: return value(index, decoder, options).map { rows.append($0) } ?? false
        }
        return true
    }

    // MARK: values

    /// A whole number; nil if a DECIMAL has more digits.
    private func whole(_ index: Int) -> Int64? {
        forms[index] == .bytes ? Int64(text(index)) : integer(index)
    }

    private func integer(_ index: Int) -> Int64 {
        buffers[index].load(as: Int64.self)
    }

    /// Any value as the server would write it.
    private func text(_ index: Int) -> String {
        switch forms[index] {
        case .bytes: return String(decoding: bytes(index), as: UTF8.self)
        case .integer: return isUnsigned[index] ? "\(UInt64(bitPattern: integer(index)))" : "\(integer(index))"
        case .float: return "\(buffers[index].load(as: Float.self))"
        case .double: return "\(buffers[index].load(as: Double.self))"
        case .time:
            let time = buffers[index].load(as: MYSQL_TIME.self)
            let days = CivilTime.days(year: Int(time.year), month: Int(time.month), day: Int(time.day))
            let seconds = Int64(time.hour) * 3_600 + Int64(time.minute) * 60 + Int64(time.second)
            var text: [UInt8] = []
            CivilTime.appendTimestamp(
                microseconds: (Int64(days) * 86_400 + seconds) * 1_000_000 + Int64(time.second_part), to: &text)
            return String(decoding: text, as: UTF8.self)
        }
    }

    private func bytes(_ index: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: buffers[index].baseAddress, count: min(Int(lengths[index]), buffers[index].count))
    }

    private func bits(_ index: Int, _ width: SQLColumnType.IntegerWidth) -> ConnectValue? {
        let value = Int64(bitPattern: bytes(index).suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        switch width {
        case .int8: return Int8(exactly: value).map { .int8($0) }
        case .int16: return Int16(exactly: value).map { .int16($0) }
        case .int32: return Int32(exactly: value).map { .int32($0) }
        case .int64, .unsigned64: return .int64(value)
        }
    }

    private func dateOrTime(_ index: Int, _ decoder: ColumnDecoder, _ options: DecodingOptions) -> ConnectValue? {
        let time = buffers[index].load(as: MYSQL_TIME.self)
        let ofDay =
            Int64(time.hour) * 3_600_000 + Int64(time.minute) * 60_000 + Int64(time.second) * 1_000
            + Int64(time.second_part / 1_000)
        if decoder == .time {
            guard time.neg == 0, time.day == 0, time.hour < 24 else { return nil }
            return .int32(Int32(ofDay))
        }
        var year = Int(time.year)
        var month = Int(time.month)
        var day = Int(time.day)
        if month == 0 || day == 0 {
            switch options.zeroDates {
            case .fail: return nil
            case .null: return .null
            case .round: (year, month, day) = (max(year, 1), max(month, 1), max(day, 1))
            }
        }
        let days = CivilTime.days(year: year, month: month, day: day)
        if decoder == .date { return .int32(Int32(days)) }
        let milliseconds = Int64(days) * CivilTime.millisecondsPerDay + ofDay
        switch decoder {
        case .timestamp(.connectLogical): return .int64(options.zone.utc(fromLocal: milliseconds))
        case .timestamp(let granularity):
            let local = milliseconds * 1_000 + Int64(time.second_part % 1_000)
            return granularity.value(localMicroseconds: local, zone: options.zone)
        default: return .int64(milliseconds * 1_000 + Int64(time.second_part % 1_000))
        }
    }

    // MARK: forms

    private static func shape(_ field: MYSQL_FIELD) -> Shape {
        Shape(
            type: field.type.rawValue, flags: field.flags, length: field.length, decimals: field.decimals,
            charset: field.charsetnr, name: field.name.map { String(cString: $0) } ?? "")
    }

    private static func form(_ type: enum_field_types) -> Form {
        switch type {
        case MYSQL_TYPE_TINY, MYSQL_TYPE_SHORT, MYSQL_TYPE_INT24, MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG,
            MYSQL_TYPE_YEAR:
            .integer
        case MYSQL_TYPE_FLOAT: .float
        case MYSQL_TYPE_DOUBLE: .double
        case MYSQL_TYPE_DATE, MYSQL_TYPE_NEWDATE, MYSQL_TYPE_TIME, MYSQL_TYPE_TIME2, MYSQL_TYPE_DATETIME,
            MYSQL_TYPE_DATETIME2, MYSQL_TYPE_TIMESTAMP, MYSQL_TYPE_TIMESTAMP2:
            .time
        default: .bytes
        }
    }

    private static func bufferType(_ type: enum_field_types) -> enum_field_types {
        switch form(type) {
        case .integer: MYSQL_TYPE_LONGLONG
        case .float: MYSQL_TYPE_FLOAT
        case .double: MYSQL_TYPE_DOUBLE
        case .time: type
        case .bytes: MYSQL_TYPE_BLOB
        }
    }
}
