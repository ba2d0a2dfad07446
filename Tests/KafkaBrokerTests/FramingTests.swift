import NIOCore
import Testing

@testable import KafkaBroker

@Suite("Frames and the order of answers")
struct FramingTests {
    private func part(_ text: String) -> [AnswerPart] { [.bytes(ByteBuffer(string: text))] }

    private func texts(_ parts: [AnswerPart]?) -> [String]? {
        parts?.map { if case .bytes(let bytes) = $0 { String(buffer: bytes) } else { "a file" } }
    }

    @Test("Frames are cut at their size, however the bytes arrive")
    func cutting() throws {
        var stream = ByteBuffer()
        for length in [8, 100, 70_000, 9] {
            stream.writeInteger(Int32(length))
            stream.writeRepeatingByte(UInt8(truncatingIfNeeded: length), count: length)
        }
        let pool = FrameBufferPool()
        for chunk in [1, 7, 4096, 70_105, 70_116, stream.readableBytes] {
            var decoder = FrameDecoder(maximumFrame: 100_000, pool: pool)
            var rest = stream
            var lengths: [Int] = []
            while rest.readableBytes > 0 {
                guard var part = rest.readSlice(length: min(chunk, rest.readableBytes)) else { break }
                decoder.append(&part)
                while let frame = try decoder.next() {
                    lengths.append(frame.readableBytes)
                    #expect(frame.readableBytesView.allSatisfy { $0 == UInt8(truncatingIfNeeded: frame.readableBytes) })
                }
            }
            #expect(lengths == [8, 100, 70_000, 9])
            #expect(!decoder.hasBytes)
        }
    }

    @Test("The buffer of a large frame is used again, but not under a frame that somebody holds")
    func reuse() throws {
        let pool = FrameBufferPool()
        var held: [ByteBuffer] = []
        var decoder = FrameDecoder(maximumFrame: 1 << 20, pool: pool)
        for number in 0..<20 {
            var stream = ByteBuffer(integer: Int32(200_000))
            stream.writeRepeatingByte(UInt8(number), count: 200_000)
            while var part = stream.readSlice(length: min(65_536, stream.readableBytes)), part.readableBytes > 0 {
                decoder.append(&part)
                guard let frame = try decoder.next() else { continue }
                if number % 3 == 0 { held.append(frame) }
                #expect(frame == ByteBuffer(repeating: UInt8(number), count: 200_000))
            }
        }
        #expect(held == [0, 3, 6, 9, 12, 15, 18].map { ByteBuffer(repeating: $0, count: 200_000) })
    }

    @Test("Sizes that no honest client sends are refused", arguments: [-1, 0, 7, 101, Int32.max, Int32.min])
    func hostileSizes(size: Int32) {
        var decoder = FrameDecoder(maximumFrame: 100)
        var bytes = ByteBuffer(integer: size)
        decoder.append(&bytes)
        #expect(throws: FrameDecoder.IllegalSize.self) { try decoder.next() }
    }

    @Test("Answers leave in the order of their requests")
    func order() {
        var queue = ResponseQueue(maximumOwed: 10, maximumHeldBytes: 1000)
        let slots = (0..<4).map { _ in queue.open() }
        queue.fill(slots[2], with: part("c"))
        queue.fill(slots[1], with: [])
        #expect(texts(queue.popReady()) == nil)
        queue.fill(slots[0], with: part("a"))
        #expect(texts(queue.popReady()) == ["a"])
        #expect(texts(queue.popReady()) == [])
        #expect(texts(queue.popReady()) == ["c"])
        #expect(texts(queue.popReady()) == nil)
        queue.fill(slots[0], with: part("late and doubled"))
        queue.fill(slots[3], with: part("d"))
        #expect(texts(queue.popReady()) == ["d"])
        #expect(queue.count == 0)
    }

    @Test("A full queue asks for no more requests until answers have left")
    func bounds() {
        var byCount = ResponseQueue(maximumOwed: 2, maximumHeldBytes: 1000)
        let first = byCount.open()
        #expect(byCount.acceptsMore)
        _ = byCount.open()
        #expect(!byCount.acceptsMore)
        byCount.fill(first, with: [])
        _ = byCount.popReady()
        #expect(byCount.acceptsMore)

        var byBytes = ResponseQueue(maximumOwed: 10, maximumHeldBytes: 5)
        let late = byBytes.open()
        byBytes.fill(byBytes.open(), with: part("six by"))
        #expect(!byBytes.acceptsMore)
        byBytes.fill(late, with: part("x"))
        while byBytes.popReady() != nil {}
        #expect(byBytes.acceptsMore)
    }
}
