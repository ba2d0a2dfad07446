import Dispatch
import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Ctrl-C and SIGTERM as an event. The second Ctrl-C ends the program at once.
final class StopSignal: Sendable {
    private struct State {
        var signal: Int32?
        var isWorkOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = NIOLockedValueBox(State())
    private nonisolated(unsafe) let sources: [any DispatchSourceSignal]

    /// Takes the signals over. A closed pipe becomes an error of `write` instead of the end of the program.
    init() {
        signal(SIGPIPE, SIG_IGN)
        sources = [SIGINT, SIGTERM].map { number in
            signal(number, SIG_IGN)
            return DispatchSource.makeSignalSource(signal: number, queue: .global())
        }
        for (source, number) in zip(sources, [SIGINT, SIGTERM]) {
            source.setEventHandler { [state] in Self.raise(number, state) }
            source.resume()
        }
    }

    /// Whether a signal has come.
    var isRaised: Bool { state.withLockedValue { $0.signal != nil } }

    /// Returns when a signal comes.
    func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLockedValue { state in
                let isOver = state.signal != nil || state.isWorkOver
                if !isOver { state.waiters.append(continuation) }
                return isOver
            }
            if isOver { continuation.resume() }
        }
    }

    /// Runs work that a signal cancels; being cancelled so is no failure.
    ///
    /// - Parameters:
    ///   - onSignal: Called when a signal comes, besides the cancellation.
    ///   - work: What to do; it returns or throws `CancellationError` when cancelled.
    func run(
        onSignal: @escaping @Sendable () -> Void = {}, _ work: @escaping @Sendable @concurrent () async throws -> Void
    ) async -> Result<Void, any Error> {
        let task = Task { try await work() }
        let watch = Task {
            await self.wait()
            guard self.isRaised else { return }
            onSignal()
            task.cancel()
        }
        let result = await task.result
        release()
        await watch.value
        if case .failure(let error) = result, error is CancellationError, isRaised { return .success(()) }
        return result
    }

    /// Wakes who waits although no signal came: the work has ended.
    private func release() {
        let waiters = state.withLockedValue { state in
            state.isWorkOver = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private static func raise(_ number: Int32, _ state: NIOLockedValueBox<State>) {
        let waiters = state.withLockedValue { state -> [CheckedContinuation<Void, Never>]? in
            guard state.signal == nil else { return nil }
            state.signal = number
            defer { state.waiters = [] }
            return state.waiters
        }
        guard let waiters else { Terminal.end(with: .interrupted) }
        // What comes next does not belong behind the terminal's `^C`.
        if number == SIGINT, Descriptor.standardError.isTerminal { Terminal.printError("") }
        for waiter in waiters { waiter.resume() }
    }
}
