import Testing

@testable import ConnectFiles

struct LineSplitterTests {
    private func all(_ splitter: inout LineSplitter) -> [LineSplitter.Line] {
        var lines: [LineSplitter.Line] = []
        while let line = splitter.next() { lines.append(line) }
        return lines
    }

    @Test func everyKindOfEnd() {
        var splitter = LineSplitter(position: 10)
        splitter.append("a\nb\r\nc\rd".utf8)
        #expect(
            all(&splitter) == [.init(text: "a", end: 12), .init(text: "b", end: 15), .init(text: "c", end: 17)])
        #expect(splitter.position == 17)
        #expect(splitter.readPosition == 18)
        splitter.append("e\n".utf8)
        #expect(all(&splitter) == [.init(text: "de", end: 20)])
    }

    /// The two halves of `\r\n` may come in two reads.
    @Test func aReturnAtTheEndWaitsForItsOtherHalf() {
        var splitter = LineSplitter(position: 0)
        splitter.append("a\r".utf8)
        #expect(all(&splitter).isEmpty)
        splitter.append("\nb\n".utf8)
        #expect(all(&splitter) == [.init(text: "a", end: 3), .init(text: "b", end: 5)])
    }

    /// Kafka's own connector counts characters here, and resumes in the wrong place.
    @Test func positionsAreBytes() {
        var splitter = LineSplitter(position: 0)
        splitter.append("grün\n".utf8)
        #expect(all(&splitter) == [.init(text: "grün", end: 6)])
    }

    @Test func theRestIsALineWhenNoEndWillCome() {
        var splitter = LineSplitter(position: 0)
        splitter.append("a\nb".utf8)
        _ = splitter.next()
        #expect(splitter.rest() == .init(text: "b", end: 3))
        #expect(splitter.rest() == nil)
    }
}
