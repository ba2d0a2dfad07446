/// Cuts bytes into lines, which end in `\n`, `\r` or `\r\n`. What has no end yet waits for more. Pure.
struct LineSplitter {
    /// A line, and the position after its end.
    struct Line: Equatable {
        var text: String
        var end: Int64
    }

    /// The longest line, in bytes; a longer one is an error, for it would be held in memory.
    static let limit = 16 * 1024 * 1024

    private var buffer: [UInt8] = []
    /// Bytes of the buffer that have been cut off already.
    private var start = 0
    /// Bytes of the buffer that are known to hold no line's end.
    private var searched = 0
    /// The position of the buffer's first byte.
    private var base: Int64

    /// - Parameter position: of the first byte that will be added.
    init(position: Int64) {
        base = position
    }

    /// The position after the last line that was taken.
    var position: Int64 { base + Int64(start) }

    /// The position of the next byte to add.
    var readPosition: Int64 { base + Int64(buffer.count) }

    /// Whether more may be added before lines are taken.
    var isFull: Bool { buffer.count - start > Self.limit }

    mutating func append(_ bytes: some Collection<UInt8>) {
        if start > 0 {
            buffer.removeSubrange(..<start)
            base += Int64(start)
            searched -= start
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next line; nil if there is none with an end.
    mutating func next() -> Line? {
        var index = max(searched, start)
        while index < buffer.count {
            let byte = buffer[index]
            if byte == UInt8(ascii: "\n") { return take(upTo: index, endLength: 1) }
            if byte == UInt8(ascii: "\r") {
                // Its other half may still come.
                guard index + 1 < buffer.count else { break }
                return take(upTo: index, endLength: buffer[index + 1] == UInt8(ascii: "\n") ? 2 : 1)
            }
            index += 1
        }
        searched = index
        return nil
    }

    /// What is left without an end, when it is known that none will come; nil if nothing is.
    mutating func rest() -> Line? {
        guard start < buffer.count else { return nil }
        let endsInReturn = buffer.last == UInt8(ascii: "\r")
        return take(upTo: buffer.count - (endsInReturn ? 1 : 0), endLength: endsInReturn ? 1 : 0)
    }

    private mutating func take(upTo end: Int, endLength: Int) -> Line {
        let text = String(decoding: buffer[start..<end], as: UTF8.self)
        start = end + endLength
        searched = start
        return Line(text: text, end: base + Int64(start))
    }
}
