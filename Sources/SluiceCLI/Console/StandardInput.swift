import Dispatch
import NIOConcurrencyHelpers
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Standard input as chunks that are asked for one by one, so that a slow broker slows the reader, and no thread of
/// Swift's pool blocks in `read`.
final class StandardInput: Sendable {
    /// Most bytes of one chunk, and so most that waits for acknowledgement.
    static let largestChunk = 1 << 20

    private struct State {
        var isStopped = false
        var waiter: CheckedContinuation<ByteBuffer?, Never>?
    }

    private let state = NIOLockedValueBox(State())
    private let queue = DispatchQueue(label: "standard-input")

    /// Waits for input, and takes all there is then.
    ///
    /// - Returns: nil at the end of the input, or after ``stop()``.
    func next() async -> ByteBuffer? {
        await withCheckedContinuation { continuation in
            let isStopped = state.withLockedValue { state in
                if !state.isStopped { state.waiter = continuation }
                return state.isStopped
            }
            if isStopped { return continuation.resume(returning: nil) }
            queue.async { self.deliver(Self.readAvailable()) }
        }
    }

    /// Ends a waiting ``next()``, and every later one.
    func stop() {
        state.withLockedValue { $0.isStopped = true }
        deliver(nil)
    }

    private func deliver(_ chunk: ByteBuffer?) {
        let waiter = state.withLockedValue { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: chunk)
    }

    private static func readAvailable() -> ByteBuffer? {
        var buffer = ByteBuffer()
        repeat {
            var count = 0
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) { space in
                count = Descriptor.standardInput.readSome(into: space)
                return max(count, 0)
            }
            if count <= 0 { break }
        } while buffer.readableBytes < largestChunk && hasMore()
        return buffer.readableBytes > 0 ? buffer : nil
    }

    private static func hasMore() -> Bool {
        var poller = pollfd(fd: Descriptor.standardInput.number, events: Int16(POLLIN), revents: 0)
        return poll(&poller, 1, 0) > 0
    }
}
