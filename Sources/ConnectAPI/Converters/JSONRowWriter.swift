public import NIOCore
import Synchronization

/// Writes packed rows as JSON into memory that it keeps.
final class JSONRowWriter: @unchecked Sendable {
    /// What stands before a field's value, and how it is written.
    private struct Field {
        enum Form {
            case integer, boolean, float32, float64, string, base64
        }

        let form: Form
        let isOptional: Bool
        /// Where its opening ends in `openings`.
        let end: Int
    }

    private var schema: Schema?
    private var fields: [Field] = []
    /// The envelope with the first field's opening, then those of the other fields.
    private var openings: [UInt8] = []
    private var closing: [UInt8] = []
    private var memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 1 << 16)
    private var capacity = 1 << 16
    private var position = 0

    deinit { memory.deallocate() }

    /// Appends the rows to a buffer. See ``RowConverter``.
    func write(
        _ rows: RecordRows, _ plan: JSONPlan, envelope: [UInt8], options: JSONConverter.Options,
        into buffer: inout ByteBuffer, ends: inout [Int]
    ) -> Bool {
        guard prepare(plan, envelope, options) else { return false }
        position = 0
        let start = buffer.writerIndex
        let known = ends.count
        ends.reserveCapacity(known + rows.count)
        let isWritten = rows.cells.withUnsafeBufferPointer { cells in
            rows.nulls.withUnsafeBufferPointer { nulls in
                rows.data.withUnsafeBufferPointer { data in
                    openings.withUnsafeBufferPointer { openings in
                        writeAll(rows.count, cells, nulls, data, openings, start, &ends)
                    }
                }
            }
        }
        guard isWritten else {
            ends.removeSubrange(known...)
            return false
        }
        buffer.writeBytes(UnsafeRawBufferPointer(start: memory, count: position))
        return true
    }

    private func prepare(_ plan: JSONPlan, _ envelope: [UInt8], _ options: JSONConverter.Options) -> Bool {
        if schema === plan.schema { return true }
        guard case .structure(let plans) = plan.kind else { return false }
        var fields: [Field] = []
        var openings = options.schemasEnabled ? envelope : []
        for field in plans {
            let form: Field.Form
            switch field.plan.kind {
            case .int8, .int16, .int32, .int64: form = .integer
            case .boolean: form = .boolean
            case .float32: form = .float32
            case .float64: form = .float64
            case .string: form = .string
            case .bytes: form = .base64
            case .decimal where !options.decimalsAsNumbers: form = .base64
            default: return false
            }
            guard field.plan.schema.defaultValue == nil else { return false }
            openings += field.opening
            fields.append(Field(form: form, isOptional: field.plan.schema.isOptional, end: openings.count))
        }
        (self.fields, self.openings, schema) = (fields, openings, plan.schema)
        closing = Array((options.schemasEnabled ? "}}" : "}").utf8)
        return true
    }

    private func writeAll(
        _ count: Int, _ cells: UnsafeBufferPointer<Int64>, _ nulls: UnsafeBufferPointer<UInt8>,
        _ data: UnsafeBufferPointer<UInt8>, _ openings: UnsafeBufferPointer<UInt8>, _ start: Int, _ ends: inout [Int]
    ) -> Bool {
        fields.withUnsafeBufferPointer { fields in
            var place = 0
            for _ in 0..<count {
                // Room for all that has a bounded size: openings, numbers, brackets.
                reserve(openings.count + fields.count * 32 + 8)
                var opening = 0
                for field in fields {
                    append(openings, opening..<field.end)
                    opening = field.end
                    let cell = cells[place]
                    if nulls[place] != 0 {
                        guard field.isOptional else { return false }
                        append("null")
                    } else {
                        write(field.form, cell, data, openings.count - opening + fields.count * 32 + 8)
                    }
                    place += 1
                }
                for byte in closing { put(byte) }
                ends.append(start + position)
            }
            return true
        }
    }

    /// `room` is what must be left afterwards for the rest of the row.
    @inline(__always)
    private func write(_ form: Field.Form, _ cell: Int64, _ data: UnsafeBufferPointer<UInt8>, _ room: Int) {
        switch form {
        case .integer: integer(cell)
        case .boolean: append(cell != 0 ? "true" : "false")
        case .float32: number(Float(bitPattern: UInt32(truncatingIfNeeded: cell)))
        case .float64: number(Double(bitPattern: UInt64(bitPattern: cell)))
        case .string: string(UnsafeBufferPointer(rebasing: data[RecordRows.range(cell)]), room)
        case .base64:
            let bytes = data[RecordRows.range(cell)]
            reserve(bytes.count / 3 * 4 + 8 + room)
            var text = JSONWriter()
            text.base64(Array(bytes))
            append(text.bytes)
        }
    }

    // MARK: values

    private func integer(_ number: Int64) {
        var magnitude = number.magnitude
        if number < 0 { put(UInt8(ascii: "-")) }
        var digits = 1
        var power: UInt64 = 10
        while digits < 19, magnitude >= power {
            digits += 1
            power &*= 10
        }
        var end = position + digits
        position = end
        repeat {
            end -= 1
            memory[end] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: magnitude % 10)
            magnitude /= 10
        } while magnitude > 0
    }

    private func number(_ value: Float) {
        var text = JSONWriter()
        text.float(value)
        append(text.bytes)
    }

    private func number(_ value: Double) {
        var text = JSONWriter()
        text.double(value)
        append(text.bytes)
    }

    private func string(_ text: UnsafeBufferPointer<UInt8>, _ room: Int) {
        reserve(text.count + 2 + room)
        guard Self.isPlain(text) else {
            var writer = JSONWriter()
            writer.string(String(decoding: text, as: UTF8.self))
            reserve(writer.bytes.count + room)
            return append(writer.bytes)
        }
        put(UInt8(ascii: "\""))
        if let base = text.baseAddress { (memory + position).update(from: base, count: text.count) }
        position += text.count
        put(UInt8(ascii: "\""))
    }

    /// Whether a text is ASCII without anything to escape.
    private static func isPlain(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        let bytes = UnsafeRawBufferPointer(text)
        let (ones, highs): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
        func hasZero(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & highs }
        var index = 0
        while index &+ 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let isControl = (word &- ones &* 0x20) & ~word & highs
            guard (word & highs) | isControl | hasZero(word ^ (ones &* 0x22)) | hasZero(word ^ (ones &* 0x5c)) == 0
            else { return false }
            index &+= 8
        }
        while index < bytes.count {
            let byte = bytes[index]
            guard byte >= 0x20, byte < 0x80, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else {
                return false
            }
            index &+= 1
        }
        return true
    }

    // MARK: memory

    @inline(__always)
    private func reserve(_ count: Int) {
        if capacity - position < count { grow(count) }
    }

    @inline(never)
    private func grow(_ count: Int) {
        let larger = max(capacity * 2, position + count)
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        copy.update(from: memory, count: position)
        memory.deallocate()
        (memory, capacity) = (copy, larger)
    }

    /// The room has been reserved.
    @inline(__always)
    private func put(_ byte: UInt8) {
        memory[position] = byte
        position += 1
    }

    @inline(__always)
    private func append(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
        guard let base = bytes.baseAddress else { return }
        (memory + position).update(from: base + range.lowerBound, count: range.count)
        position += range.count
    }

    private func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBufferPointer { append($0, 0..<$0.count) }
    }

    @inline(__always)
    private func append(_ text: StaticString) {
        append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), 0..<text.utf8CodeUnitCount)
    }
}

extension JSONConverter: RowConverter {
    /// Appends the JSON of rows. See ``RowConverter``.
    public func fromConnect(rows: RecordRows, into buffer: inout ByteBuffer, ends: inout [Int]) -> Bool {
        state.withLock { state in
            guard let entry = try? state.writePlans.entry(for: rows.valueSchema, options: state.options) else {
                return false
            }
            return state.rowWriter.write(
                rows, entry.plan, envelope: entry.envelope, options: state.options, into: &buffer, ends: &ends)
        }
    }
}
