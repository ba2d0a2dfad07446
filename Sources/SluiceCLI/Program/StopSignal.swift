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
            let isRaised = state.withLockedValue { state in
                if state.signal == nil { state.waiters.append(continuation) }
                return state.signal != nil
            }
            if isRaised { continuation.resume() }
        }
    }

    /// Wakes who waits although no signal came: the program ends for another reason.
    func release() {
        let waiters = state.withLockedValue { state in
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
        for waiter in waiters { waiter.resume() }
    }
}
