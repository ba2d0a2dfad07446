import ConnectAPI

/// Reads the binary form of values. All of it is big-endian; every length is checked.
enum PostgreSQLValue {
    /// Days from 1970-01-01 to 2000-01-01, from which PostgreSQL counts.
    private static let epochDays = 10_957
    private static let epochMicroseconds = Int64(epochDays) * 86_400_000_000

    /// Values that go into packed rows as they are, or nearly so.
    enum Packing {
        case int32, int64, text, other

        init(_ form: PostgreSQLType.Form, _ decoder: ColumnDecoder) {
            switch (form, decoder) {
            case (.int32, .int32): self = .int32
            case (.int64, .int64): self = .int64
            case (.text, .string), (.bytes, .bytes): self = .text
            default: self = .other
            }
        }
    }

    /// The value of a column; nil if a record cannot carry it.
    static func decode(
        _ bytes: UnsafeRawBufferPointer, _ form: PostgreSQLType.Form, _ decoder: ColumnDecoder,
        _ options: DecodingOptions
    ) -> ConnectValue? {
        switch decoder {
        case .int8: return integer(bytes, form).flatMap { Int8(exactly: $0) }.map { .int8($0) }
        case .int16: return integer(bytes, form).flatMap { Int16(exactly: $0) }.map { .int16($0) }
        case .int32: return integer(bytes, form).flatMap { Int32(exactly: $0) }.map { .int32($0) }
        case .int64: return integer(bytes, form).map { .int64($0) }
        case .boolean: return boolean(bytes, form)
        case .float32:
            return form == .float32 ? load(bytes, UInt32.self).map { .float32(Float(bitPattern: $0)) } : nil
        case .float64: return float64(bytes, form).map { .float64($0) }
        case .string: return text(bytes, form).map { .string($0) }
        case .bytes: return .bytes(Array(form == .bits ? bytes.dropFirst(4) : bytes[...]))
        case .decimal(let scale): return decimal(bytes, scale)
        case .bits(let width): return bits(bytes, width)
        case .array(let element): return array(bytes, form, element, options)
        case .date:
            guard let days = load(bytes, UInt32.self).map({ Int32(bitPattern: $0) }), days != .max, days != .min else {
                return nil
            }
            return .int32(days &+ Int32(epochDays))
        case .time:
            // The JDBC connector reads a time with a zone as the time of day in UTC.
            guard let time = load(bytes.prefixed(8), UInt64.self).map({ Int64(bitPattern: $0) }) else { return nil }
            var microseconds = time
            if form == .timeWithZone, bytes.count == 12,
                let offset = load(UnsafeRawBufferPointer(rebasing: bytes[8...]), UInt32.self)
            {
                microseconds += Int64(Int32(bitPattern: offset)) * 1_000_000
            }
            let day: Int64 = 86_400_000_000
            return .int32(Int32(truncatingIfNeeded: ((microseconds % day + day) % day) / 1_000))
        case .timestamp(let granularity): return timestamp(bytes, form, granularity, options)
        case .localMicroseconds: return microseconds(bytes).map { .int64($0) }
        case .year: return nil
        }
    }

    /// A value as text, for the database's own answers.
    private static func text(_ bytes: UnsafeRawBufferPointer, _ form: PostgreSQLType.Form) -> String? {
        switch form {
        case .jsonb: return bytes.first == 1 ? String(decoding: bytes.dropFirst(), as: UTF8.self) : nil
        case .uuid: return bytes.count == 16 ? uuid(bytes) : nil
        case .int16, .int32, .int64, .oid: return integer(bytes, form).map { "\($0)" }
        case .boolean: return bytes.first.map { $0 != 0 ? "t" : "f" }
        case .numeric: return numericText(bytes).map { String(decoding: $0, as: UTF8.self) }
        case .timestamp, .timestampWithZone:
            return microseconds(bytes).map { value in
                var text: [UInt8] = []
                CivilTime.appendTimestamp(microseconds: value, to: &text)
                return String(decoding: text, as: UTF8.self)
            }
        default: return String(decoding: bytes, as: UTF8.self)
        }
    }

    // MARK: numbers

    private static func load<Value: FixedWidthInteger>(_ bytes: UnsafeRawBufferPointer, _: Value.Type) -> Value? {
        guard bytes.count == MemoryLayout<Value>.size else { return nil }
        return Value(bigEndian: bytes.loadUnaligned(as: Value.self))
    }

    private static func integer(_ bytes: UnsafeRawBufferPointer, _ form: PostgreSQLType.Form) -> Int64? {
        switch form {
        case .int16: return load(bytes, UInt16.self).map { Int64(Int16(bitPattern: $0)) }
        case .int32: return load(bytes, UInt32.self).map { Int64(Int32(bitPattern: $0)) }
        case .int64: return load(bytes, UInt64.self).map { Int64(bitPattern: $0) }
        case .oid: return load(bytes, UInt32.self).map { Int64($0) }
        case .boolean: return bytes.first.map { Int64($0) }
        case .numeric: return numericText(bytes).flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
        default: return nil
        }
    }

    private static func float64(_ bytes: UnsafeRawBufferPointer, _ form: PostgreSQLType.Form) -> Double? {
        switch form {
        case .float64: return load(bytes, UInt64.self).map { Double(bitPattern: $0) }
        case .float32: return load(bytes, UInt32.self).map { Double(Float(bitPattern: $0)) }
        // Two digits after the point in every currency that the JDBC driver knows.
        case .money: return load(bytes, UInt64.self).map { Double(Int64(bitPattern: $0)) / 100 }
        case .numeric: return numericText(bytes).flatMap { Double(String(decoding: $0, as: UTF8.self)) }
        default: return nil
        }
    }

    private static func boolean(_ bytes: UnsafeRawBufferPointer, _ form: PostgreSQLType.Form) -> ConnectValue? {
        if form == .bits { return bytes.count == 5 ? .boolean(bytes[4] != 0) : nil }
        return bytes.count == 1 ? .boolean(bytes[0] != 0) : nil
    }

    private static func bits(
        _ bytes: UnsafeRawBufferPointer, _ width: SQLColumnType.IntegerWidth
    ) -> ConnectValue? {
        guard bytes.count >= 4, let count = load(bytes.prefixed(4), UInt32.self), count <= 64, bytes.count <= 12 else {
            return nil
        }
        let packed = bytes.dropFirst(4).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let value = Int64(bitPattern: packed >> UInt64((8 - Int(count) % 8) % 8))
        switch width {
        case .int8: return Int8(exactly: value).map { .int8($0) }
        case .int16: return Int16(exactly: value).map { .int16($0) }
        case .int32: return Int32(exactly: value).map { .int32($0) }
        case .int64, .unsigned64: return .int64(value)
        }
    }

    private static func decimal(_ bytes: UnsafeRawBufferPointer, _ scale: Int) -> ConnectValue? {
        guard let text = numericText(bytes) else { return nil }
        return text.withUnsafeBytes { DecimalText.unscaled($0, scale: scale).map { .bytes($0) } }
    }

    /// The decimal text of a `numeric`: digits in base 10,000 with the weight of the first. Nil for NaN and infinity.
    static func numericText(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
        guard bytes.count >= 8 else { return nil }
        func short(_ offset: Int) -> UInt16 {
            UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
        }
        let count = Int(short(0))
        let weight = Int(Int16(bitPattern: short(2)))
        let sign = short(4)
        let scale = Int(short(6))
        guard bytes.count == 8 + count * 2, sign == 0 || sign == 0x4000 else { return nil }
        var text: [UInt8] = []
        text.reserveCapacity(max(weight + 1, 1) * 4 + scale + 2)
        if sign != 0 { text.append(UInt8(ascii: "-")) }
        func append(_ group: Int) {
            for divisor in [1_000, 100, 10, 1] { text.append(48 + UInt8(group / divisor % 10)) }
        }
        func group(_ index: Int) -> Int { index >= 0 && index < count ? Int(short(8 + index * 2)) : 0 }
        if weight < 0 { text.append(48) } else { for index in 0...weight { append(group(index)) } }
        guard scale > 0 else { return text }
        text.append(UInt8(ascii: "."))
        let end = text.count + scale
        var index = weight + 1
        while text.count < end {
            append(group(index))
            index += 1
        }
        text.removeLast(text.count - end)
        return text
    }

    private static func uuid(_ bytes: UnsafeRawBufferPointer) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(unsafeUninitializedCapacity: 36) { buffer in
            var position = 0
            for (index, byte) in bytes.enumerated() {
                if [4, 6, 8, 10].contains(index) {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                buffer[position] = digits[Int(byte >> 4)]
                buffer[position + 1] = digits[Int(byte & 15)]
                position += 2
            }
            return position
        }
    }

    // MARK: times

    /// Microseconds since 1970-01-01 00:00; nil for infinity.
    private static func microseconds(_ bytes: UnsafeRawBufferPointer) -> Int64? {
        guard let value = load(bytes, UInt64.self).map({ Int64(bitPattern: $0) }), value != .max, value != .min else {
            return nil
        }
        let (sum, overflow) = value.addingReportingOverflow(epochMicroseconds)
        return overflow ? nil : sum
    }

    private static func timestamp(
        _ bytes: UnsafeRawBufferPointer, _ form: PostgreSQLType.Form, _ granularity: TimestampGranularity,
        _ options: DecodingOptions
    ) -> ConnectValue? {
        guard let microseconds = microseconds(bytes) else { return nil }
        guard form == .timestampWithZone else {
            return granularity.value(localMicroseconds: microseconds, zone: options.zone)
        }
        switch granularity {
        // Texts tell what a clock in db.timezone shows; numbers are the instant.
        case .microsISO, .nanosISO:
            let (milliseconds, rest) = CivilTime.split(microseconds: microseconds)
            let local = options.zone.local(fromUTC: milliseconds) &* 1_000 &+ rest
            return granularity.value(localMicroseconds: local, zone: .utc)
        default: return granularity.value(localMicroseconds: microseconds, zone: .utc)
        }
    }

    // MARK: arrays

    /// `dimensions, has nulls, element type`, `length, lower bound` of each dimension, then the elements.
    private static func array(
        _ bytes: UnsafeRawBufferPointer, _ form: PostgreSQLType.Form, _ element: ColumnDecoder,
        _ options: DecodingOptions
    ) -> ConnectValue? {
        guard case .array(let elementForm) = form, bytes.count >= 12 else { return nil }
        func long(_ offset: Int) -> Int {
            Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
        }
        let dimensions = long(0)
        if dimensions == 0 { return .array([]) }
        guard dimensions == 1, bytes.count >= 20 else { return nil }
        let count = long(12)
        guard count >= 0, count <= (bytes.count - 20) / 4 else { return nil }
        var values: [ConnectValue] = []
        values.reserveCapacity(count)
        var offset = 20
        for _ in 0..<count {
            guard offset + 4 <= bytes.count else { return nil }
            let length = long(offset)
            offset += 4
            if length < 0 {
                values.append(.null)
                continue
            }
            guard offset + length <= bytes.count else { return nil }
            let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
            guard let value = decode(part, elementForm, element, options) else { return nil }
            values.append(value)
            offset += length
        }
        return .array(values)
    }
}

extension UnsafeRawBufferPointer {
    /// The first bytes; all if there are fewer.
    fileprivate func prefixed(_ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: prefix(count))
    }
}
