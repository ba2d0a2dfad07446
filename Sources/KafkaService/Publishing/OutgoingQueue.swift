import KafkaClient
import Logging
import NIOConcurrencyHelpers
import ServiceLifecycle

/// Records that were published without waiting, in order, until the producer has them.
final class OutgoingQueue: Sendable {
    struct Entry: Sendable {
        var record: ProducerRecord
        var onFailure: @Sendable (any Error) -> Void
    }

    private struct State {
        var entries: [Entry] = []
        var waiter: CheckedContinuation<Void, Never>?
        var isFinished = false
    }

    /// More than this many are refused: the brokers don't keep up, and memory is finite.
    static let limit = 100_000

    private let state = NIOLockedValueBox(State())
    private let producer: KafkaProducer
    private let logger: Logger

    init(producer: KafkaProducer, logger: Logger) {
        self.producer = producer
        self.logger = logger
    }

    func append(_ entry: Entry) {
        let (refusal, waiter) = state.withLockedValue { state -> (String?, CheckedContinuation<Void, Never>?) in
            guard !state.isFinished else { return ("the application has shut down", nil) }
            guard state.entries.count < Self.limit else { return ("\(Self.limit) records wait for the brokers", nil) }
            state.entries.append(entry)
            defer { state.waiter = nil }
            return (nil, state.waiter)
        }
        waiter?.resume()
        if let refusal { entry.onFailure(KafkaServiceError(.state, "the message is not sent: \(refusal)")) }
    }

    /// Takes no more; ``run()`` ends when all are sent.
    func finish() {
        let waiter = state.withLockedValue { state in
            state.isFinished = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Sends until ``finish()``, a graceful shutdown or a cancellation, and then what is left.
    func run() async {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                while let entries = await take() { await send(entries) }
            } onGracefulShutdown: {
                self.finish()
            }
        } onCancel: {
            self.finish()
        }
    }

    private func take() async -> [Entry]? {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isReady = state.withLockedValue { state in
                if !state.entries.isEmpty || state.isFinished { return true }
                state.waiter = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        return state.withLockedValue { state in
            guard !state.entries.isEmpty else { return nil }
            defer { state.entries = [] }
            return state.entries
        }
    }

    /// All together, which keeps their order; if that fails, the failure is every one's whose fate is unknown.
    private func send(_ entries: [Entry]) async {
        do {
            let producer = producer
            let records = entries.map(\.record)
            // A cancelled service still delivers what it took.
            _ = try await Task { try await producer.send(contentsOf: records) }.value
        } catch {
            logger.error(
                "messages could not be sent", metadata: ["count": "\(entries.count)", "error": "\(error)"])
            for entry in entries { entry.onFailure(error) }
        }
    }
}
