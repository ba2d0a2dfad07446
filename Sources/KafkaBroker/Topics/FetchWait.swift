import NIOConcurrencyHelpers
import NIOCore

/// A fetch that waits until enough bytes have arrived, its time is up, or it is no longer wanted.
///
/// The completion runs once, on the event loop of the fetch.
final class FetchWait: Sendable {
    private struct State {
        var missing: Int
        var isOver = false
        var timer: Scheduled<Void>?
        var partitions: [Partition] = []
    }

    /// Whether the fetch wants committed records only.
    let isCommittedOnly: Bool
    private let eventLoop: any EventLoop
    private let state: NIOLockedValueBox<State>
    private let complete: @Sendable () -> Void

    init(
        missing: Int, isCommittedOnly: Bool, eventLoop: any EventLoop, complete: @escaping @Sendable () -> Void
    ) {
        self.isCommittedOnly = isCommittedOnly
        self.eventLoop = eventLoop
        self.complete = complete
        state = NIOLockedValueBox(State(missing: missing))
    }

    /// Begins to wait on these partitions, for at most this long.
    func start(on partitions: [Partition], timeout: TimeAmount) {
        let timer = eventLoop.scheduleTask(in: timeout) { self.finish(completing: true) }
        state.withLockedValue {
            $0.partitions = partitions
            $0.timer = timer
        }
        for partition in partitions { partition.add(self) }
    }

    /// Bytes have been appended to one of the partitions.
    func dataArrived(_ bytes: Int) {
        let isEnough = state.withLockedValue { state in
            guard !state.isOver, state.missing > 0 else { return false }
            state.missing -= min(bytes, state.missing)
            return state.missing == 0
        }
        // On the next turn of the loop, so that what else is appended in this one comes along.
        if isEnough { eventLoop.execute { self.finish(completing: true) } }
    }

    /// The partition is gone: answer now.
    func abandon() { dataArrived(.max) }

    /// Nobody waits for the answer any more.
    func cancel() { finish(completing: false) }

    private func finish(completing: Bool) {
        let ended = state.withLockedValue { state -> (timer: Scheduled<Void>?, partitions: [Partition])? in
            guard !state.isOver else { return nil }
            state.isOver = true
            defer {
                state.partitions = []
                state.timer = nil
            }
            return (state.timer, state.partitions)
        }
        guard let ended else { return }
        ended.timer?.cancel()
        for partition in ended.partitions { partition.remove(self) }
        if completing { complete() }
    }
}
