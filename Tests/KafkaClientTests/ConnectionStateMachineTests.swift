import NIOCore
import Testing

@testable import KafkaClient

struct ConnectionStateMachineTests {
    private let lost = KafkaError(.connectionClosed, "lost")

    private func send(_ machine: inout ConnectionStateMachine<String>, _ token: String, deadline: UInt64) -> Int32? {
        if case .send(let id) = machine.submit(token, deadline: deadline) { return id }
        return nil
    }

    @Test func `answers find their requests, in any order`() {
        var machine = ConnectionStateMachine<String>(peer: "b:1")
        #expect(send(&machine, "a", deadline: 10) == 0)
        #expect(send(&machine, "b", deadline: 20) == 1)
        #expect(machine.nextDeadline == 10)
        guard case .complete("b") = machine.received(1), case .complete("a") = machine.received(0) else {
            Issue.record("wrong requests")
            return
        }
        #expect(machine.pendingCount == 0)
        #expect(machine.nextDeadline == nil)
    }

    @Test func `an answer that nobody waits for ends the connection`() {
        var machine = ConnectionStateMachine<String>(peer: "b:1")
        guard case .violation(let error) = machine.received(7) else {
            Issue.record("taken")
            return
        }
        #expect(error.message.contains("b:1"))
        // Produce with acks=0 leaves nothing behind either.
        guard case .send(0) = machine.submit("none", deadline: 1, expectsResponse: false) else {
            Issue.record("not sent")
            return
        }
        #expect(machine.pendingCount == 0)
    }

    @Test func `a late answer gives up the connection, and all who wait fail in their order`() {
        var machine = ConnectionStateMachine<String>(peer: "b:1")
        for (index, token) in ["a", "b", "c"].enumerated() {
            #expect(send(&machine, token, deadline: UInt64(10 + index)) != nil)
        }
        #expect(machine.expire(now: 9) == nil)
        let error = machine.expire(now: 10)
        #expect(error?.code == .timedOut)
        #expect(error?.isRetriable == true)
        #expect(machine.close(error ?? lost) == ["a", "b", "c"])
        #expect(machine.close(lost) == [])
        guard case .fail("d", let failure) = machine.submit("d", deadline: 99) else {
            Issue.record("sent on a closed connection")
            return
        }
        #expect(failure.code == .timedOut)
    }
}

struct FrameAccumulatorTests {
    private func frame(_ text: String) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(Int32(text.utf8.count))
        buffer.writeString(text)
        return buffer
    }

    @Test(arguments: [1, 2, 3, 5, 7, 64, 1000])
    func `frames come out whole however the stream is cut`(_ step: Int) throws {
        var stream = ByteBuffer()
        let texts = ["abcd", "efghijklmnop", String(repeating: "x", count: 300), "1234"]
        for text in texts { stream.writeImmutableBuffer(frame(text)) }
        var frames = FrameAccumulator()
        var out: [String] = []
        while stream.readableBytes > 0 {
            guard let part = stream.readSlice(length: min(step, stream.readableBytes)) else { break }
            frames.append(part)
            while let next = try frames.next() { out.append(String(buffer: next)) }
        }
        #expect(out == texts)
    }

    @Test func `a length that no broker sends is refused`() {
        var frames = FrameAccumulator(maximumFrameSize: 1000)
        frames.append(ByteBuffer(string: "HTTP/1.1 400"))
        #expect(throws: KafkaError.self) { try frames.next() }
    }
}

struct BackoffTests {
    @Test func `doubles up to its maximum, with a fifth of jitter`() {
        let backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(1))
        #expect(backoff.delay(afterFailures: 0) == .zero)
        #expect(backoff.delay(afterFailures: 1, random: 0.5) == .milliseconds(100))
        #expect(backoff.delay(afterFailures: 3, random: 0.5) == .milliseconds(400))
        #expect(backoff.delay(afterFailures: 50, random: 0.5) == .seconds(1))
        for _ in 0..<100 {
            let delay = backoff.delay(afterFailures: 2)
            #expect(delay >= .milliseconds(160) && delay <= .milliseconds(240))
        }
    }
}
