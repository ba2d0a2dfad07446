import NIOCore
import Testing

@testable import KafkaBroker

@Suite("Frames and the order of answers")
struct FramingTests {
    @Test("Frames are cut at their size, however the bytes arrive")
    func cutting() throws {
        var stream = ByteBuffer()
        for length in [8, 100, 70_000, 9] {
            stream.writeInteger(Int32(length))
            stream.writeRepeatingByte(UInt8(truncatingIfNeeded: length), count: length)
        }
        for chunk in [1, 7, 4096, stream.readableBytes] {
            var decoder = FrameDecoder(maximumFrame: 100_000)
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
        queue.fill(slots[2], with: [ByteBuffer(string: "c")])
        queue.fill(slots[1], with: [])
        #expect(queue.popReady() == nil)
        queue.fill(slots[0], with: [ByteBuffer(string: "a")])
        #expect(queue.popReady() == [ByteBuffer(string: "a")])
        #expect(queue.popReady() == [])
        #expect(queue.popReady() == [ByteBuffer(string: "c")])
        #expect(queue.popReady() == nil)
        queue.fill(slots[0], with: [ByteBuffer(string: "late and doubled")])
        queue.fill(slots[3], with: [ByteBuffer(string: "d")])
        #expect(queue.popReady() == [ByteBuffer(string: "d")])
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
        byBytes.fill(byBytes.open(), with: [ByteBuffer(string: "six by")])
        #expect(!byBytes.acceptsMore)
        byBytes.fill(late, with: [ByteBuffer(string: "x")])
        while byBytes.popReady() != nil {}
        #expect(byBytes.acceptsMore)
    }
}
