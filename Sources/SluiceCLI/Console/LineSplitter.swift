import NIOCore

/// Cuts a stream of bytes into lines; `\n` and `\r\n` end one, and the end of the input ends the last.
struct LineSplitter {
    private var pending = ByteBuffer()

    /// Takes more input and gives the lines that it completes.
    mutating func lines(adding chunk: ByteBuffer) -> [ByteBuffer] {
        pending.writeImmutableBuffer(chunk)
        var lines: [ByteBuffer] = []
        while let end = pending.readableBytesView.firstIndex(of: 0x0A) {
            let length = end - pending.readerIndex
            guard let line = pending.readSlice(length: length) else { break }
            pending.moveReaderIndex(forwardBy: 1)
            lines.append(Self.withoutCarriageReturn(line))
        }
        // The lines share the old storage: the rest moves to its own, or the old would be copied at the next write.
        var rest = ByteBuffer()
        rest.writeImmutableBuffer(pending)
        pending = rest
        return lines
    }

    /// Gives the last line, if the input did not end with a line end.
    mutating func finish() -> ByteBuffer? {
        defer { pending = ByteBuffer() }
        return pending.readableBytes > 0 ? Self.withoutCarriageReturn(pending) : nil
    }

    private static func withoutCarriageReturn(_ line: ByteBuffer) -> ByteBuffer {
        guard line.readableBytesView.last == 0x0D else { return line }
        return line.getSlice(at: line.readerIndex, length: line.readableBytes - 1) ?? line
    }
}
